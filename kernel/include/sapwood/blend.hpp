// Predictions that are computed: bases times coefficients, and a low-rank part.
//
//     prediction = round(sum of coefficient[t] * term[t] + left right 2^exponent)
//
// Every step is an integer one or a single IEEE operation, rounded to nearest even,
// with subnormals and without fused multiply-adds, so that each path and each processor gives
// the same bits. The working type is binary32 for bf16 and f16, and binary64 for f32.
// NaNs lose their payloads: a NaN is predicted as the type's quiet one, sign 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "sapwood/element.hpp"
#include "sapwood/paths.hpp"

namespace sapwood {

// Freed as it was made: from addresses that whole vectors can be loaded from.
struct FreePacked {
    void operator()(void* memory) const { ::operator delete(memory, std::align_val_t{64}); }
};
template <class T>
using Packed = std::unique_ptr<T[], FreePacked>;

// The integer factors of a tensor of `matrices` x `rows` x `columns` elements, checked and
// packed. Immutable: threads may share it.
class Factors {
public:
    static constexpr int min_exponent = -126;
    static constexpr int max_exponent = 64;
    static constexpr uint64_t sum_limit = uint64_t{1} << 53;  // what a double holds exactly

    // left: (matrices, rows, rank), right: (matrices, rank, columns); copied.
    // Throws std::invalid_argument for a rank of 0 or beyond rows or columns, an exponent out of
    // range, an integer of -2^31, or a matrix whose sum over k of the largest |left[.][k]| times
    // the largest |right[k][.]| reaches sum_limit; std::bad_alloc.
    Factors(const int32_t* left, const int32_t* right, uint64_t matrices, uint64_t rows,
            uint64_t rank, uint64_t columns, int exponent);

    uint64_t matrices() const { return matrices_; }
    uint64_t rows() const { return rows_; }
    uint64_t columns() const { return columns_; }
    uint64_t rank() const { return rank_; }
    uint64_t elements() const { return matrices_ * rows_ * columns_; }
    // Bytes that it holds; the object itself not counted.
    uint64_t memory() const { return memory_; }

    // All integers have 16 bits, all sums 32.
    bool narrow() const { return narrow_; }
    // 2^exponent.
    double scale() const { return scale_; }
    // Terms of each sum: ranks, or pairs of them where narrow.
    uint64_t steps() const { return narrow_ ? (rank_ + 1) / 2 : rank_; }
    // (matrices, rows, steps): pairs of int16 in uint32, the even rank low; or doubles.
    const void* left_row(uint64_t matrix, uint64_t row) const;
    // (matrices, steps, columns): pairs likewise, or int32. Readable for 32 words past the end.
    const uint32_t* right(uint64_t matrix) const { return right_.get() + matrix * steps() * columns_; }

private:
    void pack_narrow(const int32_t* left, const int32_t* right);
    void pack_wide(const int32_t* left, const int32_t* right);

    uint64_t matrices_, rows_, rank_, columns_;
    double scale_;
    bool narrow_ = true;
    uint64_t memory_ = 0;
    Packed<uint32_t> left_pairs_;  // where narrow
    Packed<double> left_wide_;     // else
    Packed<uint32_t> right_;
};

struct Blend {
    std::span<const uint8_t* const> terms;  // each as many elements as are predicted
    std::span<const double> coefficients;   // by term: finite numbers of the working type
    bool each;               // round to the element type after every step
    const Factors* factors;  // or null
};

// Whether predictions of the type are defined: bf16, f16 and f32.
bool can_blend(Type type);
// Whether it is finite and a number of the working type of `type`.
bool is_coefficient(Type type, double value);

// Writes the predictions of `elements` elements, the first of which is the tensor's element
// `first`, to `out`; it may be the memory of a term. There is a term, or factors that reach
// so far. What is not null of `edges` gets a byte an element: twice how near, in half octaves,
// the sum is to where the rounding turns (0..30, the nearest 30), plus 1 where it lies below.
void predict(Type type, const Blend& blend, uint64_t first, uint64_t elements, uint8_t* out,
             uint8_t* edges, Path path);

}  // namespace sapwood
