"""Encoders of the codings residual, value and sparse as spec/patch-v1.md defines them.

What the format leaves open is the caller's: lanes, tables, levels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from support.reference_codec import (
    EDGE,
    LANES,
    LOWEST_STATE,
    NONE,
    ONE,
    ROW,
    ROW_CONTEXT,
    STILL,
    STILL_STEP,
    edge_context,
    element_context,
)
from support.reference_elements import ESCAPE, Bin, Element, gap_bins, residual_bins
from support.reference_tables import SCALE, STILL_ROW, Tables, packed, serialised_tables, varint


class Token(NamedTuple):
    token: int
    raw: int = 0
    bits: int = 0


def token_of(value: int, bins: list[Bin]) -> Token | None:
    """The bin that holds an integer, if one does."""
    for token, found in enumerate(bins):
        raw = value * found.sign - found.low
        if 0 <= raw < 1 << found.bits:
            return Token(token, raw, found.bits)
    return None


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the caller chooses: contexts with their levels, the tables and the lanes.

    Attributes:
        tables: of the coding.
        table: their id among the patch's, or None to carry them in the payload.
        lanes: 1, 4, 16 or 64.
        context: NONE, ONE, ROW or EDGE.
        levels: none, one or one a row.
        row_length: elements a row.
        edges: for EDGE, one an element.
    """

    tables: Tables
    table: int | None
    lanes: int
    context: int = NONE
    levels: Sequence[int] = ()
    row_length: int = 1
    edges: Sequence[int] = ()

    def context_of(self, index: int, exponent: int) -> int:
        if self.context == NONE:
            return 0
        row = index // self.row_length if self.context in (ROW, EDGE) else 0
        if self.context == EDGE:
            return edge_context(self.levels[row], exponent, self.edges[index])
        return element_context(self.levels[row], exponent)


class Writer:
    """A payload under construction."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.symbols: list[tuple[int, int] | None] = []  # context, token; None: a hole
        self.raw: list[tuple[int, int]] = []  # value, bits
        self.counts: list[int] = []  # sparse: changes by class
        self.level = layout.levels[0] if layout.context == ONE else 0
        if layout.context in (ROW, EDGE):
            self.put_levels(layout.levels)

    def put(self, context: int, token: Token | None, whole: int, width: int) -> None:
        """A symbol; the escape and `whole` where there is no token for it."""
        if token is None or not self.layout.tables.shares[context][token.token]:
            token = Token(ESCAPE, whole % (1 << width), width)
        self.symbols.append((context, token.token))
        self.raw.append((token.raw, token.bits))

    def put_levels(self, levels: Sequence[int]) -> None:
        last = self.level = next((level for level in levels if level != STILL), 0)
        for level in levels:
            if level == STILL:
                self.put(ROW_CONTEXT, Token(STILL_ROW), STILL_STEP, 32)
            else:
                self.put(ROW_CONTEXT, token_of(level - last, residual_bins(32)), level - last, 32)
                last = level
        self.symbols += [None] * (-len(self.symbols) % self.layout.lanes)

    def streams(self) -> tuple[list[int], list[int]]:
        """The states that decoding starts with and the words that it takes, in order."""
        tables, lanes = self.layout.tables, self.layout.lanes
        states = [LOWEST_STATE] * lanes
        words = []
        for position in reversed(range(len(self.symbols))):
            symbol = self.symbols[position]
            if symbol is None:
                continue
            context, token = symbol
            share, start = tables.shares[context][token], tables.starts[context][token]
            state = states[position % lanes]
            if state >= share << 20:
                words.append(state & 0xFFFF)
                state >>= 16
            states[position % lanes] = state // share * SCALE + state % share + start
        return states, words[::-1]

    def payload(self) -> bytes:
        layout = self.layout
        flags = layout.context | 4 * (layout.table is None) | LANES.index(layout.lanes) << 3
        out = bytes([flags])
        if layout.context != NONE:
            out += self.level.to_bytes(2, "little", signed=True)
        if layout.table is None:
            own = serialised_tables(layout.tables)
            out += varint(len(own)) + own
        else:
            out += varint(layout.table)
        states, words = self.streams()
        raw = packed(self.raw)
        out += b"".join(varint(count) for count in (*self.counts, len(words), len(raw)))
        out += b"".join(state.to_bytes(4, "little") for state in states)
        return out + b"".join(word.to_bytes(2, "little") for word in words) + raw


def written_residual(
    element: Element, base: Sequence[int], target: Sequence[int], layout: Layout
) -> Writer:
    writer = Writer(layout)
    bins = residual_bins(element.width)
    specials = {value: Token(token) for token, value in reversed(layout.tables.specials)}
    for i, (word, to) in enumerate(zip(base, target, strict=True)):
        residual = element.residual(word, to)
        small = abs(residual) < 8
        token = None if small else specials.get(residual)
        writer.put(
            layout.context_of(i, element.exponent(word)),
            token or token_of(residual, bins),
            residual,
            element.width,
        )
    return writer


def written_value(element: Element, target: Sequence[int], layout: Layout) -> Writer:
    writer = Writer(layout)
    for word in target:
        field = element.exponent(word) - layout.tables.first_exponent
        sign, mantissa = word // element.sign, word % (1 << element.mantissa)
        raw = sign << element.mantissa | mantissa
        fits = 0 <= field < ESCAPE
        token = Token(field, raw, element.mantissa + 1) if fits else None
        writer.put(0, token, word, element.width)
    return writer


def written_sparse(
    element: Element, base: Sequence[int], target: Sequence[int], layout: Layout
) -> Writer:
    classes = range(len(layout.tables.class_starts))
    members: list[list[int]] = [[] for _ in classes]
    for i, word in enumerate(base):
        k = layout.tables.class_of(layout.context_of(i, element.exponent(word)))
        if k is not None:
            members[k].append(i)
    changed = [[i for i in own if base[i] != target[i]] for own in members]
    writer = Writer(layout)
    writer.counts = [len(own) for own in changed]
    for k in classes:
        last = -1
        for rank, i in enumerate(members[k]):
            if base[i] != target[i]:
                gap = rank - last - 1
                writer.put(k, token_of(gap, gap_bins()), gap, 32)
                last = rank
    bins = residual_bins(element.width)
    for k in classes:
        for i in changed[k]:
            residual = element.residual(base[i], target[i])
            writer.put(8 + k, token_of(residual, bins), residual, element.width)
    return writer
