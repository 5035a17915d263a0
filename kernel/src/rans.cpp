#include "sapwood/rans.hpp"

#include <array>

#include "sapwood/scratch.hpp"

namespace sapwood {
namespace {

__extension__ typedef unsigned __int128 uint128;

// x / f is (x * reciprocals[f]) >> 64 for each 32-bit x and each f from 2 to scale.
constexpr std::array<uint64_t, scale + 1> reciprocals = [] {
    std::array<uint64_t, scale + 1> out{};
    for (uint64_t f = 2; f <= scale; ++f) out[f] = ~uint64_t{0} / f + 1;
    return out;
}();

// One symbol into a state; writes a word below `words` and moves it down if it must.
uint32_t encode_symbol(uint32_t x, uint32_t entry, uint16_t*& words) {
    const uint32_t frequency = entry & 0xFFFF;
    const uint32_t start = entry >> 16;
    const bool emit = (x >> 20) >= frequency;
    words[-1] = static_cast<uint16_t>(x);
    words -= emit;
    x = emit ? x >> 16 : x;
    const uint32_t quotient =
        frequency == 1 ? x
                       : static_cast<uint32_t>((uint128{x} * reciprocals[frequency]) >> 64);
    return (quotient << scale_bits) + (x - quotient * frequency) + start;
}

}  // namespace

std::vector<uint16_t> rans_encode(std::span<const uint16_t> symbols, size_t dense_from,
                                  const uint32_t* entries, unsigned lanes, uint32_t* states,
                                  Path path) {
    std::fill(states, states + lanes, rans_low);
    // A symbol emits at most one word; up to 16 more are written to and not kept.
    const size_t room = symbols.size() + 16;
    uint16_t* const end = scratch<uint16_t, struct RansWords>(room) + room;
    uint16_t* words = end;
    const RansFunction loop = lanes == max_lanes ? rans_function(path) : nullptr;
    size_t p = symbols.size();
    while (p > 0) {
        if (loop != nullptr && p % lanes == 0 && p > dense_from) {
            RansLoop state{.symbols = symbols.data() + dense_from,
                           .done = p - dense_from,
                           .entries = entries,
                           .states = states,
                           .words = words};
            loop(state);
            words = state.words;
            p = dense_from;
            continue;
        }
        --p;
        if (symbols[p] != no_symbol) {
            uint32_t& x = states[p & (lanes - 1)];
            x = encode_symbol(x, entries[symbols[p]], words);
        }
    }
    return {words, end};
}

}  // namespace sapwood
