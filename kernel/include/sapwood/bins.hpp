// Tokens: how an integer becomes a symbol of at most 256 and raw bits.
//
// Residuals near zero have a token each; larger ones share a token with their
// neighbours in the same part of an octave, and raw bits tell them apart.
// `escape` is in every alphabet, so that each value can be coded whatever the
// tables hold (spec/patch-v1.md, Tokens).
#pragma once

#include <bit>
#include <cstdint>

namespace sapwood {

inline constexpr unsigned escape = 255;     // the whole value follows in raw bits
inline constexpr unsigned still_row = 254;  // among row levels: the row's lowest context
inline constexpr unsigned exact_residual = 8;  // |residual| below this has its own token
inline constexpr unsigned first_bucket = 2 * exact_residual - 1;  // 15

struct Token {
    unsigned token;
    unsigned bits;  // raw bits
    uint64_t raw;
};

// 4 buckets an octave up to 32 bits, 2 for 64 bits: the alphabet stays below 254.
template <unsigned Width>
struct ResidualBins {
    static constexpr unsigned width = Width;
    static constexpr unsigned split = Width == 64 ? 1 : 2;  // log2 of buckets an octave
    static constexpr unsigned tokens =
        first_bucket + ((Width - 1 - 3) << split) * 2;  // |residual| < 2^(Width-1)

    static Token token(int64_t residual) {
        const uint64_t size = residual < 0 ? uint64_t{0} - static_cast<uint64_t>(residual)
                                           : static_cast<uint64_t>(residual);
        if (size < exact_residual)
            return {static_cast<unsigned>(residual < 0 ? 2 * size - 1 : 2 * size), 0, 0};
        const unsigned octave = 63u - static_cast<unsigned>(std::countl_zero(size));
        if (octave >= Width - 1)
            return {escape, Width, static_cast<uint64_t>(residual) & (~uint64_t{0} >> (64 - Width))};
        const unsigned bits = octave - split;
        const unsigned part = static_cast<unsigned>(size >> bits) & ((1u << split) - 1);
        const unsigned bucket = ((octave - 3) << split) + part;
        return {first_bucket + 2 * bucket + (residual < 0 ? 1u : 0u), bits,
                size & ((uint64_t{1} << bits) - 1)};
    }
    static unsigned bits(unsigned token) {
        if (token == escape) return Width;
        if (token < first_bucket) return 0;
        return (((token - first_bucket) >> 1) >> split) + 3 - split;
    }
    static int64_t value(unsigned token, uint64_t raw) {
        if (token == escape) {
            const unsigned unused = 64 - Width;
            return static_cast<int64_t>(raw << unused) >> unused;
        }
        if (token < first_bucket) {
            const int64_t half = static_cast<int64_t>((token + 1) >> 1);
            return (token & 1) != 0 ? -half : half;
        }
        const unsigned bucket = (token - first_bucket) >> 1;
        const unsigned bits = (bucket >> split) + 3 - split;
        const uint64_t top = (uint64_t{1} << split) + (bucket & ((1u << split) - 1));
        const int64_t size = static_cast<int64_t>((top << bits) + raw);
        return ((token - first_bucket) & 1) != 0 ? -size : size;
    }
};

// Distances between changed elements: 0..15 exact, then 4 buckets an octave to 2^32.
struct GapBins {
    static constexpr unsigned exact = 16;
    static constexpr unsigned tokens = exact + 28 * 4;

    static Token token(uint32_t gap) {
        if (gap < exact) return {gap, 0, 0};
        const unsigned octave = 31u - static_cast<unsigned>(std::countl_zero(gap));
        const unsigned bits = octave - 2;
        return {exact + (octave - 4) * 4 + ((gap >> bits) & 3), bits, gap & ((1u << bits) - 1)};
    }
    static unsigned bits(unsigned token) {
        if (token == escape) return 32;
        return token < exact ? 0 : ((token - exact) >> 2) + 2;
    }
    static uint32_t value(unsigned token, uint64_t raw) {
        if (token == escape) return static_cast<uint32_t>(raw);
        if (token < exact) return token;
        return ((4 + ((token - exact) & 3)) << bits(token)) + static_cast<uint32_t>(raw);
    }
};

}  // namespace sapwood
