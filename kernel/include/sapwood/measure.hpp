// What an encoder measures before it plans: how large the updates are, row by
// row, and which tokens occur in which context. Nothing here touches the format.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sapwood/element.hpp"
#include "sapwood/paths.hpp"
#include "sapwood/tables.hpp"

namespace sapwood {

// Contexts that a measurement tells apart. The planner then chooses the 32 that
// the format has: a window of them, by shifting all levels.
inline constexpr unsigned measured_contexts = 128;

// The level of a row: half octaves of its mean |target - base| over the unit of
// exponent field 0, so that level - 2 * exponent is the context of an element,
// plus `measured_origin`. `still_level` where nothing changed. A level within
// `slack` of the one before takes its place: it then costs almost nothing to code.
inline constexpr int measured_origin = 32;
std::vector<int16_t> row_levels(Type type, const uint8_t* base, const uint8_t* target,
                                uint64_t elements, uint64_t row_length, int slack);

// Counts by context (level - 2 * exponent, clamped to 0..127) and token of the
// residual; `measured_contexts` rows of 256. `levels`: one a row, or one for all.
// `specials`: values that are to have tokens of their own. With `edges`, a byte an
// element, the levels are those of a payload, and so are the contexts: 0..31.
std::vector<uint32_t> residual_counts(Type type, const uint8_t* base, const uint8_t* target,
                                      uint64_t elements, uint64_t row_length,
                                      std::span<const int16_t> levels,
                                      const std::vector<Special>& specials, Path path,
                                      const uint8_t* edges);

// Counts of exponent fields, by field. Floating-point types only.
std::vector<uint32_t> exponent_counts(Type type, const uint8_t* target, uint64_t elements);

// The residuals of `elements` elements.
std::vector<int64_t> residuals(Type type, const uint8_t* base, const uint8_t* target,
                               uint64_t elements);

}  // namespace sapwood
