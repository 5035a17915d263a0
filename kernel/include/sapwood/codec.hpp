// The codings of a chunk of elements. Encoders and decoders come in pairs; a
// decoder takes any bytes and either gives the elements or throws CorruptPayload.
//
// Buffers: `base`, `target` and `out` hold `elements` little-endian elements of
// `type`, belong to the caller and may be unaligned; `out` may be `base`.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sapwood/element.hpp"
#include "sapwood/paths.hpp"
#include "sapwood/payload.hpp"
#include "sapwood/symbols.hpp"
#include "sapwood/tables.hpp"

namespace sapwood {

using SharedTables = std::span<const std::shared_ptr<const Tables>>;

// Residuals of all elements. `table`: the shared id of `tables`, or -1 to carry them inside.
// Edges, with the context of that name alone: a byte an element.
std::vector<uint8_t> encode_residual(Type type, const uint8_t* base, const uint8_t* target,
                                     uint64_t elements, uint64_t row_length, const Levels& levels,
                                     const Tables& tables, int table, Path path);
void decode_residual(Type type, std::span<const uint8_t> payload, const uint8_t* base,
                     uint8_t* out, uint64_t elements, uint64_t row_length, SharedTables shared,
                     Path path, const uint8_t* edges);

// Elements by themselves: floating-point only, exponents as tokens, the rest raw.
std::vector<uint8_t> encode_value(Type type, const uint8_t* target, uint64_t elements,
                                  const Tables& tables, int table, Path path);
void decode_value(Type type, std::span<const uint8_t> payload, uint8_t* out, uint64_t elements,
                  SharedTables shared);

// Only the changed elements: how far apart they are, by class, and their residuals.
std::vector<uint8_t> encode_sparse(Type type, const uint8_t* base, const uint8_t* target,
                                   uint64_t elements, uint64_t row_length, const Levels& levels,
                                   const Tables& tables, int table, Path path);
void decode_sparse(Type type, std::span<const uint8_t> payload, const uint8_t* base, uint8_t* out,
                   uint64_t elements, uint64_t row_length, SharedTables shared, Path path);

}  // namespace sapwood
