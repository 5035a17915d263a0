#include "sapwood/blend.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace sapwood {
namespace {

// The element types as the definition needs them: `value` is exact, `rounded` rounds to nearest
// even, `low` gives the bits below the element's mantissa, the highest 16 of them. Not for NaNs.
struct Bf16 : Element<uint16_t, 7> {
    using work = float;
    static constexpr uint quiet = 0x7FC0;
    static work value(uint word) { return std::bit_cast<float>(static_cast<uint32_t>(word) << 16); }
    static uint rounded(work x) {
        const auto bits = std::bit_cast<uint32_t>(x);
        return static_cast<uint>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }
    static int low(work x) { return static_cast<int>(std::bit_cast<uint32_t>(x) & 0xFFFF); }
};

struct F16 : Element<uint16_t, 10> {
    using work = float;
    static constexpr uint quiet = 0x7E00;
    static constexpr uint32_t bias = uint32_t{127 - 15} << 23;  // between the exponent fields

    static work value(uint word) {
        const uint32_t sign = static_cast<uint32_t>(word & 0x8000) << 16;
        const uint32_t size = word & 0x7FFF;
        uint32_t bits = (size << 13) + bias;
        if (size >= 0x7C00) bits += bias;
        if (size < 0x0400) bits = std::bit_cast<uint32_t>(static_cast<float>(size) * 0x1p-24f);
        return std::bit_cast<float>(sign | bits);
    }
    static uint rounded(work x) {
        const auto bits = std::bit_cast<uint32_t>(x);
        const uint32_t size = bits & 0x7FFFFFFF;
        uint32_t word = 0x7C00;
        if (size < 0x38800000)  // subnormal: 0.5 has the unit of the least f16
            word = std::bit_cast<uint32_t>(std::bit_cast<float>(size) + 0.5f) & 0x7FFFFF;
        else if (size < 0x47800000)
            word = (size - bias + 0xFFF + (size >> 13 & 1)) >> 13;
        return static_cast<uint>(bits >> 16 & 0x8000) | static_cast<uint>(word);
    }
    static int low(work x) { return static_cast<int>(std::bit_cast<uint32_t>(x) & 0x1FFF) << 3; }
};

struct F32 : Element<uint32_t, 23> {
    using work = double;
    static constexpr uint quiet = 0x7FC00000;
    static work value(uint word) { return static_cast<double>(std::bit_cast<float>(word)); }
    static uint rounded(work x) { return std::bit_cast<uint32_t>(static_cast<float>(x)); }
    static int low(work x) { return static_cast<int>(std::bit_cast<uint64_t>(x) >> 13 & 0xFFFF); }
};

template <class F>
decltype(auto) with_blended(Type type, F&& f) {
    switch (type) {
        case Type::bf16: return f(Bf16{});
        case Type::f16: return f(F16{});
        case Type::f32: return f(F32{});
        default: throw std::invalid_argument("predictions are of bf16, f16 or f32");
    }
}

template <class E>
typename E::work through_element(typename E::work x) {
    return std::isnan(x) ? x : E::value(E::rounded(x));
}

// Twice how near `low` is to the middle, in half octaves, plus 1 where it lies below.
uint8_t edge(int low) {
    const int past = low - 0x8000;
    const auto distance = static_cast<unsigned>(std::max(1, std::abs(past)));
    const int octave = static_cast<int>(std::bit_width(distance)) - 1;
    const int half = octave == 0 ? 0 : static_cast<int>(distance >> (octave - 1) & 1);
    return static_cast<uint8_t>(2 * (30 - 2 * octave - half) + (past < 0 ? 1 : 0));
}

template <class E>
void blend_scalar(const BlendLoop& loop) {
    using Work = typename E::work;
    const auto* coefficients = static_cast<const Work*>(loop.coefficients);
    const auto* products = static_cast<const Work*>(loop.products);
    const auto step = [&](Work x) { return loop.each ? through_element<E>(x) : x; };
    for (uint64_t i = 0; i < loop.elements; ++i) {
        Work sum = 0;
        for (uint64_t t = 0; t < loop.term_count; ++t) {
            const Work x = step(coefficients[t] * E::value(E::load(loop.terms[t], i)));
            sum = step(t == 0 ? x : sum + x);
        }
        if (products != nullptr) {
            const Work x = step(products[i]);
            sum = loop.term_count == 0 ? x : sum + x;
        }
        const bool number = !std::isnan(sum);
        E::store(loop.out, i, number ? E::rounded(sum) : E::quiet);
        if (loop.edges != nullptr) loop.edges[i] = edge(number ? E::low(sum) : 0);
    }
}

// Columns side by side, so that compilers find vectors.
constexpr uint64_t scalar_columns = 64;

// Adds to `sums` what a step gives; where narrow, all sums fit 32 bits.
void add_step(int32_t* sums, const ProductLoop& loop, uint64_t at, const uint32_t* right,
              uint64_t count) {
    const uint32_t left = static_cast<const uint32_t*>(loop.left)[at];
    const int32_t low = static_cast<int16_t>(left & 0xFFFF);
    const int32_t high = static_cast<int16_t>(left >> 16);
    for (uint64_t i = 0; i < count; ++i)
        sums[i] += low * static_cast<int16_t>(right[i] & 0xFFFF) +
                   high * static_cast<int16_t>(right[i] >> 16);
}

void add_step(int64_t* sums, const ProductLoop& loop, uint64_t at, const uint32_t* right,
              uint64_t count) {
    const auto left = static_cast<int64_t>(static_cast<const double*>(loop.left)[at]);
    for (uint64_t i = 0; i < count; ++i) sums[i] += left * static_cast<int32_t>(right[i]);
}

template <class Work, class Sum>
void product_scalar(const ProductLoop& loop) {
    for (uint64_t row = 0; row < loop.rows; ++row)
        for (uint64_t begin = 0; begin < loop.columns; begin += scalar_columns) {
            const uint64_t count = std::min(scalar_columns, loop.columns - begin);
            const uint32_t* right = loop.right + begin;
            Sum sums[scalar_columns] = {};
            for (uint64_t k = 0; k < loop.steps; ++k)
                add_step(sums, loop, row * loop.steps + k, right + k * loop.right_pitch, count);
            Work* products = static_cast<Work*>(loop.products) + row * loop.pitch + begin;
            for (uint64_t i = 0; i < count; ++i)
                products[i] = static_cast<Work>(sums[i]) * static_cast<Work>(loop.scale);
        }
}

template <class E>
ProductFunction product_of(Path path, Type type, bool narrow) {
    using Work = typename E::work;
    const ProductFunction found = product_function(path, type, narrow);
    if (found != nullptr) return found;
    return narrow ? product_scalar<Work, int32_t> : product_scalar<Work, int64_t>;
}

// Where the stretch goes on after its first `done` elements.
BlendLoop advanced(const BlendLoop& loop, std::vector<const uint8_t*>& terms,
                   std::span<const uint8_t* const> all, uint64_t done, uint64_t size) {
    BlendLoop next = loop;
    for (size_t t = 0; t < all.size(); ++t) terms[t] = all[t] + done * size;
    next.terms = terms.data();
    next.out = loop.out + done * size;
    if (loop.edges != nullptr) next.edges = loop.edges + done;
    return next;
}

// Predicts with factors: products of a few rows and some columns at a time, so that what they
// take stays in the first cache.
template <class E>
class Tiles {
public:
    using Work = typename E::work;

    Tiles(Type type, const Blend& blend, const BlendLoop& whole, Path path, BlendFunction run)
        : blend_(blend), factors_(*blend.factors), whole_(whole), terms_(blend.terms.size()),
          run_(run), product_(product_of<E>(path, type, factors_.narrow())) {}

    // [done, done + rows x columns) of the stretch: `rows` rows from `row` on, from `column`.
    void rectangle(uint64_t done, uint64_t matrix, uint64_t row, uint64_t column, uint64_t rows,
                   uint64_t columns) {
        for (uint64_t begin = 0; begin < columns; begin += width) {
            const uint64_t count = std::min(width, columns - begin);
            product_({.left = factors_.left_row(matrix, row),
                      .right = factors_.right(matrix) + column + begin,
                      .steps = factors_.steps(),
                      .right_pitch = factors_.columns(),
                      .scale = factors_.scale(),
                      .rows = rows,
                      .columns = count,
                      .products = products_,
                      .pitch = width});
            for (uint64_t r = 0; r < rows; ++r) {
                BlendLoop part = advanced(whole_, terms_, blend_.terms, done + r * columns + begin,
                                          sizeof(typename E::uint));
                part.products = products_ + r * width;
                part.elements = count;
                run_(part);
            }
        }
    }

private:
    static constexpr uint64_t width = 1024;
    static_assert(width % product_step == 0);

    const Blend& blend_;
    const Factors& factors_;
    const BlendLoop& whole_;
    std::vector<const uint8_t*> terms_;
    BlendFunction run_;
    ProductFunction product_;
    alignas(64) Work products_[product_rows * width];
};

template <class E>
void predict_tiles(Tiles<E>& tiles, const Factors& factors, uint64_t first, uint64_t elements) {
    const uint64_t columns = factors.columns();
    uint64_t done = 0;
    while (done < elements) {
        const uint64_t row = (first + done) / columns;  // of all matrices
        const uint64_t column = (first + done) % columns;
        const uint64_t matrix = row / factors.rows();
        const uint64_t inside = row % factors.rows();
        const uint64_t left = elements - done;
        uint64_t rows = std::min({left / columns, factors.rows() - inside, product_rows});
        uint64_t count = columns;
        if (column != 0 || rows == 0) {  // a part of a row
            rows = 1;
            count = std::min(left, columns - column);
        }
        tiles.rectangle(done, matrix, inside, column, rows, count);
        done += rows * count;
    }
}

template <class E>
void predict_elements(Type type, const Blend& blend, uint64_t first, BlendLoop& whole, Path path) {
    using Work = typename E::work;
    std::vector<Work> coefficients;
    for (const double value : blend.coefficients) coefficients.push_back(static_cast<Work>(value));
    whole.coefficients = coefficients.data();
    const BlendFunction found = blend_function(path, type);
    const BlendFunction run = found != nullptr ? found : blend_scalar<E>;
    if (blend.factors == nullptr) {
        run(whole);
        return;
    }
    Tiles<E> tiles(type, blend, whole, path, run);
    predict_tiles(tiles, *blend.factors, first, whole.elements);
}

template <class T>
Packed<T> packed(uint64_t count) {
    if (count > std::numeric_limits<size_t>::max() / sizeof(T)) throw std::bad_alloc();
    void* memory = ::operator new(count * sizeof(T), std::align_val_t{64});
    return Packed<T>(static_cast<T*>(memory));
}

uint32_t pair_of(int32_t low, int32_t high) {
    return (static_cast<uint32_t>(low) & 0xFFFF) | static_cast<uint32_t>(high) << 16;
}

// The largest size of `count` integers that lie `stride` apart.
uint64_t largest(const int32_t* at, uint64_t count, uint64_t stride) {
    uint32_t out = 0;
    for (uint64_t i = 0; i < count; ++i) {
        const auto value = static_cast<uint32_t>(at[i * stride]);
        out = std::max(out, at[i * stride] < 0 ? uint32_t{0} - value : value);
    }
    if (out >> 31 != 0) throw std::invalid_argument("factors: an integer of -2^31");
    return out;
}

// What no sum of a matrix exceeds; `widest` grows to its largest integer.
uint64_t sum_bound(const int32_t* left, const int32_t* right, uint64_t rows, uint64_t rank,
                   uint64_t columns, uint64_t& widest) {
    uint64_t bound = 0;
    for (uint64_t k = 0; k < rank; ++k) {
        const uint64_t of_left = largest(left + k, rows, rank);
        const uint64_t of_right = largest(right + k * columns, columns, 1);
        widest = std::max({widest, of_left, of_right});
        bound += of_left * of_right;  // below 2^53 + 2^62
        if (bound >= Factors::sum_limit)
            throw std::invalid_argument("factors: sums of products may reach 2^53");
    }
    return bound;
}

}  // namespace

Factors::Factors(const int32_t* left, const int32_t* right, uint64_t matrices, uint64_t rows,
                 uint64_t rank, uint64_t columns, int exponent)
    : matrices_(matrices), rows_(rows), rank_(rank), columns_(columns) {
    if (matrices == 0) throw std::invalid_argument("factors: no matrices");
    if (rank == 0 || rank > std::min(rows, columns))
        throw std::invalid_argument("factors: a rank of 0 or beyond the rows or columns");
    if (exponent < min_exponent || exponent > max_exponent)
        throw std::invalid_argument("factors: an exponent out of range");
    if (rows > std::numeric_limits<uint64_t>::max() / columns / matrices)
        throw std::invalid_argument("factors: more elements than can be counted");
    scale_ = std::ldexp(1.0, exponent);
    for (uint64_t m = 0; m < matrices; ++m) {
        uint64_t widest = 0;
        const uint64_t bound = sum_bound(left + m * rows * rank, right + m * rank * columns, rows,
                                         rank, columns, widest);
        narrow_ = narrow_ && widest <= INT16_MAX && bound >> 31 == 0;
    }
    const uint64_t left_size = matrices * rows * steps();
    const uint64_t right_size = matrices * steps() * columns + product_step;
    right_ = packed<uint32_t>(right_size);
    std::fill_n(right_.get() + right_size - product_step, product_step, 0);
    memory_ = right_size * sizeof(uint32_t);
    if (narrow_) {
        left_pairs_ = packed<uint32_t>(left_size);
        memory_ += left_size * sizeof(uint32_t);
        pack_narrow(left, right);
    } else {
        left_wide_ = packed<double>(left_size);
        memory_ += left_size * sizeof(double);
        pack_wide(left, right);
    }
}

void Factors::pack_narrow(const int32_t* left, const int32_t* right) {
    const uint64_t pairs = steps();
    for (uint64_t row = 0; row < matrices_ * rows_; ++row)
        for (uint64_t p = 0; p < pairs; ++p) {
            const int32_t* from = left + row * rank_ + 2 * p;
            left_pairs_[row * pairs + p] = pair_of(from[0], 2 * p + 1 < rank_ ? from[1] : 0);
        }
    for (uint64_t m = 0; m < matrices_; ++m)
        for (uint64_t p = 0; p < pairs; ++p) {
            const int32_t* from = right + (m * rank_ + 2 * p) * columns_;
            uint32_t* to = right_.get() + (m * pairs + p) * columns_;
            const bool whole = 2 * p + 1 < rank_;
            for (uint64_t j = 0; j < columns_; ++j)
                to[j] = pair_of(from[j], whole ? from[columns_ + j] : 0);
        }
}

void Factors::pack_wide(const int32_t* left, const int32_t* right) {
    for (uint64_t i = 0; i < matrices_ * rows_ * rank_; ++i)
        left_wide_[i] = static_cast<double>(left[i]);
    for (uint64_t i = 0; i < matrices_ * rank_ * columns_; ++i)
        right_[i] = static_cast<uint32_t>(right[i]);
}

const void* Factors::left_row(uint64_t matrix, uint64_t row) const {
    const uint64_t at = (matrix * rows_ + row) * steps();
    if (narrow_) return left_pairs_.get() + at;
    return left_wide_.get() + at;
}

bool can_blend(Type type) {
    return type == Type::bf16 || type == Type::f16 || type == Type::f32;
}

bool is_coefficient(Type type, double value) {
    if (!std::isfinite(value)) return false;
    return with_blended(type, [&](auto element) {
        using Work = typename decltype(element)::work;
        return static_cast<double>(static_cast<Work>(value)) == value;
    });
}

void predict(Type type, const Blend& blend, uint64_t first, uint64_t elements, uint8_t* out,
             uint8_t* edges, Path path) {
    BlendLoop whole{.terms = blend.terms.data(),
                    .coefficients = nullptr,
                    .term_count = blend.terms.size(),
                    .each = blend.each,
                    .products = nullptr,
                    .out = out,
                    .edges = edges,
                    .elements = elements};
    with_blended(type, [&](auto element) {
        predict_elements<decltype(element)>(type, blend, first, whole, path);
    });
}

}  // namespace sapwood
