#include "sapwood/measure.hpp"

#include <algorithm>
#include <bit>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <type_traits>

#include "sapwood/bins.hpp"
#include "sapwood/payload.hpp"
#include "sapwood/specials.hpp"
#include "sapwood/symbols.hpp"

namespace sapwood {
namespace {

// Wide enough that the difference of neighbours is exact; f64 alone needs more.
template <class E>
using Real = std::conditional_t<E::width == 64, double, float>;

// A type with fewer exponent bits than a float is moved into a float's fields,
// where its values lie 2^127 too low or so; this keeps them clear of denormals.
template <class E>
constexpr float lift = E::mantissa == 7 || E::mantissa == 23 ? 1.0f : 0x1p+64f;

// The value of a pattern, times a power of two that depends on the type only.
// Infinities and NaNs may give anything: only the size of a level hangs on it.
template <class E>
Real<E> scaled_value(typename E::uint bits) {
    if constexpr (!E::is_float) {
        return static_cast<Real<E>>(static_cast<typename E::sint>(bits));
    } else if constexpr (E::width == 64) {
        return std::bit_cast<double>(bits);
    } else {
        const uint32_t magnitude = static_cast<uint32_t>(bits & E::magnitude_mask)
                                   << (23 - E::mantissa);
        const float value = std::bit_cast<float>(magnitude) * lift<E>;
        return E::negative(bits) ? -value : value;
    }
}

// Log2 of the ULP that `scaled_value` gives to exponent field 0, if ULPs went on
// halving down to there.
template <class E>
constexpr int unit_exponent() {
    if constexpr (!E::is_float) return 0;
    if constexpr (E::width == 64) return -1023 - 52;
    return -127 - static_cast<int>(E::mantissa) + (lift<E> == 1.0f ? 0 : 64);
}

// 2 * log2(size), rounded to the nearest integer by comparing alone.
int half_octaves(double size) {
    int exponent;
    const double fraction = std::frexp(size, &exponent);  // in [0.5, 1)
    constexpr double low = 0.59460355750136051;            // 2^-0.75
    constexpr double high = 0.84089641525371450;           // 2^-0.25
    return 2 * exponent - (fraction < low ? 2 : fraction < high ? 1 : 0);
}

// |target - base|; 0 where that is no number, so that a NaN says nothing of its row.
template <class E>
Real<E> change(const uint8_t* base, const uint8_t* target, uint64_t i) {
    const Real<E> size =
        std::abs(scaled_value<E>(E::load(target, i)) - scaled_value<E>(E::load(base, i)));
    return size <= std::numeric_limits<Real<E>>::max() ? size : Real<E>{0};
}

// Sixteen partial sums in a fixed order: the same on every path and compiler,
// and wide enough to vectorise.
template <class E>
double summed_changes(const uint8_t* base, const uint8_t* target, uint64_t begin, uint64_t end) {
    Real<E> sums[16] = {};
    uint64_t i = begin;
    for (; i + 16 <= end; i += 16)
        for (unsigned j = 0; j < 16; ++j)
            sums[j] += change<E>(base, target, i + j);
    for (; i < end; ++i) sums[i % 16] += change<E>(base, target, i);
    double total = 0;
    for (Real<E> sum : sums) total += static_cast<double>(sum);
    return total;
}

constexpr uint64_t count_step = 1 << 15;  // elements

// Counts symbols in four tables in turn, since adding to a count that was just
// written waits for it; in one where there are too few to pay for that.
class SymbolCounter {
public:
    SymbolCounter(std::vector<uint32_t>& out, uint64_t elements)
        : out_(out), tables_(elements < 16 * out.size() ? 0 : 3 * out.size()) {}

    void add(const uint16_t* symbols, uint64_t count) {
        uint64_t i = 0;
        if (!tables_.empty()) {
            uint32_t* const more = tables_.data();
            const size_t size = out_.size();
            for (; i + 4 <= count; i += 4) {
                ++out_[symbols[i]];
                ++more[symbols[i + 1]];
                ++more[size + symbols[i + 2]];
                ++more[2 * size + symbols[i + 3]];
            }
        }
        for (; i < count; ++i) ++out_[symbols[i]];
    }
    void finish() {
        for (size_t n = 0; n < tables_.size(); ++n) out_[n % out_.size()] += tables_[n];
    }

private:
    std::vector<uint32_t>& out_;
    std::vector<uint32_t> tables_;
};

}  // namespace

std::vector<int16_t> row_levels(Type type, const uint8_t* base, const uint8_t* target,
                                uint64_t elements, uint64_t row_length, int slack) {
    std::vector<int16_t> out;
    int previous = INT_MIN / 2;  // far from every level
    out.reserve(row_count(elements, row_length));
    with_element(type, [&](auto element) {
        using E = decltype(element);
        for (uint64_t start = 0; start < elements; start += row_length) {
            const uint64_t end = std::min(elements, start + row_length);
            const double mean = summed_changes<E>(base, target, start, end) /
                                static_cast<double>(end - start);
            if (!(mean > 0) || !std::isfinite(mean)) {
                out.push_back(still_level);
                continue;
            }
            const int level = half_octaves(mean) - 2 * unit_exponent<E>() + measured_origin;
            if (std::abs(level - previous) > slack)
                previous = std::clamp(level, -max_level, max_level);
            out.push_back(static_cast<int16_t>(previous));
        }
    });
    return out;
}

std::vector<uint32_t> residual_counts(Type type, const uint8_t* base, const uint8_t* target,
                                      uint64_t elements, uint64_t row_length,
                                      std::span<const int16_t> levels,
                                      const std::vector<Special>& specials, Path path,
                                      const uint8_t* edges) {
    const SpecialLookup lookup(specials);
    std::vector<uint32_t> out(size_t{measured_contexts} * 256);
    const bool one = levels.size() == 1;
    // Whole rows, so that each block has its levels; about what the cache holds.
    const uint64_t rows = one ? 1 : std::max<uint64_t>(1, count_step / row_length);
    const uint64_t step = one ? count_step : rows * row_length;
    uint16_t* const symbols = scratch<uint16_t, struct CountedSymbols>(std::min(step, elements));
    SymbolCounter counter(out, elements);
    with_element(type, [&](auto element) {
        using E = decltype(element);
        constexpr size_t size = sizeof(typename E::uint);
        for (uint64_t at = 0; at < elements; at += step) {
            const uint64_t count = std::min(step, elements - at);
            const Levels own{one ? Context::one : Context::row,
                             one ? levels : levels.subspan(at / row_length),
                             edges == nullptr ? nullptr : edges + at};
            find_symbols<E>(type, base + at * size, target + at * size, count,
                            one ? count : row_length, own, measured_contexts - 1, nullptr, symbols,
                            path, [&](uint64_t i, unsigned context, typename E::sint residual) {
                                const int special = lookup.find(residual);
                                const unsigned token =
                                    special >= 0 ? static_cast<unsigned>(special)
                                                 : ResidualBins<E::width>::token(residual).token;
                                symbols[i] = static_cast<uint16_t>(context << 8 | token);
                            });
            counter.add(symbols, count);
        }
    });
    counter.finish();
    return out;
}

std::vector<uint32_t> exponent_counts(Type type, const uint8_t* target, uint64_t elements) {
    return with_element(type, [&](auto element) {
        using E = decltype(element);
        std::vector<uint32_t> out(E::is_float ? size_t{1} << (E::width - 1 - E::mantissa) : 1);
        for (uint64_t i = 0; i < elements; ++i)
            ++out[static_cast<size_t>(E::exponent(E::load(target, i)))];
        return out;
    });
}

std::vector<int64_t> residuals(Type type, const uint8_t* base, const uint8_t* target,
                               uint64_t elements) {
    return with_element(type, [&](auto element) {
        using E = decltype(element);
        std::vector<int64_t> out(elements);
        for (uint64_t i = 0; i < elements; ++i)
            out[i] = E::residual(E::load(base, i), E::load(target, i));
        return out;
    });
}

}  // namespace sapwood
