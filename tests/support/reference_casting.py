"""Casts as spec/patch-v1.md defines them, one element at a time, in exact fractions."""

from __future__ import annotations

from fractions import Fraction

from sapwood.tensors import DType

FIELDS = {DType.BF16: (8, 7), DType.F16: (5, 10), DType.F32: (8, 23), DType.F64: (11, 52)}


def number(dtype: DType, word: int) -> Fraction | None:
    """What a word stands for, without its sign; None for infinities and what is no number."""
    exponent_bits, mantissa_bits = FIELDS[dtype]
    mantissa = word & ((1 << mantissa_bits) - 1)
    field = word >> mantissa_bits & ((1 << exponent_bits) - 1)
    if field == (1 << exponent_bits) - 1:
        return None
    bias = (1 << exponent_bits - 1) - 1
    whole = mantissa + (0 if field == 0 else 1 << mantissa_bits)
    return whole * Fraction(2) ** (max(field, 1) - bias - mantissa_bits)


def word_near(dtype: DType, value: Fraction) -> int:
    """The word of the nearest number that is not negative; of two, the even one."""
    exponent_bits, mantissa_bits = FIELDS[dtype]
    bias = (1 << exponent_bits - 1) - 1
    if value == 0:
        return 0
    power = value.numerator.bit_length() - value.denominator.bit_length()
    power -= Fraction(2) ** power > value  # 2^power <= value < 2^(power + 1)
    field = max(power + bias, 1)
    unit = Fraction(2) ** (field - bias - mantissa_bits)
    steps = round(value / unit)  # Python rounds fractions to the nearest, ties to even
    word = (field - 1 << mantissa_bits) + steps
    infinity = (1 << exponent_bits) - 1 << mantissa_bits
    return min(word, infinity)


def cast_word(source: DType, target: DType, word: int) -> int:
    """The word of the other type."""
    exponent_bits, mantissa_bits = FIELDS[target]
    infinity = (1 << exponent_bits) - 1 << mantissa_bits
    sign = word >> (8 * source.size - 1)
    value = number(source, word)
    if value is not None:
        return sign << (8 * target.size - 1) | word_near(target, value)
    if word & ((1 << FIELDS[source][1]) - 1):
        return infinity | 1 << mantissa_bits - 1
    return sign << (8 * target.size - 1) | infinity
