// What the payloads of all codings have in common: the fields before the symbols,
// the levels of the rows, and the streams (spec/patch-v1.md, Payloads).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sapwood/bins.hpp"
#include "sapwood/bitstream.hpp"
#include "sapwood/rans.hpp"
#include "sapwood/tables.hpp"

namespace sapwood {

// What chooses the table of an element.
enum class Context : uint8_t {
    none = 0,  // one table for all
    one = 1,   // the base's exponent, against one level for the chunk
    row = 2,   // the base's exponent, against its row's level
    edge = 3,  // that, and how near the prediction lies to a rounding boundary
};

// Whether every row has a level of its own.
inline bool has_rows(Context context) {
    return context == Context::row || context == Context::edge;
}

// The level of a row in which nothing is expected to change: context 0 throughout.
inline constexpr int16_t still_level = INT16_MIN;
inline constexpr int max_level = 8191;

// The table of an element: half octaves of the update's size over the ULP.
inline unsigned element_context(int level, int exponent) {
    const int context = level - 2 * exponent;
    return context < 0 ? 0u : context > 31 ? 31u : static_cast<unsigned>(context);
}

// With a hint: twice the half octaves of nearness to a rounding boundary, and its side in
// the lowest bit. An error below the ULP is judged by how far the boundary is for it, a
// larger one by its size alone. Encoders write hints of 0..61; a decoder takes any byte.
inline unsigned edge_context(int level, int exponent, uint8_t edge) {
    const int size = level - 2 * exponent;
    const int near = std::clamp(size + (edge >> 1) + 2, 0, 7);
    const int far = std::clamp(size >> 1, 0, 7) + 8;
    const int kind = near + ((far - near) & ~(size >> 31));  // no branch: it would be missed often
    return static_cast<unsigned>(2 * kind + (edge & 1));
}

// Rows of a chunk: `elements` in rows of `row_length`, the last one perhaps shorter.
inline uint64_t row_count(uint64_t elements, uint64_t row_length) {
    return elements / row_length + (elements % row_length != 0);
}

// A payload under construction.
class PayloadWriter {
public:
    // `table`: the id of a shared set, or negative to carry `tables` inside.
    PayloadWriter(const Tables& tables, int table, Context context,
                  std::span<const int16_t> levels, uint64_t symbols_expected);
    PayloadWriter(const PayloadWriter&) = delete;
    PayloadWriter& operator=(const PayloadWriter&) = delete;
    ~PayloadWriter();

    // Whether the tables have a token in a context.
    bool has(unsigned context, unsigned token) const {
        return (entries_[context << 8 | token] & 0xFFFF) != 0;
    }

    // A symbol and its raw bits; the escape and `whole` where the tables lack the token.
    void put(unsigned context, Token token, uint64_t whole, unsigned width) {
        if (!has(context, token.token)) token = {escape, width, whole};
        symbols_.push_back(static_cast<uint16_t>(context << 8 | token.token));
        raw(token.raw, token.bits);
    }
    // Where a caller writes `count` symbols by itself.
    uint16_t* extend(uint64_t count) {
        symbols_.resize(symbols_.size() + count);
        return symbols_.data() + symbols_.size() - count;
    }
    void raw(uint64_t value, unsigned bits) { bits_.put(value, bits); }

    // `counts`: changes by class, of sparse codings; else empty.
    std::vector<uint8_t> finish(std::span<const uint64_t> counts, Path path);

private:
    const Tables& tables_;
    std::vector<uint32_t> entries_;
    int table_;
    Context context_;
    int16_t level_ = 0;
    std::vector<uint16_t> symbols_;
    size_t elements_from_ = 0;  // symbols before are rows
    BitWriter bits_;
};

// A payload being read. Holds a padded copy of the streams, no larger than the payload.
class PayloadReader {
public:
    // Throws CorruptPayload. `shared` are the patch's tables, by id.
    PayloadReader(std::span<const uint8_t> payload, Coding coding, uint64_t elements,
                  uint64_t row_length,
                  std::span<const std::shared_ptr<const Tables>> shared);

    Context context;
    int level = 0;               // Context::one
    std::vector<int16_t> levels;  // Context::row and edge: one a row
    unsigned lanes = 1;
    const Tables* tables = nullptr;
    std::vector<uint64_t> counts;  // sparse: changes by class
    uint64_t position = 0;         // of the next symbol
    RansReader rans;
    BitReader bits;

    unsigned next_token(unsigned context_index) {
        return rans.token(static_cast<unsigned>(position++) & (lanes - 1), context_index);
    }
    int level_of(uint64_t row) const { return levels.empty() ? level : levels[row]; }
    // Throws CorruptPayload unless all streams were read to their very end.
    void check_finished();

private:
    void read_levels(uint64_t rows);

    std::shared_ptr<const Tables> inline_tables_;
    std::vector<uint8_t> streams_;
};

}  // namespace sapwood
