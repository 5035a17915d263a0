// Laws of the codings: what is encoded comes back, whatever the bits, on every
// path, in place and not; encoders give the same bytes on every path and each time;
// a payload cut off anywhere is refused.
//   cmake -S kernel -B build/kernel -DSAPWOOD_KERNEL_TESTS=ON -DSAPWOOD_SANITIZE=ON
#include <algorithm>
#include <random>

#include "check.hpp"
#include "sapwood/codec.hpp"
#include "sapwood/measure.hpp"

using namespace sapwood;
using Bytes = std::vector<uint8_t>;
using TablesPtr = std::shared_ptr<const Tables>;

namespace {

constexpr Type types[] = {Type::bf16, Type::f16, Type::f32,     Type::f64, Type::f8_e4m3, Type::f8_e5m2,
                          Type::i8,   Type::i16, Type::i32,     Type::i64, Type::u8,      Type::u16,
                          Type::u32,  Type::u64, Type::boolean, Type::bytes};
constexpr Context every_context[] = {Context::none, Context::one, Context::row, Context::edge};

bool takes(Coding coding, Context context) {
    return coding == Coding::residual || context == Context::none ||
           (coding == Coding::sparse && context != Context::edge);
}

std::mt19937_64 random_bits(20240229);

uint64_t below(uint64_t limit) { return random_bits() % limit; }

size_t size_of(Type type) {
    return with_element(type, [](auto element) { return sizeof(typename decltype(element)::uint); });
}

bool is_float(Type type) {
    return with_element(type, [](auto element) { return decltype(element)::is_float; });
}

std::vector<Path> paths() {
    std::vector<Path> out;
    for (const Path path : {Path::scalar, Path::avx2, Path::avx512})
        if (supported(path)) out.push_back(path);
    return out;
}

// How elements are drawn, and how a target differs from its base.
enum class Data { random, nasty, alike, near, few_changes, equal };
constexpr Data every_data[] = {Data::random, Data::nasty,       Data::alike,
                               Data::near,   Data::few_changes, Data::equal};

// Zeros, extremes, denormals, infinities and NaNs of both signs.
template <class E>
typename E::uint nasty_word() {
    using Uint = typename E::uint;
    const Uint infinity = static_cast<Uint>(E::magnitude_mask >> E::mantissa << E::mantissa);
    const Uint words[] = {0, 1, E::magnitude_mask, infinity, static_cast<Uint>(infinity + 1),
                          static_cast<Uint>(infinity - 1), static_cast<Uint>(infinity / 2)};
    const Uint sign = static_cast<Uint>(below(2) << (E::width - 1));
    return static_cast<Uint>(words[below(std::size(words))] | sign);
}

Bytes drawn(Type type, uint64_t elements, Data data) {
    Bytes out(elements * size_of(type));
    with_element(type, [&](auto element) {
        using E = decltype(element);
        const auto same = static_cast<typename E::uint>(random_bits());
        for (uint64_t i = 0; i < elements; ++i) {
            auto word = static_cast<typename E::uint>(random_bits());
            if (data == Data::nasty) word = nasty_word<E>();
            if (data == Data::alike) word = same;
            E::store(out.data(), i, word);
        }
    });
    return out;
}

Bytes updated(Type type, const Bytes& base, Data data) {
    const uint64_t elements = base.size() / size_of(type);
    if (data != Data::near && data != Data::few_changes && data != Data::equal)
        return drawn(type, elements, data);
    Bytes out = base;
    if (data == Data::equal) return out;
    with_element(type, [&](auto element) {
        using E = decltype(element);
        for (uint64_t i = 0; i < elements; ++i) {
            if (data == Data::few_changes && below(50) != 0) continue;
            const auto step = static_cast<int64_t>(random_bits()) >> (63 - below(E::width));
            const auto to = E::apply(E::load(base.data(), i), static_cast<typename E::sint>(step));
            E::store(out.data(), i, to);
        }
    });
    return out;
}

// Counts of the planner's kind: some tokens, some contexts, or nothing at all.
TablesPtr some_tables(Coding coding, Type type) {
    std::vector<uint32_t> counts(size_t{contexts} * 256);
    const unsigned kind = static_cast<unsigned>(below(4));
    for (size_t i = 0; i < counts.size() && kind != 0; ++i)
        if (below(4) < kind) counts[i] = static_cast<uint32_t>(random_bits() >> (32 + i % 16));
    std::vector<Special> specials;
    const unsigned first = with_element(
        type, [](auto element) { return ResidualBins<decltype(element)::width>::tokens; });
    if (coding == Coding::residual && below(2) == 0)
        for (unsigned token = first; token < std::min(first + 8, still_row); ++token)
            specials.push_back({static_cast<uint8_t>(token), static_cast<int64_t>(below(64)) - 32});
    std::vector<uint8_t> starts;
    if (coding == Coding::sparse)
        for (uint8_t start = 0; start < 32 && starts.size() < max_classes;
             start = static_cast<uint8_t>(start + 1 + below(12)))
            starts.push_back(start);
    const auto exponent = static_cast<uint16_t>(coding == Coding::value ? below(200) : 0);
    auto tables = std::make_shared<const Tables>(coding, normalised(counts), specials, starts, exponent);
    const Bytes serialised = tables->serialised();
    const TablesPtr parsed = Tables::parse(serialised);
    CHECK(parsed->serialised() == serialised);
    CHECK(parsed->frequencies() == tables->frequencies());
    return parsed;
}

struct Case {
    Type type;
    Coding coding;
    uint64_t elements;
    uint64_t row_length;
    Context context;
    Bytes base;
    Bytes target;
    std::vector<int16_t> levels;
    Bytes edges;
    TablesPtr tables;
    int table;  // id, or -1

    Bytes encoded(Path path) const {
        const Levels view{context, levels, context == Context::edge ? edges.data() : nullptr};
        if (coding == Coding::value)
            return encode_value(type, target.data(), elements, *tables, table, path);
        return (coding == Coding::sparse ? encode_sparse : encode_residual)(
            type, base.data(), target.data(), elements, row_length, view, *tables, table, path);
    }
    void decode(const Bytes& payload, const uint8_t* from, uint8_t* out, Path path) const {
        const std::vector<TablesPtr> shared(3, tables);
        if (coding == Coding::value)
            decode_value(type, payload, out, elements, shared);
        else if (coding == Coding::sparse)
            decode_sparse(type, payload, from, out, elements, row_length, shared, path);
        else
            decode_residual(type, payload, from, out, elements, row_length, shared, path,
                            edges.data());
    }
    // Into memory that ends with the elements, at an odd address.
    void check_decodes(const Bytes& payload, Path path, bool in_place) const {
        Bytes from(1);
        from.insert(from.end(), base.begin(), base.end());
        from.shrink_to_fit();
        Bytes other(from.size(), 0xA5);
        Bytes& out = in_place ? from : other;
        decode(payload, from.data() + 1, out.data() + 1, path);
        CHECK(std::equal(target.begin(), target.end(), out.begin() + 1, out.end()));
    }
    bool refused(const Bytes& payload, Path path) const {
        Bytes out(target.size());
        try {
            decode(payload, base.data(), out.data(), path);
        } catch (const CorruptPayload&) {
            return true;
        }
        return false;
    }
};

std::vector<int16_t> some_levels(const Case& made) {
    if (made.context == Context::none) return {};
    const uint64_t rows =
        made.context == Context::one ? 1 : row_count(made.elements, made.row_length);
    std::vector<int16_t> levels = row_levels(made.type, made.base.data(), made.target.data(),
                                             made.elements, made.row_length, static_cast<int>(below(3)));
    levels.resize(rows, still_level);
    for (int16_t& level : levels) {
        if (below(10) == 0) level = static_cast<int16_t>(below(2 * max_level + 1) - max_level);
        if (below(10) == 0) level = still_level;
    }
    return levels;
}

Case some_case(Type type, Coding coding, Context context, uint64_t elements, Data data) {
    Case made{type, coding, elements, 1 + below(300), context, {}, {}, {}, {}, {}, 0};
    if (below(8) == 0) made.row_length = ~uint64_t{0};
    made.base = drawn(type, elements, data);
    made.target = updated(type, made.base, data);
    made.levels = some_levels(made);
    made.edges = Bytes(std::max<uint64_t>(elements, 1));  // the memory ends with the last
    for (uint8_t& edge : made.edges)
        edge = static_cast<uint8_t>(below(below(20) == 0 ? 256 : 62));
    made.tables = some_tables(coding, type);
    made.table = static_cast<int>(below(4)) - 1;
    return made;
}

void check_round_trip(const Case& made) {
    const Bytes payload = made.encoded(Path::scalar);
    CHECK(payload == made.encoded(Path::scalar));
    for (const Path path : paths()) {
        CHECK(payload == made.encoded(path));
        made.check_decodes(payload, path, false);
        made.check_decodes(payload, path, true);
    }
}

void every_type_coding_and_context() {
    constexpr uint64_t sizes[] = {0, 1, 15, 16, 17, 63, 64, 65, 127, 500, 3000};
    for (const Type type : types)
        for (const Coding coding : {Coding::residual, Coding::value, Coding::sparse})
            for (const Context context : every_context)
                for (const Data data : every_data) {
                    if (!takes(coding, context) || (coding == Coding::value && !is_float(type)))
                        continue;
                    check_round_trip(some_case(type, coding, context,
                                               sizes[below(std::size(sizes))], data));
                }
}

// Enough of them that the encoder takes 16 and 64 lanes.
void large_chunks() {
    for (const Type type : types)
        for (const Context context : every_context) {
            check_round_trip(some_case(type, Coding::residual, context, 20000 + below(100), Data::near));
            if (!takes(Coding::sparse, context)) continue;
            check_round_trip(
                some_case(type, Coding::sparse, context, 40000 + below(100), Data::few_changes));
        }
}

void every_prefix_is_refused() {
    for (const Type type : types)
        for (const Coding coding : {Coding::residual, Coding::value, Coding::sparse}) {
            if (coding == Coding::value && !is_float(type)) continue;
            const Context context = coding == Coding::value ? Context::none : Context::row;
            const Case made = some_case(type, coding, context, 100, Data::near);
            const Bytes whole = made.encoded(Path::scalar);
            for (size_t size = 0; size < whole.size(); size += 1 + size / 64) {
                const Bytes prefix(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
                for (const Path path : paths()) CHECK(made.refused(prefix, path));
            }
        }
}

// Whether refused or not: all paths say the same, and none leaves its memory.
void damage_is_seen_alike() {
    for (const Type type : types)
        for (const Coding coding : {Coding::residual, Coding::sparse}) {
            const bool edges = coding == Coding::residual && below(2) == 0;
            const Case made = some_case(type, coding, edges ? Context::edge : Context::row, 20000,
                                        Data::near);
            const Bytes whole = made.encoded(Path::scalar);
            for (int round = 0; round < 3; ++round) {
                Bytes damaged = whole;
                damaged[below(damaged.size())] ^= static_cast<uint8_t>(1u << below(8));
                const bool expected = made.refused(damaged, Path::scalar);
                for (const Path path : paths()) CHECK(made.refused(damaged, path) == expected);
            }
        }
}

// Every pair of patterns of the 8-bit types, and every pattern of the 16-bit ones.
template <class E>
void residual_is_undone(typename E::uint base, typename E::uint target) {
    CHECK(E::ordered(E::ordered(base)) == base);
    CHECK(E::apply(base, E::residual(base, target)) == target);
}

void residuals_are_undone() {
    for (unsigned base = 0; base < 256; ++base)
        for (unsigned target = 0; target < 256; ++target) {
            const auto from = static_cast<uint8_t>(base);
            const auto to = static_cast<uint8_t>(target);
            residual_is_undone<Element<uint8_t, 3>>(from, to);
            residual_is_undone<Element<uint8_t, 2>>(from, to);
            residual_is_undone<Element<uint8_t, 0>>(from, to);
        }
    for (unsigned word = 0; word < 65536; ++word) {
        const auto from = static_cast<uint16_t>(word);
        const auto to = static_cast<uint16_t>(random_bits());
        residual_is_undone<Element<uint16_t, 7>>(from, to);
        residual_is_undone<Element<uint16_t, 10>>(to, from);
        const uint64_t wide = random_bits();
        residual_is_undone<Element<uint32_t, 23>>(static_cast<uint32_t>(wide), word);
        residual_is_undone<Element<uint64_t, 52>>(wide, random_bits());
        residual_is_undone<Element<uint64_t, 0>>(wide, random_bits());
    }
}

template <class Bins>
void tokens_say(int64_t value) {
    const Token found = Bins::token(value);
    CHECK(found.token == escape || found.token < Bins::tokens);
    CHECK(found.bits == Bins::bits(found.token));
    CHECK(Bins::value(found.token, found.raw) == value);
}

void tokens_say_what_they_stand_for() {
    for (unsigned octave = 0; octave < 63; ++octave)
        for (int64_t step = -2; step <= 2; ++step) {
            const int64_t size = (int64_t{1} << octave) + step;
            for (const int64_t value : {size, -size}) {
                tokens_say<ResidualBins<8>>(static_cast<int8_t>(value));
                tokens_say<ResidualBins<16>>(static_cast<int16_t>(value));
                tokens_say<ResidualBins<32>>(static_cast<int32_t>(value));
                tokens_say<ResidualBins<64>>(value);
            }
            const auto gap = static_cast<uint32_t>(size);
            const Token found = GapBins::token(gap);
            CHECK(found.token < GapBins::tokens && found.bits == GapBins::bits(found.token));
            CHECK(GapBins::value(found.token, found.raw) == gap);
        }
    tokens_say<ResidualBins<64>>(INT64_MIN);
    tokens_say<ResidualBins<32>>(INT32_MIN);
}

}  // namespace

int main() {
    residuals_are_undone();
    tokens_say_what_they_stand_for();
    every_type_coding_and_context();
    large_chunks();
    every_prefix_is_refused();
    damage_is_seen_alike();
    std::puts("roundtrip: all laws hold");
}
