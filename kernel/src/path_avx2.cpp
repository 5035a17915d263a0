#include <immintrin.h>

#include "sapwood/paths.hpp"

namespace sapwood {
namespace {

// By the lanes that take a word: which of the next words goes to which lane.
struct ExpandTable {
    alignas(32) uint32_t lanes[256][8];
    constexpr ExpandTable() : lanes() {
        for (unsigned m = 0; m < 256; ++m) {
            unsigned word = 0;
            for (unsigned lane = 0; lane < 8; ++lane)
                lanes[m][lane] = ((m >> lane) & 1) != 0 ? word++ : 0;
        }
    }
};
constexpr ExpandTable expand_table;

struct V {
    using reg = __m256i;
    using mask = __m256i;  // all ones or zeros in each lane
    static constexpr unsigned lanes = 8;

    static reg zero() { return _mm256_setzero_si256(); }
    static reg set(uint32_t value) { return _mm256_set1_epi32(static_cast<int>(value)); }
    static reg load(const void* at) {
        return _mm256_loadu_si256(static_cast<const __m256i*>(at));
    }
    static void store(void* at, reg v) { _mm256_storeu_si256(static_cast<__m256i*>(at), v); }

    template <unsigned Bytes>
    static reg load_elements(const uint8_t* at) {
        if constexpr (Bytes == 1)
            return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)));
        else if constexpr (Bytes == 2)
            return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
        else
            return load(at);
    }
    template <unsigned Bytes>
    static void store_elements(uint8_t* at, reg v) {
        if constexpr (Bytes == 4) {
            store(at, v);
            return;
        }
        const __m128i low = _mm256_castsi256_si128(v);
        const __m128i high = _mm256_extracti128_si256(v, 1);
        const __m128i words = _mm_packus_epi32(low, high);
        if constexpr (Bytes == 2)
            _mm_storeu_si128(reinterpret_cast<__m128i*>(at), words);
        else
            _mm_storel_epi64(reinterpret_cast<__m128i*>(at), _mm_packus_epi16(words, words));
    }

    static reg add(reg a, reg b) { return _mm256_add_epi32(a, b); }
    static reg sub(reg a, reg b) { return _mm256_sub_epi32(a, b); }
    static reg multiply(reg a, reg b) { return _mm256_mullo_epi32(a, b); }
    static reg bit_and(reg a, reg b) { return _mm256_and_si256(a, b); }
    static reg bit_xor(reg a, reg b) { return _mm256_xor_si256(a, b); }
    template <unsigned N> static reg shift_left(reg a) { return _mm256_slli_epi32(a, N); }
    template <unsigned N> static reg shift_right(reg a) { return _mm256_srli_epi32(a, N); }
    template <unsigned N> static reg shift_right_signed(reg a) { return _mm256_srai_epi32(a, N); }
    static reg shift_left_each(reg a, reg by) { return _mm256_sllv_epi32(a, by); }
    static reg shift_right_each(reg a, reg by) { return _mm256_srlv_epi32(a, by); }
    static reg low_bits(reg a, reg count) {  // count < 32
        return bit_and(a, sub(shift_left_each(set(1), count), set(1)));
    }
    static reg clamp(reg a, int low, int high) {
        return _mm256_min_epi32(_mm256_max_epi32(a, _mm256_set1_epi32(low)),
                                _mm256_set1_epi32(high));
    }

    // Comparisons are signed.
    static mask above(reg a, reg b) { return _mm256_cmpgt_epi32(a, b); }
    static bool any_above(reg a, int limit) { return any(above(a, _mm256_set1_epi32(limit))); }
    static bool any(mask m) { return _mm256_testz_si256(m, m) == 0; }
    static mask both(mask a, mask b) { return _mm256_and_si256(a, b); }
    static mask without(mask a, mask b) { return _mm256_andnot_si256(b, a); }
    static uint64_t bits(mask m) {
        return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(m)));
    }
    static reg keep(mask m, reg a) { return _mm256_and_si256(m, a); }
    static reg blend(mask m, reg otherwise, reg then) {
        return _mm256_blendv_epi8(otherwise, then, m);
    }

    static reg gather(const uint32_t* table, reg index) {
        return _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), index, 4);
    }
    static reg gather_bytes(const uint8_t* from, reg offset) {
        return _mm256_i32gather_epi32(reinterpret_cast<const int*>(from), offset, 1);
    }

    // A table of 32 entries; null is never looked at.
    struct Table32 {
        explicit Table32(const uint32_t* table) : entries(table) {}
        reg at(reg index) const { return gather(entries, index); }
        const uint32_t* entries;
    };

    // Lanes below 2^16 take the next words, in lane order.
    static reg renormalise(reg x, const uint8_t*& words) {
        const mask low = _mm256_cmpeq_epi32(shift_right<16>(x), zero());
        const uint64_t taking = bits(low);
        const reg next =
            _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words)));
        words += 2 * __builtin_popcountll(taking);
        const reg mine = _mm256_permutevar8x32_epi32(next, load(expand_table.lanes[taking]));
        return blend(low, x, _mm256_or_si256(shift_left<16>(x), mine));
    }

    // Sums of the lanes before each; `total` holds the inclusive sums.
    static reg exclusive_sum(reg a, reg& total) {
        reg sum = add(a, _mm256_slli_si256(a, 4));
        sum = add(sum, _mm256_slli_si256(sum, 8));
        const reg low_total = set(static_cast<uint32_t>(_mm256_extract_epi32(sum, 3)));
        sum = add(sum, _mm256_blend_epi32(zero(), low_total, 0xF0));
        total = sum;
        return sub(sum, a);
    }
    static uint64_t last(reg a) { return static_cast<uint32_t>(_mm256_extract_epi32(a, 7)); }
};

#include "path_simd.inl"

// Floating-point numbers for V::lanes elements: `singles`, or `doubles` in two registers.
struct F {
    using singles = __m256;
    struct doubles {
        __m256d low, high;
    };

    static void set(float value, singles& out) { out = _mm256_set1_ps(value); }
    static void set(double value, doubles& out) {
        out.low = _mm256_set1_pd(value);
        out.high = out.low;
    }
    static singles load(const float* at) { return _mm256_loadu_ps(at); }
    static doubles load(const double* at) { return {_mm256_loadu_pd(at), _mm256_loadu_pd(at + 4)}; }
    static void store(float* at, singles a) { _mm256_storeu_ps(at, a); }
    static void store(double* at, doubles a) {
        _mm256_storeu_pd(at, a.low);
        _mm256_storeu_pd(at + 4, a.high);
    }
    static singles add(singles a, singles b) { return _mm256_add_ps(a, b); }
    static doubles add(doubles a, doubles b) {
        return {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
    }
    static singles multiply(singles a, singles b) { return _mm256_mul_ps(a, b); }
    static doubles multiply(doubles a, doubles b) {
        return {_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)};
    }
    // a b + c where no step rounds.
    static doubles multiply_add(doubles a, doubles b, doubles c) {
        return {_mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high)};
    }

    // NaNs become the quiet one.
    static singles canonical(singles a) {
        const __m256 nan = _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
        return _mm256_blendv_ps(a, as_singles(V::set(0x7FC00000)), nan);
    }
    static doubles canonical(doubles a) { return {canonical(a.low), canonical(a.high)}; }

    static singles as_singles(V::reg bits) { return _mm256_castsi256_ps(bits); }
    static V::reg bits(singles a) { return _mm256_castps_si256(a); }
    // Bits 13 to 28 of each.
    static V::reg low_bits(doubles a) {
        const __m256 even = _mm256_shuffle_ps(_mm256_castpd_ps(a.low), _mm256_castpd_ps(a.high),
                                              _MM_SHUFFLE(2, 0, 2, 0));
        const V::reg both = _mm256_permute4x64_epi64(bits(even), _MM_SHUFFLE(3, 1, 2, 0));
        return V::bit_and(V::shift_right<13>(both), V::set(0xFFFF));
    }

    static singles load_halves(const uint8_t* at) {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
    }
    static void store_halves(uint8_t* at, singles a) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(at), halves(a));
    }
    static singles through_half(singles a) { return _mm256_cvtph_ps(halves(a)); }
    static doubles load_singles(const uint8_t* at) {
        return {_mm256_cvtps_pd(_mm_loadu_ps(reinterpret_cast<const float*>(at))),
                _mm256_cvtps_pd(_mm_loadu_ps(reinterpret_cast<const float*>(at) + 4))};
    }
    static void store_singles(uint8_t* at, doubles a) {
        _mm_storeu_ps(reinterpret_cast<float*>(at), _mm256_cvtpd_ps(a.low));
        _mm_storeu_ps(reinterpret_cast<float*>(at) + 4, _mm256_cvtpd_ps(a.high));
    }
    static doubles through_single(doubles a) {
        return {_mm256_cvtps_pd(_mm256_cvtpd_ps(a.low)), _mm256_cvtps_pd(_mm256_cvtpd_ps(a.high))};
    }

    static V::reg at_least(V::reg a, int low) {
        return _mm256_max_epi32(a, _mm256_set1_epi32(low));
    }
    static V::reg to_single_bits(V::reg integers) { return bits(_mm256_cvtepi32_ps(integers)); }
    // Sums of products of pairs of int16.
    static V::reg multiply_pairs(V::reg a, V::reg b) { return _mm256_madd_epi16(a, b); }
    static doubles load_integers(const uint32_t* at) { return to_doubles(V::load(at)); }
    static void convert(V::reg sums, singles& out) { out = _mm256_cvtepi32_ps(sums); }
    static void convert(V::reg sums, doubles& out) { out = to_doubles(sums); }
    static void convert(doubles sums, singles& out) {
        out = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(sums.low)),
                                   _mm256_cvtpd_ps(sums.high), 1);
    }
    static void convert(doubles sums, doubles& out) { out = sums; }

private:
    static __m256d canonical(__m256d a) {
        const __m256d nan = _mm256_cmp_pd(a, a, _CMP_UNORD_Q);
        return _mm256_blendv_pd(
            a, _mm256_castsi256_pd(_mm256_set1_epi64x(0x7FF8000000000000)), nan);
    }
    static __m128i halves(singles a) {
        return _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
    static doubles to_doubles(V::reg integers) {
        return {_mm256_cvtepi32_pd(_mm256_castsi256_si128(integers)),
                _mm256_cvtepi32_pd(_mm256_extracti128_si256(integers, 1))};
    }
};

#include "blend_simd.inl"

}  // namespace

const PathFunctions& avx2_path() {
    static constexpr PathFunctions functions{dense, sparse, symbols, nullptr, blend, product};
    return functions;
}

}  // namespace sapwood
