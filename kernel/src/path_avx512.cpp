#include <immintrin.h>

#include "sapwood/paths.hpp"

namespace sapwood {
namespace {

struct V {
    using reg = __m512i;
    using mask = __mmask16;
    static constexpr unsigned lanes = 16;

    static reg zero() { return _mm512_setzero_si512(); }
    static reg set(uint32_t value) { return _mm512_set1_epi32(static_cast<int>(value)); }
    static reg load(const void* at) { return _mm512_loadu_si512(at); }
    static void store(void* at, reg v) { _mm512_storeu_si512(at, v); }

    template <unsigned Bytes>
    static reg load_elements(const uint8_t* at) {
        if constexpr (Bytes == 1)
            return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
        else if constexpr (Bytes == 2)
            return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
        else
            return load(at);
    }
    template <unsigned Bytes>
    static void store_elements(uint8_t* at, reg v) {
        if constexpr (Bytes == 1)
            _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm512_cvtepi32_epi8(v));
        else if constexpr (Bytes == 2)
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm512_cvtepi32_epi16(v));
        else
            store(at, v);
    }

    static reg add(reg a, reg b) { return _mm512_add_epi32(a, b); }
    static reg sub(reg a, reg b) { return _mm512_sub_epi32(a, b); }
    static reg multiply(reg a, reg b) { return _mm512_mullo_epi32(a, b); }
    static reg bit_and(reg a, reg b) { return _mm512_and_si512(a, b); }
    static reg bit_xor(reg a, reg b) { return _mm512_xor_si512(a, b); }
    template <unsigned N> static reg shift_left(reg a) { return _mm512_slli_epi32(a, N); }
    template <unsigned N> static reg shift_right(reg a) { return _mm512_srli_epi32(a, N); }
    template <unsigned N> static reg shift_right_signed(reg a) { return _mm512_srai_epi32(a, N); }
    static reg shift_left_each(reg a, reg by) { return _mm512_sllv_epi32(a, by); }
    static reg shift_right_each(reg a, reg by) { return _mm512_srlv_epi32(a, by); }
    static reg low_bits(reg a, reg count) {  // count < 32
        return bit_and(a, sub(shift_left_each(set(1), count), set(1)));
    }
    static reg clamp(reg a, int low, int high) {
        return _mm512_min_epi32(_mm512_max_epi32(a, _mm512_set1_epi32(low)),
                                _mm512_set1_epi32(high));
    }

    // Comparisons are signed.
    static mask above(reg a, reg b) { return _mm512_cmpgt_epi32_mask(a, b); }
    static bool any_above(reg a, int limit) { return above(a, _mm512_set1_epi32(limit)) != 0; }
    static bool any(mask m) { return m != 0; }
    static mask both(mask a, mask b) { return a & b; }
    static mask without(mask a, mask b) { return a & static_cast<mask>(~b); }
    static uint64_t bits(mask m) { return m; }
    static reg keep(mask m, reg a) { return _mm512_maskz_mov_epi32(m, a); }
    static reg blend(mask m, reg otherwise, reg then) {
        return _mm512_mask_mov_epi32(otherwise, m, then);
    }

    static reg gather(const uint32_t* table, reg index) {
        return _mm512_i32gather_epi32(index, table, 4);
    }
    static reg gather_bytes(const uint8_t* from, reg offset) {
        return _mm512_i32gather_epi32(offset, from, 1);
    }

    // A table of 32 entries; null is all zeros.
    struct Table32 {
        explicit Table32(const uint32_t* entries)
            : low(entries == nullptr ? zero() : load(entries)),
              high(entries == nullptr ? zero() : load(entries + 16)) {}
        reg at(reg index) const { return _mm512_permutex2var_epi32(low, index, high); }
        reg low, high;
    };

    // Lanes below 2^16 take the next words, in lane order.
    static reg renormalise(reg x, const uint8_t*& words) {
        const mask low = _mm512_cmplt_epu32_mask(x, set(1u << 16));
        const reg next =
            _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(words)));
        words += 2 * __builtin_popcount(low);
        return _mm512_mask_or_epi32(x, low, shift_left<16>(x),
                                    _mm512_maskz_expand_epi32(low, next));
    }

    // Sums of the lanes before each; `total` holds the inclusive sums.
    static reg exclusive_sum(reg a, reg& total) {
        const reg none = zero();
        reg sum = add(a, _mm512_alignr_epi32(a, none, 15));
        sum = add(sum, _mm512_alignr_epi32(sum, none, 14));
        sum = add(sum, _mm512_alignr_epi32(sum, none, 12));
        sum = add(sum, _mm512_alignr_epi32(sum, none, 8));
        total = sum;
        return sub(sum, a);
    }
    static uint64_t last(reg a) {
        return static_cast<uint32_t>(
            _mm_extract_epi32(_mm512_extracti32x4_epi32(a, 3), 3));
    }
};

#include "path_simd.inl"

// Floating-point numbers for V::lanes elements: `singles`, or `doubles` in two registers.
struct F {
    using singles = __m512;
    struct doubles {
        __m512d low, high;
    };

    static void set(float value, singles& out) { out = _mm512_set1_ps(value); }
    static void set(double value, doubles& out) {
        out.low = _mm512_set1_pd(value);
        out.high = out.low;
    }
    static singles load(const float* at) { return _mm512_loadu_ps(at); }
    static doubles load(const double* at) { return {_mm512_loadu_pd(at), _mm512_loadu_pd(at + 8)}; }
    static void store(float* at, singles a) { _mm512_storeu_ps(at, a); }
    static void store(double* at, doubles a) {
        _mm512_storeu_pd(at, a.low);
        _mm512_storeu_pd(at + 8, a.high);
    }
    static singles add(singles a, singles b) { return _mm512_add_ps(a, b); }
    static doubles add(doubles a, doubles b) {
        return {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
    }
    static singles multiply(singles a, singles b) { return _mm512_mul_ps(a, b); }
    static doubles multiply(doubles a, doubles b) {
        return {_mm512_mul_pd(a.low, b.low), _mm512_mul_pd(a.high, b.high)};
    }
    // a b + c where no step rounds.
    static doubles multiply_add(doubles a, doubles b, doubles c) {
        return {_mm512_fmadd_pd(a.low, b.low, c.low), _mm512_fmadd_pd(a.high, b.high, c.high)};
    }

    // NaNs become the quiet one.
    static singles canonical(singles a) {
        const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
        return _mm512_mask_mov_ps(a, nan, as_singles(V::set(0x7FC00000)));
    }
    static doubles canonical(doubles a) { return {canonical(a.low), canonical(a.high)}; }

    static singles as_singles(V::reg bits) { return _mm512_castsi512_ps(bits); }
    static V::reg bits(singles a) { return _mm512_castps_si512(a); }
    // Bits 13 to 28 of each.
    static V::reg low_bits(doubles a) {
        const V::reg both = _mm512_inserti64x4(
            _mm512_castsi256_si512(_mm512_cvtepi64_epi32(_mm512_castpd_si512(a.low))),
            _mm512_cvtepi64_epi32(_mm512_castpd_si512(a.high)), 1);
        return V::bit_and(V::shift_right<13>(both), V::set(0xFFFF));
    }

    static singles load_halves(const uint8_t* at) {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
    }
    static void store_halves(uint8_t* at, singles a) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), halves(a));
    }
    static singles through_half(singles a) { return _mm512_cvtph_ps(halves(a)); }
    static doubles load_singles(const uint8_t* at) {
        return {_mm512_cvtps_pd(_mm256_loadu_ps(reinterpret_cast<const float*>(at))),
                _mm512_cvtps_pd(_mm256_loadu_ps(reinterpret_cast<const float*>(at) + 8))};
    }
    static void store_singles(uint8_t* at, doubles a) {
        _mm256_storeu_ps(reinterpret_cast<float*>(at), _mm512_cvtpd_ps(a.low));
        _mm256_storeu_ps(reinterpret_cast<float*>(at) + 8, _mm512_cvtpd_ps(a.high));
    }
    static doubles through_single(doubles a) {
        return {_mm512_cvtps_pd(_mm512_cvtpd_ps(a.low)), _mm512_cvtps_pd(_mm512_cvtpd_ps(a.high))};
    }

    static V::reg at_least(V::reg a, int low) {
        return _mm512_max_epi32(a, _mm512_set1_epi32(low));
    }
    static V::reg to_single_bits(V::reg integers) { return bits(_mm512_cvtepi32_ps(integers)); }
    // Sums of products of pairs of int16.
    static V::reg multiply_pairs(V::reg a, V::reg b) { return _mm512_madd_epi16(a, b); }
    static doubles load_integers(const uint32_t* at) { return to_doubles(V::load(at)); }
    static void convert(V::reg sums, singles& out) { out = _mm512_cvtepi32_ps(sums); }
    static void convert(V::reg sums, doubles& out) { out = to_doubles(sums); }
    static void convert(doubles sums, singles& out) {
        out = _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(sums.low)),
                                 _mm512_cvtpd_ps(sums.high), 1);
    }
    static void convert(doubles sums, doubles& out) { out = sums; }

private:
    static __m512d canonical(__m512d a) {
        const __mmask8 nan = _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q);
        return _mm512_mask_mov_pd(
            a, nan, _mm512_castsi512_pd(_mm512_set1_epi64(0x7FF8000000000000)));
    }
    static __m256i halves(singles a) {
        return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
    static doubles to_doubles(V::reg integers) {
        return {_mm512_cvtepi32_pd(_mm512_castsi512_si256(integers)),
                _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(integers, 1))};
    }
};

#include "blend_simd.inl"

// Sixteen lanes at once. The quotient of a state by a frequency lies below 2^20,
// so a single-precision one is off by at most 1, which the remainder shows.
void rans_loop(RansLoop& loop) {
    V::reg x[4];
    for (int v = 0; v < 4; ++v) x[v] = V::load(loop.states + 16 * v);
    uint16_t* words = loop.words;
    const __m512i lane =
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    for (uint64_t p = loop.done; p > 0; p -= 64) {
        for (int v = 3; v >= 0; --v) {
            const __m512i symbol = _mm512_cvtepu16_epi32(_mm256_loadu_si256(
                reinterpret_cast<const __m256i*>(loop.symbols + p - 64 + 16 * v)));
            const __m512i entry = V::gather(loop.entries, symbol);
            const __m512i frequency = V::bit_and(entry, V::set(0xFFFF));
            const __m512i start = V::shift_right<16>(entry);
            const __mmask16 emit =
                _mm512_cmpge_epu32_mask(V::shift_right<20>(x[v]), frequency);
            const unsigned count = static_cast<unsigned>(__builtin_popcount(emit));
            // The words go to the end of a whole vector: what it writes below them is
            // written over later. Masked stores take many times as long.
            const __m512i packed = _mm512_permutexvar_epi32(
                V::add(lane, V::set(count)), _mm512_maskz_compress_epi32(emit, x[v]));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(words - 16),
                                _mm512_cvtepi32_epi16(packed));
            words -= count;
            const __m512i low = _mm512_mask_srli_epi32(x[v], emit, x[v], 16);
            const __m512 ratio = _mm512_div_ps(_mm512_cvtepu32_ps(low),
                                               _mm512_cvtepu32_ps(frequency));
            __m512i quotient = _mm512_cvttps_epu32(ratio);
            __m512i rest = V::sub(low, V::multiply(quotient, frequency));
            const __mmask16 above = _mm512_cmplt_epi32_mask(rest, V::zero());
            quotient = _mm512_mask_sub_epi32(quotient, above, quotient, V::set(1));
            rest = _mm512_mask_add_epi32(rest, above, rest, frequency);
            const __mmask16 below = _mm512_cmpge_epi32_mask(rest, frequency);
            quotient = _mm512_mask_add_epi32(quotient, below, quotient, V::set(1));
            rest = _mm512_mask_sub_epi32(rest, below, rest, frequency);
            x[v] = V::add(V::add(V::shift_left<12>(quotient), rest), start);
        }
    }
    for (int v = 0; v < 4; ++v) V::store(loop.states + 16 * v, x[v]);
    loop.words = words;
    loop.done = 0;
}

}  // namespace

const PathFunctions& avx512_path() {
    static constexpr PathFunctions functions{dense, sparse, symbols, rans_loop, blend, product};
    return functions;
}

}  // namespace sapwood
