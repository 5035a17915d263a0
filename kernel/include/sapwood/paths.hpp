// The inner loops that exist once for each instruction set, and the choice among them.
//
// Every path gives the same bytes. A path stops before a round (an element
// for each lane) that it cannot do (an escape, a word too many, the end) and says how far it
// came; the scalar code does that round and judges what is wrong with it.
#pragma once

#include <cstdint>

#include "sapwood/element.hpp"

namespace sapwood {

enum class Path : uint8_t { scalar = 0, avx2 = 1, avx512 = 2 };

// The state of a dense decoding with 16 or 64 lanes, in plain pointers: what is shared
// with code built for another instruction set has no inline functions.
struct DenseLoop {
    uint32_t* states;         // by lane
    const uint32_t* entries;  // Tables::decode_entries
    const uint8_t* words;     // readable for 512 bytes past words_end
    const uint8_t* words_end;
    const uint8_t* bits;  // readable for 512 bytes past bit_end
    uint64_t bit_position;
    uint64_t bit_end;
    const int16_t* levels;  // by row, or null: `level` for all
    int level;
    bool by_exponent;  // false: context 0 for all
    const uint8_t* edges;  // by element, or null: none
    uint64_t row_length;
    uint64_t elements;
    const uint8_t* base;
    uint8_t* out;
    unsigned bin_tokens;            // tokens of bins lie below
    unsigned first_special;         // special tokens lie from here
    unsigned last_special;          // to here, none when it is lower
    const int32_t* special_values;  // by token
    uint64_t done;                  // elements, a multiple of the lanes
};

// Finds the changed elements of a sparse coding: a countdown for each class
// tells how many more of its elements stay.
struct SparseLoop {
    const uint8_t* base;
    uint64_t elements;
    const int16_t* levels;
    int level;
    bool by_exponent;
    uint64_t row_length;
    const uint8_t* class_starts;  // ascending contexts
    unsigned classes;
    const uint32_t* const* gaps;  // by class; `positions` may be the same memory
    const uint64_t* counts;       // by class
    uint64_t* next;               // by class: index of the next gap
    uint64_t* countdown;          // by class
    uint32_t* const* positions;   // by class, room for counts[class]
    uint64_t done;                // elements
};

// Finds context and token of each element on the encoder's side. Elements whose
// token is not a small exact one, or is missing from the tables, are listed for
// the scalar code to do.
struct SymbolLoop {
    const uint8_t* base;
    const uint8_t* target;
    uint64_t elements;
    const int16_t* levels;
    int level;
    bool by_exponent;
    const uint8_t* edges;  // by element, or null: none
    uint64_t row_length;
    int last_context;         // 31, or 127 when measuring without edges
    const uint32_t* present;  // by 32 contexts, a bit for each exact token; null: all of them
    uint16_t* symbols;        // context << 8 | token; token 0 in listed elements
    uint32_t* listed;         // ascending; room for each element
    uint64_t listed_count;
    uint64_t done;  // elements
};

// Encodes the symbols [0, done) from the last to the first, in rounds of 64 lanes.
struct RansLoop {
    const uint16_t* symbols;   // none of them missing
    uint64_t done;             // a multiple of 64; 0 at the end
    const uint32_t* entries;   // by symbol: start << 16 | frequency
    uint32_t* states;          // 64
    uint16_t* words;           // written backwards, from here down, up to 16 too far
};

// Adds the parts of a blend prediction up and rounds them. W is float for bf16 and f16,
// double for f32.
struct BlendLoop {
    const uint8_t* const* terms;
    const void* coefficients;  // W, by term
    uint64_t term_count;
    bool each;             // round to the element type after every step
    const void* products;  // W, of the factors, readable for 16 past the end; or null
    uint8_t* out;          // may be a term
    uint8_t* edges;        // or null
    uint64_t elements;
};

// Columns past the last that a product loop may compute.
inline constexpr uint64_t product_step = 32;
// Rows that it computes at once.
inline constexpr uint64_t product_rows = 4;

// Products of factors (blend.hpp): of up to 4 rows of the left one with columns of the right.
struct ProductLoop {
    const void* left;       // by row and step: pairs of int16, or doubles
    const uint32_t* right;  // by step and column: pairs of int16, or int32
    uint64_t steps;
    uint64_t right_pitch;  // words from one step to the next
    double scale;
    uint64_t rows;
    uint64_t columns;
    void* products;  // W, by row and column; written up to the next multiple of product_step
    uint64_t pitch;  // elements from one row of `products` to the next
};

// Elements of a round of the symbol loop; fewer are left to the scalar code.
inline constexpr uint64_t symbol_round = 64;

using DenseFunction = void (*)(DenseLoop&);
using SparseFunction = void (*)(SparseLoop&);
using SymbolFunction = void (*)(SymbolLoop&);
using RansFunction = void (*)(RansLoop&);
using BlendFunction = void (*)(const BlendLoop&);
using ProductFunction = void (*)(const ProductLoop&);

// Null where the path leaves the type, or so few lanes, to the scalar code.
struct PathFunctions {
    DenseFunction (*dense)(Type, unsigned lanes);
    SparseFunction (*sparse)(Type);
    SymbolFunction (*symbols)(Type);
    RansFunction rans;
    BlendFunction (*blend)(Type);
    ProductFunction (*product)(Type, bool narrow);
};

const PathFunctions& avx2_path();
const PathFunctions& avx512_path();

// What this processor runs.
bool supported(Path path);
Path best_path();
DenseFunction dense_function(Path path, Type type, unsigned lanes);
SparseFunction sparse_function(Path path, Type type);
SymbolFunction symbol_function(Path path, Type type);
RansFunction rans_function(Path path);
BlendFunction blend_function(Path path, Type type);
ProductFunction product_function(Path path, Type type, bool narrow);

}  // namespace sapwood
