// Blend predictions (blend.hpp) over the vector types `V` and `F` of the including file, in
// its unnamed namespace and by the rules of path_simd.inl. `F` keeps as many numbers of
// binary32 or binary64 as V has lanes.

// The element types: `work` holds a vector of the working type, `rounds` is W(round(x)), for
// NaNs any NaN; `store` and `low` (blend.cpp) take canonical NaNs.
struct BlendBf16 {
    static constexpr unsigned bytes = 2;
    using scalar = float;
    using work = F::singles;
    static work load(const uint8_t* at) {
        return F::as_singles(V::shift_left<16>(V::load_elements<2>(at)));
    }
    // In bits 16 to 31, with what rounding left below.
    static V::reg rounded(work a) {
        const V::reg bits = F::bits(a);
        const V::reg odd = V::bit_and(V::shift_right<16>(bits), V::set(1));
        return V::add(V::add(bits, V::set(0x7FFF)), odd);
    }
    static work rounds(work a) {
        return F::as_singles(V::bit_and(rounded(F::canonical(a)), V::set(0xFFFF0000)));
    }
    static void store(uint8_t* at, work a) {
        V::store_elements<2>(at, V::shift_right<16>(rounded(a)));
    }
    static V::reg low(work a) { return V::bit_and(F::bits(a), V::set(0xFFFF)); }
};

struct BlendF16 {
    static constexpr unsigned bytes = 2;
    using scalar = float;
    using work = F::singles;
    static work load(const uint8_t* at) { return F::load_halves(at); }
    static work rounds(work a) { return F::through_half(a); }
    static void store(uint8_t* at, work a) { F::store_halves(at, a); }
    static V::reg low(work a) {
        return V::shift_left<3>(V::bit_and(F::bits(a), V::set(0x1FFF)));
    }
};

struct BlendF32 {
    static constexpr unsigned bytes = 4;
    using scalar = double;
    using work = F::doubles;
    static work load(const uint8_t* at) { return F::load_singles(at); }
    static work rounds(work a) { return F::through_single(a); }
    static void store(uint8_t* at, work a) { F::store_singles(at, a); }
    static V::reg low(work a) { return F::low_bits(a); }
};

// The bits above the mantissa of the distance to the middle, as a single, and its first
// mantissa bit give the half octaves: 254 for 1. A sign stands in bit 9.
void store_edges(uint8_t* at, V::reg low) {
    const V::reg past = F::to_single_bits(V::sub(low, V::set(0x8000)));
    const V::reg halves = F::at_least(V::shift_right<22>(past), 254);
    const V::reg near = V::sub(V::set(2 * (30 + 254)), V::add(halves, halves));
    const V::reg edge = V::add(near, V::shift_right<9>(halves));
    V::store_elements<1>(at, V::bit_and(edge, V::set(0xFF)));
}

// `count` elements from `at` on: a vector of them where Whole, else fewer, through a buffer.
template <class E, bool Each, bool Whole>
void blend_vector(const BlendLoop& loop, uint64_t at, uint64_t count) {
    using Work = typename E::work;
    const auto* coefficients = static_cast<const typename E::scalar*>(loop.coefficients);
    alignas(64) uint8_t buffer[V::lanes * E::bytes];
    Work sum;
    F::set(0, sum);
    for (uint64_t t = 0; t < loop.term_count; ++t) {
        const uint8_t* from = loop.terms[t] + at * E::bytes;
        if constexpr (!Whole) {
            __builtin_memcpy(buffer, from, count * E::bytes);
            from = buffer;
        }
        Work coefficient;
        F::set(coefficients[t], coefficient);
        Work x = F::multiply(coefficient, E::load(from));
        if constexpr (Each) x = E::rounds(x);
        sum = t == 0 ? x : F::add(sum, x);
        if constexpr (Each) sum = E::rounds(sum);
    }
    if (loop.products != nullptr) {
        Work x = F::load(static_cast<const typename E::scalar*>(loop.products) + at);
        if constexpr (Each) x = E::rounds(x);
        sum = loop.term_count == 0 ? x : F::add(sum, x);
    }
    sum = F::canonical(sum);
    if constexpr (Whole) {
        E::store(loop.out + at * E::bytes, sum);
        if (loop.edges != nullptr) store_edges(loop.edges + at, E::low(sum));
    } else {
        E::store(buffer, sum);
        __builtin_memcpy(loop.out + at * E::bytes, buffer, count * E::bytes);
        if (loop.edges == nullptr) return;
        store_edges(buffer, E::low(sum));
        __builtin_memcpy(loop.edges + at, buffer, count);
    }
}

template <class E, bool Each>
void blend_all(const BlendLoop& loop) {
    uint64_t i = 0;
    for (; i + V::lanes <= loop.elements; i += V::lanes)
        blend_vector<E, Each, true>(loop, i, V::lanes);
    if (i < loop.elements) blend_vector<E, Each, false>(loop, i, loop.elements - i);
}

template <class E>
void blend_loop(const BlendLoop& loop) {
    if (loop.each)
        blend_all<E, true>(loop);
    else
        blend_all<E, false>(loop);
}

// Products of `Rows` rows: what is loaded of the right factor serves all of them.
template <class E, int Rows>
void narrow_rows(const ProductLoop& loop) {
    constexpr int kVectors = 2;
    static_assert(product_step % (kVectors * V::lanes) == 0);
    const auto* left = static_cast<const uint32_t*>(loop.left);
    auto* products = static_cast<typename E::scalar*>(loop.products);
    typename E::work scale;
    F::set(static_cast<typename E::scalar>(loop.scale), scale);
    for (uint64_t i = 0; i < loop.columns; i += kVectors * V::lanes) {
        V::reg sums[Rows][kVectors];
        for (int r = 0; r < Rows; ++r)
            for (int v = 0; v < kVectors; ++v) sums[r][v] = V::zero();
        const uint32_t* right = loop.right + i;
        for (uint64_t k = 0; k < loop.steps; ++k, right += loop.right_pitch) {
            V::reg pairs[kVectors];
            for (int v = 0; v < kVectors; ++v) pairs[v] = V::load(right + v * kVectorLanes);
            for (int r = 0; r < Rows; ++r) {
                const V::reg own = V::set(left[static_cast<uint64_t>(r) * loop.steps + k]);
                for (int v = 0; v < kVectors; ++v)
                    sums[r][v] = V::add(sums[r][v], F::multiply_pairs(own, pairs[v]));
            }
        }
        for (int r = 0; r < Rows; ++r)
            for (int v = 0; v < kVectors; ++v) {
                typename E::work number;
                F::convert(sums[r][v], number);
                F::store(products + static_cast<uint64_t>(r) * loop.pitch + i + v * kVectorLanes,
                         F::multiply(number, scale));
            }
    }
}

// As narrow_rows, with sums in doubles, which hold them exactly.
template <class E, int Rows>
void wide_rows(const ProductLoop& loop) {
    static_assert(product_step % V::lanes == 0);
    const auto* left = static_cast<const double*>(loop.left);
    auto* products = static_cast<typename E::scalar*>(loop.products);
    typename E::work scale;
    F::set(static_cast<typename E::scalar>(loop.scale), scale);
    for (uint64_t i = 0; i < loop.columns; i += V::lanes) {
        F::doubles sums[Rows];
        for (int r = 0; r < Rows; ++r) F::set(0.0, sums[r]);
        const uint32_t* right = loop.right + i;
        for (uint64_t k = 0; k < loop.steps; ++k, right += loop.right_pitch) {
            const F::doubles integers = F::load_integers(right);
            for (int r = 0; r < Rows; ++r) {
                F::doubles own;
                F::set(left[static_cast<uint64_t>(r) * loop.steps + k], own);
                sums[r] = F::multiply_add(own, integers, sums[r]);
            }
        }
        for (int r = 0; r < Rows; ++r) {
            typename E::work number;
            F::convert(sums[r], number);
            F::store(products + static_cast<uint64_t>(r) * loop.pitch + i,
                     F::multiply(number, scale));
        }
    }
}

template <class E, bool Narrow, int Rows>
void product_of_rows(const ProductLoop& loop) {
    if constexpr (Narrow)
        narrow_rows<E, Rows>(loop);
    else
        wide_rows<E, Rows>(loop);
}

template <class E, bool Narrow>
void product_loop(const ProductLoop& loop) {
    static_assert(product_rows == 4);
    switch (loop.rows) {
        case 1: return product_of_rows<E, Narrow, 1>(loop);
        case 2: return product_of_rows<E, Narrow, 2>(loop);
        case 3: return product_of_rows<E, Narrow, 3>(loop);
        default: return product_of_rows<E, Narrow, 4>(loop);
    }
}

BlendFunction blend(Type type) {
    switch (type) {
        case Type::bf16: return blend_loop<BlendBf16>;
        case Type::f16: return blend_loop<BlendF16>;
        case Type::f32: return blend_loop<BlendF32>;
        default: return nullptr;
    }
}

ProductFunction product(Type type, bool narrow) {
    switch (type) {
        case Type::bf16: case Type::f16:
            return narrow ? product_loop<BlendBf16, true> : product_loop<BlendBf16, false>;
        case Type::f32:
            return narrow ? product_loop<BlendF32, true> : product_loop<BlendF32, false>;
        default: return nullptr;
    }
}
