// Element types, the order of their bit patterns, and the residual between two of them.
//
// A floating-point pattern is sign and magnitude. `ordered` maps it to a two's
// complement integer that grows with the value, so that a difference of ordered
// integers counts ULPs. It is an involution on the bit patterns: every pattern,
// NaN payloads and negative zero included, comes back (spec/patch-v1.md, Residual).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <type_traits>

namespace sapwood {

// Bad or hostile input. Outputs are unspecified, but nothing outside them was touched.
struct CorruptPayload : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The codes are those of the patch format.
enum class Type : uint8_t {
    bf16, f16, f32, f64, f8_e4m3, f8_e5m2, i8, i16, i32, i64, u8, u16, u32, u64, boolean, bytes
};

// Uint: the element's bits. Mantissa: explicit mantissa bits; 0 marks an integer.
template <class Uint, unsigned Mantissa>
struct Element {
    using uint = Uint;
    using sint = std::make_signed_t<Uint>;
    static constexpr unsigned width = 8 * sizeof(Uint);  // bits
    static constexpr unsigned mantissa = Mantissa;
    static constexpr bool is_float = Mantissa != 0;
    static constexpr uint magnitude_mask = static_cast<uint>(static_cast<uint>(~uint{0}) >> 1);

    static uint load(const uint8_t* at, size_t index) {
        uint value;
        std::memcpy(&value, at + index * sizeof(uint), sizeof value);
        return value;
    }
    static void store(uint8_t* at, size_t index, uint value) {
        std::memcpy(at + index * sizeof(uint), &value, sizeof value);
    }
    static constexpr uint ordered(uint bits) {
        if constexpr (!is_float) return bits;
        const uint negative = static_cast<uint>(-static_cast<uint>(bits >> (width - 1)));
        return static_cast<uint>(bits ^ (negative & magnitude_mask));
    }
    static constexpr bool negative(uint bits) { return is_float && (bits >> (width - 1)) != 0; }

    // The exponent field; 0 for integers, whose unit does not depend on the value.
    static constexpr int exponent(uint bits) {
        if constexpr (!is_float) return 0;
        return static_cast<int>((bits & magnitude_mask) >> mantissa);
    }
    // ULPs from base to target, positive away from zero, modulo 2^width.
    static constexpr sint residual(uint base, uint target) {
        const uint step = static_cast<uint>(ordered(target) - ordered(base));
        return static_cast<sint>(negative(base) ? static_cast<uint>(uint{0} - step) : step);
    }
    static constexpr uint apply(uint base, sint residual) {
        const uint step = static_cast<uint>(residual);
        const uint to = static_cast<uint>(
            negative(base) ? static_cast<uint>(ordered(base) - step)
                           : static_cast<uint>(ordered(base) + step));
        return ordered(to);  // an involution
    }
};

// Calls `f` with the Element of `type`.
template <class F>
decltype(auto) with_element(Type type, F&& f) {
    switch (type) {
        case Type::bf16: return f(Element<uint16_t, 7>{});
        case Type::f16: return f(Element<uint16_t, 10>{});
        case Type::f32: return f(Element<uint32_t, 23>{});
        case Type::f64: return f(Element<uint64_t, 52>{});
        case Type::f8_e4m3: return f(Element<uint8_t, 3>{});
        case Type::f8_e5m2: return f(Element<uint8_t, 2>{});
        case Type::i8: case Type::u8: case Type::boolean: case Type::bytes:
            return f(Element<uint8_t, 0>{});
        case Type::i16: case Type::u16: return f(Element<uint16_t, 0>{});
        case Type::i32: case Type::u32: return f(Element<uint32_t, 0>{});
        case Type::i64: case Type::u64: return f(Element<uint64_t, 0>{});
    }
    throw CorruptPayload("unknown element type");
}

}  // namespace sapwood
