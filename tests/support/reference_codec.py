"""Decoders of the codings residual, value and sparse as spec/patch-v1.md defines them.

Written from the format alone, to compare the kernel with: one symbol is decoded at a
time, in plain Python. What a decoder must refuse raises Damaged.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from support.reference_elements import ESCAPE, Bin, Element, gap_bins, residual_bins
from support.reference_tables import (
    RESIDUAL,
    SCALE,
    SPARSE,
    STILL_ROW,
    VALUE,
    Bits,
    Fields,
    Tables,
    parse_tables,
    refuse,
)

NONE, ONE, ROW, EDGE = range(4)  # contexts
STILL = -32768  # the level of a row in which nothing changes
STILL_STEP = 1 << 31  # after an escape: the same, where the tables lack token 254
MAX_LEVEL = 8191
ROW_CONTEXT = 32
LOWEST_STATE = 1 << 16
LANES = (1, 4, 16, 64)


class Reader:
    """A payload: its fields, then its symbols and raw bits one by one."""

    def __init__(
        self,
        payload: bytes,
        coding: int,
        elements: int,
        row_length: int,
        shared: Sequence[Tables],
        edges: Sequence[int] | None = None,
    ) -> None:
        fields = Fields(payload)
        flags = fields.byte()
        if flags >> 3 > 3:
            refuse("unknown flags")
        self.context = flags & 3
        if self.context == EDGE and (coding != RESIDUAL or edges is None):
            refuse("a context of edges where there are none")
        self.edges = edges
        self.level = 0 if self.context == NONE else fields.signed(2)
        if abs(self.level) > MAX_LEVEL and (self.level, self.context) != (STILL, ONE):
            refuse("a level out of range")
        number = fields.varint()
        if flags & 4:
            self.tables = parse_tables(fields.take(number))
        elif number < len(shared):
            self.tables = shared[number]
        else:
            refuse("no such tables")
        if self.tables.coding != coding:
            refuse("tables of another coding")
        self.counts = [fields.varint() for _ in self.tables.class_starts]
        if sum(self.counts) > elements:
            refuse("more changes than elements")
        words, raw = fields.varint(), fields.varint()
        lanes = LANES[flags >> 3]
        self.states = [int.from_bytes(fields.take(4), "little") for _ in range(lanes)]
        if min(self.states) < LOWEST_STATE:
            refuse("a state out of range")
        self.words = Fields(fields.take(2 * words))
        self.bits = Bits(fields.take(raw))
        if fields.data:
            refuse("bytes left over")
        self.position = 0
        self.row_length = row_length
        rows = -(-elements // row_length) if self.context in (ROW, EDGE) else 0
        self.levels = list(self.read_levels(rows))
        self.position += -self.position % lanes

    def token(self, context: int) -> int:
        lane = self.position % len(self.states)
        self.position += 1
        state = self.states[lane]
        slot = state % SCALE
        starts = self.tables.starts[context]
        token = bisect_right(starts, slot) - 1
        state = state // SCALE * self.tables.shares[context][token] + slot - starts[token]
        if state < LOWEST_STATE:
            state = state << 16 | int.from_bytes(self.words.take(2), "little")
        self.states[lane] = state
        return token

    def integer(self, token: int, bins: list[Bin], width: int) -> int:
        """What a token and its raw bits say; after an escape, in [0, 2^width)."""
        if token == ESCAPE:
            return self.bits.take(width)
        if token >= len(bins):
            refuse("an unknown token")
        return bins[token].value(self.bits.take(bins[token].bits))

    def read_levels(self, rows: int) -> Iterator[int]:
        level = self.level
        for _ in range(rows):
            token = self.token(ROW_CONTEXT)
            if token == STILL_ROW:
                yield STILL
                continue
            step = self.integer(token, residual_bins(32), 32)
            if step == STILL_STEP:
                yield STILL
                continue
            level += step - (1 << 32) if step > STILL_STEP else step
            if abs(level) > MAX_LEVEL:
                refuse("a level out of range")
            yield level

    def context_of(self, index: int, exponent: int) -> int:
        if self.context == NONE:
            return 0
        level = self.levels[index // self.row_length] if self.levels else self.level
        if self.context == EDGE and self.edges is not None:
            return edge_context(level, exponent, self.edges[index])
        return element_context(level, exponent)

    def finish(self) -> None:
        if self.words.data or set(self.states) != {LOWEST_STATE}:
            refuse("words left over, or a lane that does not end where it began")
        self.bits.finish()


def element_context(level: int, exponent: int) -> int:
    return min(max(level - 2 * exponent, 0), 31)


def edge_context(level: int, exponent: int, edge: int) -> int:
    size = level - 2 * exponent
    nearness, side = divmod(edge, 2)
    kind = 8 + min(size // 2, 7) if size >= 0 else min(max(size + nearness + 2, 0), 7)
    return 2 * kind + side


def decode_residual(
    element: Element,
    payload: bytes,
    base: Sequence[int],
    row_length: int,
    shared: Sequence[Tables],
    edges: Sequence[int] | None = None,
) -> list[int]:
    reader = Reader(payload, RESIDUAL, len(base), row_length, shared, edges)
    bins = residual_bins(element.width)
    specials = dict(reader.tables.specials)
    if min(specials, default=ESCAPE) < len(bins):
        refuse("a special value in place of a bin")
    out = []
    for i, word in enumerate(base):
        token = reader.token(reader.context_of(i, element.exponent(word)))
        special = specials.get(token)
        residual = reader.integer(token, bins, element.width) if special is None else special
        out.append(element.moved(word, residual))
    reader.finish()
    return out


def decode_value(
    element: Element, payload: bytes, elements: int, shared: Sequence[Tables]
) -> list[int]:
    reader = Reader(payload, VALUE, elements, max(elements, 1), shared)
    if reader.context != NONE or not element.mantissa:
        refuse("values have no context, integers no exponent")
    out = []
    for _ in range(elements):
        token = reader.token(0)
        if token == ESCAPE:
            out.append(reader.bits.take(element.width))
            continue
        exponent = reader.tables.first_exponent + token
        if exponent >> (element.width - 1 - element.mantissa):
            refuse("an exponent out of range")
        mantissa = reader.bits.take(element.mantissa)
        sign = reader.bits.take(1)
        out.append(sign * element.sign | exponent << element.mantissa | mantissa)
    reader.finish()
    return out


def decode_sparse(
    element: Element, payload: bytes, base: Sequence[int], row_length: int, shared: Sequence[Tables]
) -> list[int]:
    reader = Reader(payload, SPARSE, len(base), row_length, shared)
    members: list[list[int]] = [[] for _ in reader.counts]
    for i, word in enumerate(base):
        k = reader.tables.class_of(reader.context_of(i, element.exponent(word)))
        if k is not None:
            members[k].append(i)
    places: list[list[int]] = []
    for k, count in enumerate(reader.counts):
        # A gap of 0 is the next member of the class.
        gaps = [reader.integer(reader.token(k), gap_bins(), 32) for _ in range(count)]
        ranks = [total + i for i, total in enumerate(itertools.accumulate(gaps))]
        if ranks and ranks[-1] >= len(members[k]):
            refuse("changes past the end")
        places.append([members[k][rank] for rank in ranks])
    out = list(base)
    bins = residual_bins(element.width)
    for k, own in enumerate(places):
        for i in own:
            token = reader.token(8 + k)
            if token == 0:
                refuse("a change by nothing")
            out[i] = element.moved(base[i], reader.integer(token, bins, element.width))
    reader.finish()
    return out
