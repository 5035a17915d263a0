// Range asymmetric numeral systems with interleaved lanes.
//
// Symbol p belongs to lane p mod `lanes`. A state is 32 bits, at least 2^16
// between symbols, and renormalises by one 16-bit word; all lanes share one
// stream of words, in the order in which decoding takes them. States start and
// end at 2^16, which makes the end of decoding a check of its own.
//
// J. Duda, "Asymmetric numeral systems" (arXiv:1311.2540); F. Giesen,
// "Interleaved entropy coders" (arXiv:1402.3392).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "sapwood/paths.hpp"
#include "sapwood/tables.hpp"

namespace sapwood {

inline constexpr uint32_t rans_low = 1u << 16;
inline constexpr unsigned max_lanes = 64;

// A place in the sequence of symbols without a symbol: its lane is left alone.
inline constexpr uint16_t no_symbol = 0xFFFF;

// Encodes `symbols` (context << 8 | token) with `entries` (Tables::encode_entries).
// Fills `states` and returns the words, in the order in which decoding takes them.
// From `dense_from` on, a multiple of `lanes`, no symbol is missing: `path` does whole
// rounds of 64 lanes there where it has a loop for that.
std::vector<uint16_t> rans_encode(std::span<const uint16_t> symbols, size_t dense_from,
                                  const uint32_t* entries, unsigned lanes, uint32_t* states,
                                  Path path);

// The decoder's state. The stream of words stays readable for 64 words past `end`.
struct RansReader {
    uint32_t states[max_lanes];
    const uint8_t* words;
    const uint8_t* words_end;
    const uint32_t* entries;

    bool overrun() const { return words > words_end; }

    unsigned token(unsigned lane, unsigned context) {
        uint32_t x = states[lane];
        const uint32_t entry = entries[(context << scale_bits) | (x & (scale - 1))];
        x = ((entry >> 20) + 1) * (x >> scale_bits) + ((entry >> 8) & (scale - 1));
        if (x < rans_low) {
            uint16_t word = 0;
            if (words < words_end) std::memcpy(&word, words, 2);
            words += 2;
            if (words > words_end + 2) words = words_end + 2;  // stays an overrun
            x = (x << 16) | word;
        }
        states[lane] = x;
        return entry & 0xFF;
    }
    // Whether everything was read and every lane is back at its start.
    bool finished(unsigned lanes) const {
        return words == words_end &&
               std::all_of(states, states + lanes, [](uint32_t x) { return x == rans_low; });
    }
};

}  // namespace sapwood
