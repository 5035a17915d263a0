"""Tables and the fields of payloads as spec/patch-v1.md defines them, slowly."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import NoReturn

from support.reference_elements import ESCAPE

RESIDUAL, VALUE, SPARSE = range(3)  # codings
STILL_ROW = 254
SCALE = 4096


class Damaged(Exception):
    """Bytes that no encoder writes."""


def refuse(why: str) -> NoReturn:
    raise Damaged(why)


@dataclasses.dataclass(frozen=True)
class Tables:
    """Frequencies by context and token, and what belongs to the coding that they serve."""

    coding: int
    frequencies: tuple[tuple[int, ...], ...]  # 33 of 256, in 4096ths; all 0 where unused
    specials: tuple[tuple[int, int], ...] = ()  # token, residual
    class_starts: tuple[int, ...] = ()
    first_exponent: int = 0

    @functools.cached_property
    def shares(self) -> list[tuple[int, ...]]:
        """Frequencies, with that of the escape in unused contexts."""
        return [f if any(f) else (0,) * ESCAPE + (SCALE,) for f in self.frequencies]

    @functools.cached_property
    def starts(self) -> list[list[int]]:
        """The first slot of each token, and 4096."""
        return [[0, *itertools.accumulate(f)] for f in self.shares]

    def class_of(self, context: int) -> int | None:
        """The class that a context belongs to; None where nothing may change."""
        found = [k for k, start in enumerate(self.class_starts) if start <= context]
        return found[-1] if found else None


class Bits:
    """Raw bits, least significant first."""

    def __init__(self, data: bytes) -> None:
        self.all = int.from_bytes(data, "little")
        self.left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self.left:
            refuse("raw bits past the end")
        value = self.all & ((1 << count) - 1)
        self.all >>= count
        self.left -= count
        return value

    def gamma(self) -> int:
        """Elias gamma: zeros, as many as bits follow the highest, which is 1."""
        zeros = 0
        while self.take(1) == 0:
            zeros += 1
            if zeros > 12:
                refuse("a number past 8191")
        return 1 << zeros | self.take(zeros)

    def finish(self) -> None:
        if self.left >= 8 or self.all:
            refuse("raw bits left over")


def packed(fields: Sequence[tuple[int, int]]) -> bytes:
    """The bytes of (value, bits) fields."""
    whole = count = 0
    for value, bits in fields:
        whole |= value << count
        count += bits
    return whole.to_bytes((count + 7) // 8, "little")


class Fields:
    """The fields of a payload before its streams."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        if count > len(self.data):
            refuse("cut off")
        head, self.data = self.data[:count], self.data[count:]
        return head

    def byte(self) -> int:
        return self.take(1)[0]

    def signed(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little", signed=True)

    def varint(self) -> int:
        """LEB128, in its shortest form, below 2^64."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
        if value >> 64 or (byte == 0 and shift):
            refuse("a number too long")
        return value


def varint(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def parse_context(bits: Bits) -> tuple[int, ...]:
    frequencies = [0] * 256
    if bits.take(1) == 0:
        return tuple(frequencies)
    token = 0
    while sum(frequencies) < SCALE:
        token += bits.gamma() - 1
        if token > ESCAPE:
            refuse("a token past 255")
        frequencies[token] = bits.gamma()
        token += 1
    if sum(frequencies) != SCALE or not frequencies[ESCAPE]:
        refuse("frequencies that do not fit")
    return tuple(frequencies)


def parse_tables(data: bytes) -> Tables:
    fields = Fields(data)
    coding = fields.byte()
    specials = tuple((fields.byte(), fields.signed(8)) for _ in range(fields.byte()))
    first_exponent = int.from_bytes(fields.take(2), "little")
    starts = tuple(fields.take(fields.byte()))
    bits = Bits(fields.data)
    frequencies = tuple(parse_context(bits) for _ in range(33))
    bits.finish()
    tokens = [token for token, _ in specials]
    if coding > SPARSE:
        refuse("an unknown coding")
    if tokens and (coding != RESIDUAL or tokens[-1] >= STILL_ROW):
        refuse("special tokens out of place")
    if any(b != a + 1 for a, b in itertools.pairwise(tokens)):
        refuse("special tokens with a hole")
    if first_exponent and coding != VALUE:
        refuse("a first exponent out of place")
    if (coding == SPARSE) != (len(starts) > 0) or len(starts) > 8:
        refuse("a wrong number of classes")
    if any(b <= a for a, b in itertools.pairwise(starts)) or max(starts, default=0) > 31:
        refuse("class starts out of order")
    return Tables(coding, frequencies, specials, starts, first_exponent)


def serialised_tables(tables: Tables) -> bytes:
    def gamma(value: int) -> list[tuple[int, int]]:
        low = value.bit_length() - 1
        return [(1 << low, low + 1), (value - (1 << low), low)]

    fields: list[tuple[int, int]] = []
    for frequencies in tables.frequencies:
        fields.append((int(any(frequencies)), 1))
        last = -1
        for token, frequency in enumerate(frequencies):
            if frequency:
                fields += gamma(token - last) + gamma(frequency)
                last = token
    specials = b"".join(
        bytes([token]) + value.to_bytes(8, "little", signed=True)
        for token, value in tables.specials
    )
    head = bytes([tables.coding, len(tables.specials)]) + specials
    head += tables.first_exponent.to_bytes(2, "little")
    return head + bytes([len(tables.class_starts), *tables.class_starts]) + packed(fields)
