"""What segments are predicted from, in words and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sapwood.cli.reports import count, human_size
from sapwood.patch import (
    BlendEntry,
    CastEntry,
    FactorsEntry,
    GivenFactors,
    QuantiseEntry,
    Segment,
)


def findings(segments: Sequence[Segment]) -> Iterator[str]:
    """What was found in all tensors together, beyond bases as they are."""
    blends = [s.prediction for s in segments if isinstance(s.prediction, BlendEntry)]
    updates = [blend.factors for blend in blends if isinstance(blend.factors, FactorsEntry)]
    if updates:
        ranks = sorted({one.rank for one in updates})
        rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
        size = human_size(sum(one.size for one in updates))
        yield f"low-rank updates in {count(len(updates), 'tensor')}, {rank}, {size}"
    merged = sum(1 for blend in blends if isinstance(blend.factors, GivenFactors))
    if merged:
        yield f"an adapter merged into {count(merged, 'tensor')}"
    sums = sum(1 for blend in blends if not blend.is_plain)
    if sums:
        yield f"sums of bases in {count(sums, 'tensor')}"
    casts = sum(1 for s in segments if isinstance(s.prediction, CastEntry))
    if casts:
        yield f"casts of {count(casts, 'tensor')}"
    blocks = sum(1 for s in segments if isinstance(s.prediction, QuantiseEntry))
    if blocks:
        yield f"{count(blocks, 'tensor')} requantised"
