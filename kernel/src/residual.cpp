#include "sapwood/bins.hpp"
#include "sapwood/codec.hpp"
#include "sapwood/specials.hpp"

namespace sapwood {
namespace {

template <class E>
void put_residuals(PayloadWriter& writer, Type type, const uint8_t* base, const uint8_t* target,
                   uint64_t elements, uint64_t row_length, const Levels& levels,
                   const Tables& tables, Path path) {
    const SpecialLookup specials(tables.specials());
    uint32_t present[element_contexts] = {};
    for (unsigned context = 0; context < element_contexts; ++context)
        for (unsigned token = 0; token < first_bucket; ++token)
            present[context] |= static_cast<uint32_t>(writer.has(context, token)) << token;
    uint16_t* symbols = writer.extend(elements);
    find_symbols<E>(type, base, target, elements, row_length, levels, element_contexts - 1,
                    present, symbols, path,
                    [&](uint64_t i, unsigned context, typename E::sint residual) {
                        const int special = specials.find(residual);
                        Token token = special >= 0
                                          ? Token{static_cast<unsigned>(special), 0, 0}
                                          : ResidualBins<E::width>::token(residual);
                        if (!writer.has(context, token.token))
                            token = {escape, E::width, static_cast<typename E::uint>(residual)};
                        symbols[i] = static_cast<uint16_t>(context << 8 | token.token);
                        writer.raw(token.raw, token.bits);
                    });
}

// `Kind`: none, edge, or row for the contexts between.
template <class E, Context Kind>
void take_residuals(PayloadReader& reader, const uint8_t* base, const uint8_t* edges, uint8_t* out,
                    uint64_t begin, uint64_t elements, uint64_t row_length) {
    using Bins = ResidualBins<E::width>;
    using Sint = typename E::sint;
    const Tables& tables = *reader.tables;
    uint64_t row = begin / row_length;
    for (uint64_t i = begin; i < elements; ++row) {
        const uint64_t end = std::min(elements, (row + 1) * row_length);
        const int level = reader.level_of(row);
        for (; i < end; ++i) {
            const auto from = E::load(base, i);
            const int exponent = E::exponent(from);
            const unsigned context = Kind == Context::none   ? 0
                                     : Kind == Context::edge ? edge_context(level, exponent, edges[i])
                                                             : element_context(level, exponent);
            const unsigned token = reader.next_token(context);
            int64_t residual;
            if (token < Bins::tokens || token == escape)
                residual = Bins::value(token, reader.bits.get(Bins::bits(token)));
            else if (tables.is_special(token))
                residual = tables.special_values()[token];
            else
                throw CorruptPayload("residual: unknown token");
            E::store(out, i, E::apply(from, static_cast<Sint>(residual)));
        }
    }
}

// Rounds of an element a lane through the path's loop, and what it leaves through the scalar code.
template <class E, Context Kind>
void decode_all(PayloadReader& reader, DenseFunction loop, const uint8_t* base,
                const uint8_t* edges, uint8_t* out, uint64_t elements, uint64_t row_length) {
    if (loop == nullptr) {
        take_residuals<E, Kind>(reader, base, edges, out, 0, elements, row_length);
        return;
    }
    int32_t special_values[256];
    for (unsigned token = 0; token < 256; ++token)
        special_values[token] = static_cast<int32_t>(reader.tables->special_values()[token]);
    DenseLoop state{.states = reader.rans.states,
                    .entries = reader.rans.entries,
                    .words = reader.rans.words,
                    .words_end = reader.rans.words_end,
                    .bits = reader.bits.data,
                    .bit_position = 0,
                    .bit_end = reader.bits.end,
                    .levels = reader.levels.empty() ? nullptr : reader.levels.data(),
                    .level = reader.level,
                    .by_exponent = Kind != Context::none,
                    .edges = edges,
                    .row_length = row_length,
                    .elements = elements,
                    .base = base,
                    .out = out,
                    .bin_tokens = ResidualBins<E::width>::tokens,
                    .first_special = reader.tables->first_special(),
                    .last_special = reader.tables->last_special(),
                    .special_values = special_values,
                    .done = 0};
    while (state.done < elements) {
        const uint64_t before = state.done;
        state.words = reader.rans.words;
        state.bit_position = reader.bits.position;
        loop(state);
        reader.rans.words = state.words;
        reader.bits.position = state.bit_position;
        reader.position += state.done - before;
        const uint64_t end = std::min(elements, state.done + reader.lanes);
        take_residuals<E, Kind>(reader, base, edges, out, state.done, end, row_length);
        state.done = end;
        if (reader.rans.overrun() || reader.bits.overrun)
            throw CorruptPayload("residual: the streams are cut off");
    }
}

}  // namespace

std::vector<uint8_t> encode_residual(Type type, const uint8_t* base, const uint8_t* target,
                                     uint64_t elements, uint64_t row_length, const Levels& levels,
                                     const Tables& tables, int table, Path path) {
    row_length = std::min(row_length, std::max<uint64_t>(elements, 1));
    PayloadWriter writer(tables, table, levels.context, levels.values, elements);
    with_element(type, [&](auto element) {
        put_residuals<decltype(element)>(writer, type, base, target, elements, row_length, levels,
                                         tables, path);
    });
    return writer.finish({}, path);
}

void decode_residual(Type type, std::span<const uint8_t> payload, const uint8_t* base,
                     uint8_t* out, uint64_t elements, uint64_t row_length, SharedTables shared,
                     Path path, const uint8_t* edges) {
    row_length = std::min(row_length, std::max<uint64_t>(elements, 1));
    PayloadReader reader(payload, Coding::residual, elements, row_length, shared);
    if (reader.context == Context::edge && edges == nullptr)
        throw CorruptPayload("residual: a context of edges, which this base has not");
    with_element(type, [&](auto element) {
        using E = decltype(element);
        if (reader.tables->first_special() < ResidualBins<E::width>::tokens)
            throw CorruptPayload("residual: a special value in place of a bin");
        const DenseFunction loop = dense_function(path, type, reader.lanes);
        const auto decode = [&]<Context Kind>(const uint8_t* hints) {
            decode_all<E, Kind>(reader, loop, base, hints, out, elements, row_length);
        };
        if (reader.context == Context::none)
            decode.template operator()<Context::none>(nullptr);
        else if (reader.context == Context::edge)
            decode.template operator()<Context::edge>(edges);
        else
            decode.template operator()<Context::row>(nullptr);
    });
    reader.check_finished();
}

std::vector<uint8_t> encode_value(Type type, const uint8_t* target, uint64_t elements,
                                  const Tables& tables, int table, Path path) {
    PayloadWriter writer(tables, table, Context::none, {}, elements);
    with_element(type, [&](auto element) {
        using E = decltype(element);
        if constexpr (!E::is_float) throw std::invalid_argument("value: integers have no exponent");
        const int64_t lowest = tables.first_exponent();
        for (uint64_t i = 0; i < elements; ++i) {
            const auto bits = E::load(target, i);
            const int64_t field = E::exponent(bits) - lowest;
            const unsigned token = field >= 0 && field < escape ? static_cast<unsigned>(field) : escape;
            const uint64_t sign = bits >> (E::width - 1);
            const uint64_t mantissa = bits & ((uint64_t{1} << E::mantissa) - 1);
            const Token whole{escape, E::width, bits};
            writer.put(0, token == escape ? whole
                                          : Token{token, E::mantissa + 1, sign << E::mantissa | mantissa},
                       bits, E::width);
        }
    });
    return writer.finish({}, path);
}

void decode_value(Type type, std::span<const uint8_t> payload, uint8_t* out, uint64_t elements,
                  SharedTables shared) {
    PayloadReader reader(payload, Coding::value, elements, elements == 0 ? 1 : elements, shared);
    if (reader.context != Context::none) throw CorruptPayload("value: a context");
    with_element(type, [&](auto element) {
        using E = decltype(element);
        using Uint = typename E::uint;
        if constexpr (!E::is_float) throw CorruptPayload("value: integers have no exponent");
        const uint64_t lowest = reader.tables->first_exponent();
        for (uint64_t i = 0; i < elements; ++i) {
            const unsigned token = reader.next_token(0);
            if (token == escape) {
                E::store(out, i, static_cast<Uint>(reader.bits.get(E::width)));
                continue;
            }
            const uint64_t raw = reader.bits.get(E::mantissa + 1);
            const uint64_t exponent = lowest + token;
            if (exponent >> (E::width - 1 - E::mantissa) != 0)
                throw CorruptPayload("value: an exponent out of range");
            const uint64_t mantissa = raw & ((uint64_t{1} << E::mantissa) - 1);
            E::store(out, i, static_cast<Uint>((raw >> E::mantissa) << (E::width - 1) |
                                               exponent << E::mantissa | mantissa));
        }
    });
    reader.check_finished();
}

}  // namespace sapwood
