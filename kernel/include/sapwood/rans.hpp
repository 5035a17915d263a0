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
#include <vector>

#include "sapwood/tables.hpp"

namespace sapwood {

inline constexpr uint32_t rans_low = 1u << 16;
inline constexpr unsigned max_lanes = 64;

__extension__ typedef unsigned __int128 uint128;

// A place in the sequence of symbols without a symbol: its lane is left alone.
inline constexpr uint16_t no_symbol = 0xFFFF;

// Encodes `symbols` (context << 8 | token). Words and states are written as
// decoding will read them.
inline void rans_encode(const std::vector<uint16_t>& symbols, const std::vector<EncodeEntry>& table,
                        unsigned lanes, uint32_t* states, std::vector<uint16_t>& words) {
    std::fill(states, states + lanes, rans_low);
    words.resize(symbols.size());  // a symbol emits at most one word
    size_t at = words.size();
    for (size_t p = symbols.size(); p-- > 0;) {
        if (symbols[p] == no_symbol) continue;
        const EncodeEntry& entry = table[symbols[p]];
        uint32_t x = states[p & (lanes - 1)];
        const uint32_t emit = (uint64_t{x} >> 20) >= entry.frequency;
        at -= emit;
        words[emit ? at : 0] = emit ? static_cast<uint16_t>(x) : words[0];
        x = emit ? x >> 16 : x;
        const uint32_t quotient =
            static_cast<uint32_t>((static_cast<uint128>(x) * entry.reciprocal) >> 64);
        states[p & (lanes - 1)] = x + entry.bias + quotient * entry.complement;
    }
    words.erase(words.begin(), words.begin() + static_cast<ptrdiff_t>(at));
}

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
