// The vector loops, written once over a vector type `V` of 32-bit lanes that the
// including file defines in its unnamed namespace, as all of this is: code built
// for one instruction set must not be what the linker picks for another. For the
// same reason nothing here calls an inline function of the standard library.

constexpr unsigned kScaleBits = 12;
constexpr unsigned kFirstBucket = 15;
constexpr unsigned kRound = 64;  // elements of a sparse round, and of the largest dense one
constexpr int kVectorLanes = static_cast<int>(V::lanes);

// Bits <= 25 reach into 4 bytes from any bit of the first.
constexpr int kMostRawBits = 25;

template <unsigned Bytes, unsigned Mantissa>
struct Elements {
    static constexpr unsigned width = 8 * Bytes;
    static constexpr uint32_t magnitude = (1u << (width - 1)) - 1;
    static constexpr bool is_float = Mantissa != 0;

    // All ones in lanes whose element is negative.
    static V::reg sign(V::reg bits) {
        if constexpr (!is_float) return V::zero();
        return V::sub(V::zero(), V::template shift_right<width - 1>(bits));
    }
    static V::reg ordered(V::reg bits, V::reg sign_mask) {
        return V::bit_xor(bits, V::bit_and(sign_mask, V::set(magnitude)));
    }
    static V::reg exponent(V::reg bits) {
        return V::template shift_right<Mantissa>(V::bit_and(bits, V::set(magnitude)));
    }
    static V::reg context(V::reg bits, V::reg level, int last = 31) {
        V::reg c = level;
        if constexpr (is_float) {
            const V::reg e = exponent(bits);
            c = V::sub(c, V::add(e, e));
        }
        return V::clamp(c, 0, last);
    }
    // See edge_context in payload.hpp.
    static V::reg edge_context(V::reg bits, V::reg level, const uint8_t* edges) {
        V::reg size = level;
        if constexpr (is_float) {
            const V::reg e = exponent(bits);
            size = V::sub(size, V::add(e, e));
        }
        const V::reg edge = V::template load_elements<1>(edges);
        const V::reg reach = V::add(size, V::template shift_right<1>(edge));
        const V::reg near = V::clamp(V::add(reach, V::set(2)), 0, 7);
        const V::reg far = V::clamp(V::template shift_right_signed<1>(size), 0, 7);
        const V::mask large = V::above(size, V::set(~0u));
        const V::reg kind = V::blend(large, near, V::add(far, V::set(8)));
        return V::add(V::add(kind, kind), V::bit_and(edge, V::set(1)));
    }
    // The residual's zigzag number: below 15 it is the token.
    static V::reg zigzag(V::reg from, V::reg to) {
        const V::reg s = sign(from);
        const V::reg step = V::sub(ordered(to, sign(to)), ordered(from, s));
        V::reg residual = V::sub(V::bit_xor(step, s), s);
        if constexpr (width < 32)
            residual = V::template shift_right_signed<32 - width>(
                V::template shift_left<32 - width>(residual));
        return V::bit_xor(V::template shift_left<1>(residual),
                          V::template shift_right_signed<31>(residual));
    }
    static V::reg apply(V::reg bits, V::reg residual) {
        const V::reg s = sign(bits);
        const V::reg step = V::sub(V::bit_xor(residual, s), s);  // negated in negative lanes
        V::reg to = V::add(ordered(bits, s), step);
        if constexpr (width < 32) to = V::bit_and(to, V::set((1u << (width & 31)) - 1));
        return ordered(to, sign(to));
    }
};

// The levels of the elements of a round that touches several rows. Most do not.
void fill_levels(const int16_t* levels, uint64_t row_length, uint64_t element, unsigned count,
                 int32_t* out) {
    uint64_t row = element / row_length;
    uint64_t left = row_length - element % row_length;
    for (unsigned i = 0; i < count; ++i) {
        if (left == 0) {
            ++row;
            left = row_length;
        }
        out[i] = levels[row];
        --left;
    }
}

// Residuals of tokens in buckets: raw bits are read for all lanes at once. False
// where a lane needs more bits than a gather of 4 bytes holds.
bool bucket_residuals(const DenseLoop& loop, V::reg token, V::mask bucket,
                             uint64_t& bit_position, V::reg& residual) {
    const V::reg q = V::sub(token, V::set(kFirstBucket));
    const V::reg half = V::template shift_right<1>(q);
    const V::reg count = V::keep(
        bucket, V::add(V::template shift_right<2>(half), V::set(1)));  // octave - 2
    if (V::any_above(count, kMostRawBits)) return false;
    V::reg total;
    const V::reg before = V::exclusive_sum(count, total);
    const uint8_t* from = loop.bits + (bit_position >> 3);
    const V::reg offset = V::add(before, V::set(static_cast<uint32_t>(bit_position & 7)));
    const V::reg window = V::gather_bytes(from, V::template shift_right<3>(offset));
    const V::reg raw =
        V::low_bits(V::shift_right_each(window, V::bit_and(offset, V::set(7))), count);
    const V::reg top = V::add(V::bit_and(half, V::set(3)), V::set(4));
    const V::reg size = V::add(V::shift_left_each(top, count), raw);
    const V::reg negative = V::sub(V::zero(), V::bit_and(q, V::set(1)));
    residual = V::blend(bucket, residual, V::sub(V::bit_xor(size, negative), negative));
    bit_position += V::last(total);
    return true;
}

template <unsigned Bytes, unsigned Mantissa, unsigned Round, bool WithEdges>
void dense_rounds(DenseLoop& loop) {
    constexpr int kVectors = static_cast<int>(Round / V::lanes);
    using E = Elements<Bytes, Mantissa>;
    V::reg x[kVectors];
    for (int v = 0; v < kVectors; ++v) x[v] = V::load(loop.states + v * kVectorLanes);
    const uint8_t* words = loop.words;
    uint64_t bit_position = loop.bit_position;
    uint64_t i = loop.done;
    uint64_t row_end = 0;  // elements up to here have the level in `level`
    V::reg level = V::set(static_cast<uint32_t>(loop.by_exponent ? loop.level : 0));
    if (loop.levels == nullptr) row_end = loop.elements;
    int32_t mixed[Round];
    const V::reg specials_from = V::set(loop.first_special - 1);
    const V::reg specials_to = V::set(loop.last_special + 1);

    for (; i + Round <= loop.elements; i += Round) {
        bool one_level = true;
        if (i + Round > row_end && loop.levels != nullptr) {
            const uint64_t row = i / loop.row_length;
            row_end = (row + 1) * loop.row_length;
            level = V::set(static_cast<uint32_t>(static_cast<int32_t>(loop.levels[row])));
            if (i + Round > row_end) {
                one_level = false;
                fill_levels(loop.levels, loop.row_length, i, Round, mixed);
            }
        }
        V::reg next[kVectors];
        const uint8_t* next_words = words;
        uint64_t next_bits = bit_position;
        V::reg result[kVectors];
        bool doable = true;
        for (int v = 0; v < kVectors; ++v) {
            const uint64_t at = i + static_cast<uint64_t>(v) * V::lanes;
            const V::reg bits = V::template load_elements<Bytes>(loop.base + at * Bytes);
            const V::reg own = one_level ? level : V::load(mixed + v * kVectorLanes);
            V::reg index = V::bit_and(x[v], V::set((1u << kScaleBits) - 1));
            if constexpr (WithEdges)
                index = V::add(index, V::template shift_left<kScaleBits>(
                                          E::edge_context(bits, own, loop.edges + at)));
            else if (loop.by_exponent)
                index = V::add(index, V::template shift_left<kScaleBits>(E::context(bits, own)));
            const V::reg entry = V::gather(loop.entries, index);
            const V::reg frequency = V::add(V::template shift_right<20>(entry), V::set(1));
            const V::reg bias = V::bit_and(V::template shift_right<8>(entry),
                                           V::set((1u << kScaleBits) - 1));
            const V::reg state =
                V::add(V::multiply(frequency, V::template shift_right<kScaleBits>(x[v])), bias);
            next[v] = V::renormalise(state, next_words);

            const V::reg token = V::bit_and(entry, V::set(0xFF));
            const V::reg odd = V::sub(V::zero(), V::bit_and(token, V::set(1)));
            const V::reg zigzag = V::template shift_right<1>(V::add(token, V::set(1)));
            V::reg residual = V::sub(V::bit_xor(zigzag, odd), odd);
            if (V::any_above(token, kFirstBucket - 1)) {
                const V::mask large = V::above(token, V::set(kFirstBucket - 1));
                const V::mask bins = V::above(V::set(loop.bin_tokens), token);
                const V::mask special = V::both(V::above(token, specials_from),
                                                V::above(specials_to, token));
                if (V::any(V::without(V::without(large, bins), special)) ||
                    !bucket_residuals(loop, token, V::both(large, bins), next_bits, residual)) {
                    doable = false;
                    break;
                }
                residual = V::blend(special, residual,
                                    V::gather(reinterpret_cast<const uint32_t*>(
                                                  loop.special_values), token));
            }
            result[v] = E::apply(bits, residual);
        }
        if (!doable || next_words > loop.words_end || next_bits > loop.bit_end) break;
        for (int v = 0; v < kVectors; ++v) {
            x[v] = next[v];
            const uint64_t at = i + static_cast<uint64_t>(v) * V::lanes;
            V::template store_elements<Bytes>(loop.out + at * Bytes, result[v]);
        }
        words = next_words;
        bit_position = next_bits;
    }
    for (int v = 0; v < kVectors; ++v) V::store(loop.states + v * kVectorLanes, x[v]);
    loop.words = words;
    loop.bit_position = bit_position;
    loop.done = i;
}

template <unsigned Bytes, unsigned Mantissa, unsigned Round>
void dense_loop(DenseLoop& loop) {
    if (loop.edges != nullptr)
        dense_rounds<Bytes, Mantissa, Round, true>(loop);
    else
        dense_rounds<Bytes, Mantissa, Round, false>(loop);
}

// Positions of the changed elements. `members` holds, for each class, a bit for
// each of 64 elements; a class whose countdown lies beyond its members is done
// with one subtraction.
template <unsigned Bytes, unsigned Mantissa>
void sparse_loop(SparseLoop& loop) {
    constexpr int kVectors = static_cast<int>(kRound / V::lanes);
    using E = Elements<Bytes, Mantissa>;
    V::reg level = V::set(static_cast<uint32_t>(loop.by_exponent ? loop.level : 0));
    uint64_t row_end = loop.levels == nullptr ? loop.elements : 0;
    int32_t mixed[kRound];
    uint64_t i = loop.done;
    for (; i + kRound <= loop.elements; i += kRound) {
        bool one_level = true;
        if (i + kRound > row_end && loop.levels != nullptr) {
            const uint64_t row = i / loop.row_length;
            row_end = (row + 1) * loop.row_length;
            level = V::set(static_cast<uint32_t>(static_cast<int32_t>(loop.levels[row])));
            if (i + kRound > row_end) {
                one_level = false;
                fill_levels(loop.levels, loop.row_length, i, kRound, mixed);
            }
        }
        uint64_t at_least[9] = {};  // elements whose context reaches the class's start
        for (int v = 0; v < kVectors; ++v) {
            const uint64_t at = i + static_cast<uint64_t>(v) * V::lanes;
            V::reg context = V::zero();
            if (loop.by_exponent) {
                const V::reg bits = V::template load_elements<Bytes>(loop.base + at * Bytes);
                context = E::context(bits, one_level ? level : V::load(mixed + v * kVectorLanes));
            }
            for (unsigned k = 0; k < loop.classes; ++k) {
                const V::mask reached =
                    V::above(context, V::set(static_cast<uint32_t>(loop.class_starts[k]) - 1));
                at_least[k] |= V::bits(reached) << (v * kVectorLanes);
            }
        }
        for (unsigned k = 0; k < loop.classes; ++k) {
            uint64_t members = at_least[k] & ~at_least[k + 1];
            uint64_t count = static_cast<uint64_t>(__builtin_popcountll(members));
            while (loop.countdown[k] < count) {
                const uint64_t rank = loop.countdown[k];
                const uint64_t place = _pdep_u64(uint64_t{1} << rank, members);
                const unsigned bit = static_cast<unsigned>(__builtin_ctzll(place));
                const uint64_t n = loop.next[k]++;
                loop.positions[k][n] = static_cast<uint32_t>(i + bit);
                members &= ~(place | (place - 1));
                count -= rank + 1;
                loop.countdown[k] = n + 1 < loop.counts[k] ? loop.gaps[k][n + 1] : ~uint64_t{0};
            }
            if (loop.countdown[k] != ~uint64_t{0}) loop.countdown[k] -= count;
        }
    }
    loop.done = i;
}

// Contexts and exact tokens; see SymbolLoop.
template <unsigned Bytes, unsigned Mantissa, bool WithEdges>
void symbol_rounds(SymbolLoop& loop) {
    constexpr int kVectors = static_cast<int>(kRound / V::lanes);
    using E = Elements<Bytes, Mantissa>;
    V::reg level = V::set(static_cast<uint32_t>(loop.by_exponent ? loop.level : 0));
    uint64_t row_end = loop.levels == nullptr ? loop.elements : 0;
    int32_t mixed[kRound];
    uint64_t listed = loop.listed_count;
    const V::Table32 known_tokens(loop.present);
    uint64_t i = loop.done;
    for (; i + kRound <= loop.elements; i += kRound) {
        bool one_level = true;
        if (i + kRound > row_end && loop.levels != nullptr) {
            const uint64_t row = i / loop.row_length;
            row_end = (row + 1) * loop.row_length;
            level = V::set(static_cast<uint32_t>(static_cast<int32_t>(loop.levels[row])));
            if (i + kRound > row_end) {
                one_level = false;
                fill_levels(loop.levels, loop.row_length, i, kRound, mixed);
            }
        }
        for (int v = 0; v < kVectors; ++v) {
            const uint64_t at = i + static_cast<uint64_t>(v) * V::lanes;
            const V::reg from = V::template load_elements<Bytes>(loop.base + at * Bytes);
            const V::reg to = V::template load_elements<Bytes>(loop.target + at * Bytes);
            V::reg context = V::zero();
            const V::reg own = one_level ? level : V::load(mixed + v * kVectorLanes);
            if constexpr (WithEdges)
                context = E::edge_context(from, own, loop.edges + at);
            else if (loop.by_exponent)
                context = E::context(from, own, loop.last_context);
            const V::reg zigzag = E::zigzag(from, to);
            const V::reg present =
                loop.present == nullptr ? V::set((1u << kFirstBucket) - 1) : known_tokens.at(context);
            const V::reg known = V::bit_and(V::shift_right_each(present, zigzag), V::set(1));
            // Shifts of 32 and more give zero: large tokens are never known.
            const uint64_t odd = V::bits(V::above(V::set(1), known));
            const V::reg token = V::keep(V::above(known, V::zero()), zigzag);
            V::template store_elements<2>(reinterpret_cast<uint8_t*>(loop.symbols + at),
                                          V::add(V::template shift_left<8>(context), token));
            for (uint64_t left = odd; left != 0; left &= left - 1)
                loop.listed[listed++] =
                    static_cast<uint32_t>(at + static_cast<unsigned>(__builtin_ctzll(left)));
        }
    }
    loop.listed_count = listed;
    loop.done = i;
}

template <unsigned Bytes, unsigned Mantissa>
void symbol_loop(SymbolLoop& loop) {
    if (loop.edges != nullptr)
        symbol_rounds<Bytes, Mantissa, true>(loop);
    else
        symbol_rounds<Bytes, Mantissa, false>(loop);
}

template <unsigned Round>
DenseFunction dense_of(Type type) {
    switch (type) {
        case Type::bf16: return dense_loop<2, 7, Round>;
        case Type::f16: return dense_loop<2, 10, Round>;
        case Type::f32: return dense_loop<4, 23, Round>;
        case Type::f8_e4m3: return dense_loop<1, 3, Round>;
        case Type::f8_e5m2: return dense_loop<1, 2, Round>;
        case Type::i8: case Type::u8: case Type::boolean: case Type::bytes:
            return dense_loop<1, 0, Round>;
        case Type::i16: case Type::u16: return dense_loop<2, 0, Round>;
        case Type::i32: case Type::u32: return dense_loop<4, 0, Round>;
        default: return nullptr;  // 64 bits: scalar
    }
}

DenseFunction dense(Type type, unsigned lanes) {
    return lanes == 64 ? dense_of<64>(type) : lanes == 16 ? dense_of<16>(type) : nullptr;
}

SparseFunction sparse(Type type) {
    switch (type) {
        case Type::bf16: return sparse_loop<2, 7>;
        case Type::f16: return sparse_loop<2, 10>;
        case Type::f32: return sparse_loop<4, 23>;
        case Type::f8_e4m3: return sparse_loop<1, 3>;
        case Type::f8_e5m2: return sparse_loop<1, 2>;
        case Type::i8: case Type::u8: case Type::boolean: case Type::bytes:
            return sparse_loop<1, 0>;
        case Type::i16: case Type::u16: return sparse_loop<2, 0>;
        case Type::i32: case Type::u32: return sparse_loop<4, 0>;
        default: return nullptr;
    }
}

SymbolFunction symbols(Type type) {
    switch (type) {
        case Type::bf16: return symbol_loop<2, 7>;
        case Type::f16: return symbol_loop<2, 10>;
        case Type::f32: return symbol_loop<4, 23>;
        case Type::f8_e4m3: return symbol_loop<1, 3>;
        case Type::f8_e5m2: return symbol_loop<1, 2>;
        case Type::i8: case Type::u8: case Type::boolean: case Type::bytes:
            return symbol_loop<1, 0>;
        case Type::i16: case Type::u16: return symbol_loop<2, 0>;
        case Type::i32: case Type::u32: return symbol_loop<4, 0>;
        default: return nullptr;
    }
}
