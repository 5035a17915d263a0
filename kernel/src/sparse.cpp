#include <cstring>

#include "sapwood/bins.hpp"
#include "sapwood/codec.hpp"

namespace sapwood {
namespace {

// The class of each context: `none` for those below the first start, in which
// nothing may change.
struct Classes {
    static constexpr unsigned none = max_classes;
    uint8_t of[element_contexts];

    explicit Classes(const std::vector<uint8_t>& starts) {
        for (unsigned context = 0; context < element_contexts; ++context) {
            of[context] = none;
            for (unsigned k = 0; k < starts.size(); ++k)
                if (context >= starts[k]) of[context] = static_cast<uint8_t>(k);
        }
    }
};

struct Change {
    uint32_t gap;
    int64_t residual;
};

template <class E>
std::vector<std::vector<Change>> changes_by_class(const uint8_t* base, const uint8_t* target,
                                                  uint64_t elements, uint64_t row_length,
                                                  const Levels& levels, const Classes& classes) {
    std::vector<std::vector<Change>> out(max_classes);
    uint64_t seen[max_classes + 1] = {};  // members since the last change
    uint64_t row = 0;
    for (uint64_t start = 0; start < elements; start += row_length, ++row) {
        const uint64_t end = std::min(elements, start + row_length);
        const int level = levels.of(row);
        for (uint64_t i = start; i < end; ++i) {
            const auto from = E::load(base, i);
            const auto to = E::load(target, i);
            const unsigned context =
                levels.context == Context::none ? 0 : element_context(level, E::exponent(from));
            const unsigned k = classes.of[context];
            if (from == to) {
                ++seen[k];
                continue;
            }
            if (k == Classes::none) throw std::invalid_argument("sparse: a change without a class");
            out[k].push_back({static_cast<uint32_t>(seen[k]), E::residual(from, to)});
            seen[k] = 0;
        }
    }
    return out;
}

template <class E>
void walk(SparseLoop& loop, const Classes& classes) {
    uint64_t row = loop.done / loop.row_length;
    for (uint64_t i = loop.done; i < loop.elements; ++row) {
        const uint64_t end = std::min(loop.elements, (row + 1) * loop.row_length);
        const int level = loop.levels == nullptr ? loop.level : loop.levels[row];
        for (; i < end; ++i) {
            const unsigned context =
                loop.by_exponent ? element_context(level, E::exponent(E::load(loop.base, i))) : 0;
            const unsigned k = classes.of[context];
            if (k == Classes::none || loop.countdown[k] == ~uint64_t{0}) continue;
            if (loop.countdown[k]-- > 0) continue;
            const uint64_t n = loop.next[k]++;
            loop.positions[k][n] = static_cast<uint32_t>(i);
            loop.countdown[k] = n + 1 < loop.counts[k] ? loop.gaps[k][n + 1] : ~uint64_t{0};
        }
    }
    loop.done = loop.elements;
}

// Where the changes are, by class, in ascending order.
template <class E>
std::vector<std::vector<uint32_t>> find_changes(PayloadReader& reader, const uint8_t* base,
                                                uint64_t elements, uint64_t row_length,
                                                SparseFunction function) {
    const size_t classes = reader.counts.size();
    // A position takes the place of its gap, which is not needed any more.
    std::vector<std::vector<uint32_t>> positions(classes);
    uint64_t next[max_classes] = {};
    uint64_t countdown[max_classes];
    const uint32_t* gap_data[max_classes];
    uint32_t* position_data[max_classes];
    for (unsigned k = 0; k < classes; ++k) {
        positions[k].resize(reader.counts[k]);
        for (uint32_t& gap : positions[k]) {
            const unsigned token = reader.next_token(k);
            if (token != escape && token >= GapBins::tokens)
                throw CorruptPayload("sparse: unknown token");
            gap = GapBins::value(token, reader.bits.get(GapBins::bits(token)));
        }
        countdown[k] = positions[k].empty() ? ~uint64_t{0} : positions[k][0];
        gap_data[k] = positions[k].data();
        position_data[k] = positions[k].data();
    }
    SparseLoop loop{.base = base,
                    .elements = elements,
                    .levels = reader.levels.empty() ? nullptr : reader.levels.data(),
                    .level = reader.level,
                    .by_exponent = reader.context != Context::none,
                    .row_length = row_length,
                    .class_starts = reader.tables->class_starts().data(),
                    .classes = static_cast<unsigned>(classes),
                    .gaps = gap_data,
                    .counts = reader.counts.data(),
                    .next = next,
                    .countdown = countdown,
                    .positions = position_data,
                    .done = 0};
    if (function != nullptr) function(loop);
    walk<E>(loop, Classes(reader.tables->class_starts()));
    for (unsigned k = 0; k < classes; ++k)
        if (next[k] != reader.counts[k])
            throw CorruptPayload("sparse: changes past the end of the chunk");
    return positions;
}

}  // namespace

std::vector<uint8_t> encode_sparse(Type type, const uint8_t* base, const uint8_t* target,
                                   uint64_t elements, uint64_t row_length, const Levels& levels,
                                   const Tables& tables, int table, Path path) {
    if (levels.context == Context::edge) throw std::invalid_argument("sparse: an edge context");
    row_length = std::min(row_length, std::max<uint64_t>(elements, 1));
    return with_element(type, [&](auto element) {
        using E = decltype(element);
        using Bins = ResidualBins<E::width>;
        const auto changes = changes_by_class<E>(base, target, elements, row_length, levels,
                                                 Classes(tables.class_starts()));
        std::vector<uint64_t> counts;
        uint64_t symbols = 0;
        for (size_t k = 0; k < tables.class_starts().size(); ++k) {
            counts.push_back(changes[k].size());
            symbols += 2 * changes[k].size();
        }
        PayloadWriter writer(tables, table, levels.context, levels.values, symbols);
        for (unsigned k = 0; k < counts.size(); ++k)
            for (const Change& change : changes[k])
                writer.put(k, GapBins::token(change.gap), change.gap, 32);
        for (unsigned k = 0; k < counts.size(); ++k)
            for (const Change& change : changes[k])
                writer.put(change_context + k, Bins::token(change.residual),
                           static_cast<typename E::uint>(change.residual), E::width);
        return writer.finish(counts, path);
    });
}

void decode_sparse(Type type, std::span<const uint8_t> payload, const uint8_t* base, uint8_t* out,
                   uint64_t elements, uint64_t row_length, SharedTables shared, Path path) {
    row_length = std::min(row_length, std::max<uint64_t>(elements, 1));
    PayloadReader reader(payload, Coding::sparse, elements, row_length, shared);
    with_element(type, [&](auto element) {
        using E = decltype(element);
        using Bins = ResidualBins<E::width>;
        const auto positions = find_changes<E>(reader, base, elements, row_length,
                                               sparse_function(path, type));
        if (out != base && elements != 0)
            std::memcpy(out, base, elements * sizeof(typename E::uint));
        for (unsigned k = 0; k < positions.size(); ++k) {
            for (uint32_t at : positions[k]) {
                const unsigned token = reader.next_token(change_context + k);
                if (token == 0 || (token != escape && token >= Bins::tokens))
                    throw CorruptPayload("sparse: unknown token");
                const int64_t residual = Bins::value(token, reader.bits.get(Bins::bits(token)));
                E::store(out, at,
                         E::apply(E::load(out, at), static_cast<typename E::sint>(residual)));
            }
        }
    });
    reader.check_finished();
}

}  // namespace sapwood
