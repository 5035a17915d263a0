// Context and token of every element, for encoders and for measuring.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "sapwood/bins.hpp"
#include "sapwood/element.hpp"
#include "sapwood/paths.hpp"
#include "sapwood/payload.hpp"
#include "sapwood/scratch.hpp"
#include "sapwood/specials.hpp"

namespace sapwood {

// Where an encoder's contexts come from: one level a row, one for all, or none; and
// with them a hint for each element, or null.
struct Levels {
    Context context;
    std::span<const int16_t> values;
    const uint8_t* edges = nullptr;

    int of(uint64_t row) const {
        return context == Context::none ? 0 : values[has_rows(context) ? row : 0];
    }
};

// Elements between which listed ones are done with: what they take stays in the cache.
inline constexpr uint64_t symbol_step = 1 << 14;

// Writes context << 8 | token of each element to `out`, and calls
// `large(index, context, residual)` in ascending order for those whose token is
// not an exact one of `present` (by 32 contexts, a bit for each token below 15;
// null: all of them);
// their symbols are the callee's to write. Contexts go up to `last_context`, or with
// edges to 31.
template <class E, class Large>
void find_symbols(Type type, const uint8_t* base, const uint8_t* target, uint64_t elements,
                  uint64_t row_length, const Levels& levels, int last_context,
                  const uint32_t* present, uint16_t* out, Path path, Large large) {
    const bool by_exponent = levels.context != Context::none;
    const auto context_of = [&](uint64_t row, uint64_t i, typename E::uint from) {
        const int exponent = E::exponent(from);
        if (levels.edges != nullptr) return edge_context(levels.of(row), exponent, levels.edges[i]);
        return by_exponent ? static_cast<unsigned>(
                                 std::clamp(levels.of(row) - 2 * exponent, 0, last_context))
                           : 0u;
    };
    SymbolLoop loop{.base = base,
                    .target = target,
                    .elements = elements,
                    .levels = has_rows(levels.context) ? levels.values.data() : nullptr,
                    .level = levels.context == Context::one ? levels.values[0] : 0,
                    .by_exponent = by_exponent,
                    .edges = levels.edges,
                    .row_length = row_length,
                    .last_context = last_context,
                    .present = present,
                    .symbols = out,
                    .listed = nullptr,
                    .listed_count = 0,
                    .done = 0};
    if (const SymbolFunction function = symbol_function(path, type); function != nullptr) {
        loop.listed = scratch<uint32_t, struct ListedElements>(symbol_step);
        while (elements - loop.done >= symbol_round) {
            loop.elements = std::min(elements, loop.done + symbol_step);
            loop.listed_count = 0;
            function(loop);
            for (uint64_t n = 0; n < loop.listed_count; ++n) {
                const uint64_t i = loop.listed[n];
                const auto from = E::load(base, i);
                large(i, static_cast<unsigned>(out[i] >> 8),
                      E::residual(from, E::load(target, i)));
            }
        }
    }
    uint64_t row = loop.done / row_length;
    for (uint64_t i = loop.done; i < elements; ++row) {
        const uint64_t end = std::min(elements, (row + 1) * row_length);
        for (; i < end; ++i) {
            const auto from = E::load(base, i);
            const auto residual = E::residual(from, E::load(target, i));
            const unsigned context = context_of(row, i, from);
            const uint64_t zigzag = static_cast<uint64_t>(residual) << 1 ^
                                    static_cast<uint64_t>(int64_t{residual} >> 63);
            if (zigzag < first_bucket &&
                (present == nullptr || ((present[context] >> zigzag) & 1) != 0))
                out[i] = static_cast<uint16_t>(context << 8 | zigzag);
            else
                large(i, context, residual);
        }
    }
}

}  // namespace sapwood
