// libFuzzer's entry to everything in the kernel that reads bytes of strangers.
//
// The first byte chooses: decode a payload, or encode something, damage it and
// decode that; parse tables; look for copies. Buffers end where their memory ends,
// so that the address sanitizer sees a step too far. All paths must agree with the
// scalar one: on whether a payload is refused, and on what it says.
#include <algorithm>
#include <optional>
#include <span>

#include "check.hpp"
#include "sapwood/codec.hpp"
#include "sapwood/match.hpp"
#include "sapwood/measure.hpp"

using namespace sapwood;
using Bytes = std::vector<uint8_t>;
using SharedSet = std::vector<std::shared_ptr<const Tables>>;

namespace {

constexpr uint64_t most_elements = 4096;

// Reads the input from its front; zeros when there is none left.
class Input {
public:
    Input(const uint8_t* data, size_t size) : left_(data, size) {}

    uint8_t byte() {
        if (left_.empty()) return 0;
        const uint8_t value = left_[0];
        left_ = left_.subspan(1);
        return value;
    }
    uint32_t number(uint32_t below) {
        const uint32_t low = byte();
        return (low | static_cast<uint32_t>(byte()) << 8) % below;
    }
    Bytes take(size_t size) {
        size = std::min(size, left_.size());
        Bytes out(left_.begin(), left_.begin() + static_cast<ptrdiff_t>(size));
        left_ = left_.subspan(size);
        return out;
    }
    size_t left() const { return left_.size(); }

private:
    std::span<const uint8_t> left_;
};

size_t size_of(Type type) {
    return with_element(type, [](auto element) { return sizeof(typename decltype(element)::uint); });
}

// Memory of exactly that size, `offset` bytes from an aligned place.
class Buffer {
public:
    Buffer(const Bytes& data, size_t offset) : memory_(offset), offset_(offset) {
        memory_.insert(memory_.end(), data.begin(), data.end());
        memory_.shrink_to_fit();
    }
    uint8_t* data() { return memory_.data() + offset_; }
    Bytes content() const { return {memory_.begin() + static_cast<ptrdiff_t>(offset_), memory_.end()}; }

private:
    Bytes memory_;
    size_t offset_;
};

// A pattern from the input, repeated with small changes.
Bytes elements_from(Input& input, size_t size) {
    const Bytes pattern = input.take(1 + input.byte() % 64);
    uint32_t random = input.byte();
    const unsigned noise = input.byte();
    Bytes out(size);
    for (size_t i = 0; i < size; ++i) {
        random = random * 1664525 + 1013904223;
        out[i] = pattern.empty() ? 0 : pattern[i % pattern.size()];
        if ((random >> 24) < noise) out[i] = static_cast<uint8_t>(out[i] ^ (random >> 16 & 3));
    }
    return out;
}

// Three sets for each coding: all tokens alike, small tokens likely, and none known.
const SharedSet& shared_tables() {
    static const SharedSet sets = [] {
        SharedSet out;
        for (const Coding coding : {Coding::residual, Coding::value, Coding::sparse}) {
            for (unsigned kind = 0; kind < 3; ++kind) {
                std::vector<uint32_t> counts(size_t{contexts} * 256);
                for (size_t i = 0; i < counts.size(); ++i)
                    counts[i] = kind == 0 ? 1 : kind == 1 ? 100000u >> std::min<size_t>(i % 256, 20) : 0;
                std::vector<Special> specials;
                if (coding == Coding::residual && kind == 1)
                    specials = {{250, 12345}, {251, -77}, {252, int64_t{1} << 40}, {253, 0}};
                std::vector<uint8_t> starts;
                if (coding == Coding::sparse) starts = {static_cast<uint8_t>(kind), 7, 20};
                out.push_back(std::make_shared<const Tables>(coding, normalised(counts), specials,
                                                             starts));
            }
        }
        return out;
    }();
    return sets;
}

struct Chunk {
    Type type;
    Coding coding;
    uint64_t elements;
    uint64_t row_length;
    Bytes base;
    size_t offset;
    bool in_place;
    std::optional<Bytes> edges;  // one an element, in memory that ends with them

    const uint8_t* edge_data() const { return edges ? edges->data() : nullptr; }
};

Chunk chunk_from(Input& input) {
    Chunk chunk;
    chunk.type = static_cast<Type>(input.byte() % 16);
    chunk.coding = static_cast<Coding>(input.byte() % 3);
    chunk.elements = input.number(most_elements + 1);
    chunk.row_length = 1 + input.number(most_elements + 100);
    chunk.base = elements_from(input, chunk.elements * size_of(chunk.type));
    const unsigned flags = input.byte();
    chunk.offset = flags & 3;
    chunk.in_place = (flags & 4) != 0;
    if ((flags & 8) != 0) chunk.edges = elements_from(input, std::max<uint64_t>(chunk.elements, 1));
    return chunk;
}

// Nothing where the payload is refused.
std::optional<Bytes> decoded(const Chunk& chunk, const Bytes& payload, Path path) {
    Buffer base(chunk.base, chunk.offset);
    Buffer other(Bytes(chunk.base.size(), 0xA5), chunk.offset);
    Buffer& out = chunk.in_place ? base : other;
    try {
        if (chunk.coding == Coding::value)
            decode_value(chunk.type, payload, out.data(), chunk.elements, shared_tables());
        else if (chunk.coding == Coding::sparse)
            decode_sparse(chunk.type, payload, base.data(), out.data(), chunk.elements,
                          chunk.row_length, shared_tables(), path);
        else
            decode_residual(chunk.type, payload, base.data(), out.data(), chunk.elements,
                            chunk.row_length, shared_tables(), path, chunk.edge_data());
    } catch (const CorruptPayload&) {
        return std::nullopt;
    }
    CHECK(chunk.in_place || base.content() == chunk.base);
    return out.content();
}

std::optional<Bytes> decoded_by_all(const Chunk& chunk, const Bytes& payload) {
    const std::optional<Bytes> expected = decoded(chunk, payload, Path::scalar);
    for (const Path path : {Path::avx2, Path::avx512})
        if (supported(path)) CHECK(decoded(chunk, payload, path) == expected);
    return expected;
}

void decode_payload(Input& input) {
    const Chunk chunk = chunk_from(input);
    decoded_by_all(chunk, input.take(input.left()));
}

std::vector<int16_t> levels_for(const Chunk& chunk, const Bytes& target, Context context) {
    if (context == Context::none) return {};
    const uint64_t length = context == Context::one ? chunk.elements : chunk.row_length;
    std::vector<int16_t> levels =
        row_levels(chunk.type, chunk.base.data(), target.data(), chunk.elements,
                   std::max<uint64_t>(length, 1), 1);
    if (context == Context::one && levels.empty()) levels.push_back(0);
    return levels;
}

void count_on_all_paths(const Chunk& chunk, const Bytes& target) {
    const std::vector<int16_t> levels = levels_for(chunk, target, Context::row);
    const auto counts = [&](Path path) {
        return residual_counts(chunk.type, chunk.base.data(), target.data(), chunk.elements,
                               chunk.row_length, levels, {{253, 100}}, path, chunk.edge_data());
    };
    const std::vector<uint32_t> expected = counts(Path::scalar);
    for (const Path path : {Path::avx2, Path::avx512})
        if (supported(path)) CHECK(counts(path) == expected);
}

std::optional<Bytes> encoded(const Chunk& chunk, const Bytes& target, Context context,
                             const Tables& tables, int table, Path path) {
    const std::vector<int16_t> levels = levels_for(chunk, target, context);
    const Levels view{context, levels, context == Context::edge ? chunk.edge_data() : nullptr};
    try {
        if (chunk.coding == Coding::value)
            return encode_value(chunk.type, target.data(), chunk.elements, tables, table, path);
        return (chunk.coding == Coding::sparse ? encode_sparse : encode_residual)(
            chunk.type, chunk.base.data(), target.data(), chunk.elements, chunk.row_length, view,
            tables, table, path);
    // An integer's value, a change without a class, edges with a sparse coding.
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
}

void damage_payload(Input& input) {
    Chunk chunk = chunk_from(input);
    const Bytes target = elements_from(input, chunk.base.size());
    count_on_all_paths(chunk, target);
    const auto context = static_cast<Context>(input.byte() % (chunk.edges ? 4 : 3));
    const unsigned choice = input.byte();
    const unsigned kind = choice % 3;
    // Special tokens of the second set lie among the bins of 64-bit types.
    if (chunk.coding == Coding::residual && kind == 1 && size_of(chunk.type) == 8) return;
    const int id = static_cast<int>(3 * static_cast<unsigned>(chunk.coding) + kind);
    const bool inside = (choice & 128) != 0;
    const auto encode = [&](Path path) {
        return encoded(chunk, target, context, *shared_tables()[static_cast<size_t>(id)],
                       inside ? -1 : id, path);
    };
    std::optional<Bytes> payload = encode(Path::scalar);
    for (const Path path : {Path::avx2, Path::avx512})
        if (supported(path)) CHECK(encode(path) == payload);
    if (!payload) return;
    CHECK(decoded_by_all(chunk, *payload) == target);
    if (input.left() == 0) return;
    while (input.left() > 0 && !payload->empty()) {
        const size_t at = input.number(65536) % payload->size();
        const unsigned what = input.byte();
        if (what == 255)
            payload->erase(payload->begin() + static_cast<ptrdiff_t>(at));
        else if (what == 254)
            payload->insert(payload->begin() + static_cast<ptrdiff_t>(at), input.byte());
        else
            (*payload)[at] = static_cast<uint8_t>((*payload)[at] ^ what);
    }
    decoded_by_all(chunk, *payload);
}

void parse_tables(Input& input) {
    const Bytes data = input.take(input.left());
    try {
        CHECK(Tables::parse(data)->serialised() == data);
    } catch (const CorruptPayload&) {
        return;
    }
}

void find_copies(Input& input) {
    const uint32_t block = 16u << (input.byte() % 4);
    const size_t max_bytes = input.number(4096);
    const Bytes base = input.take(input.number(4096));
    const Bytes target = input.take(input.left());
    const MatchIndex index(base, block, max_bytes);
    CHECK(index.memory() <= max_bytes);
    std::vector<Copy> copies;
    index.find(target, 0, target.size(), copies);
    uint64_t at = 0;
    for (const Copy& copy : copies) {
        CHECK(copy.target_offset >= at && copy.length >= index.minimum_length());
        CHECK(copy.target_offset <= target.size() &&
              copy.length <= target.size() - copy.target_offset);
        CHECK(copy.base_offset <= base.size() && copy.length <= base.size() - copy.base_offset);
        CHECK(std::equal(target.begin() + static_cast<ptrdiff_t>(copy.target_offset),
                         target.begin() + static_cast<ptrdiff_t>(copy.target_offset + copy.length),
                         base.begin() + static_cast<ptrdiff_t>(copy.base_offset)));
        at = copy.target_offset + copy.length;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input(data, size);
    switch (input.byte() % 8) {
        case 0: case 1: decode_payload(input); break;
        case 2: case 3: case 4: damage_payload(input); break;
        case 5: parse_tables(input); break;
        default: find_copies(input); break;
    }
    return 0;
}
