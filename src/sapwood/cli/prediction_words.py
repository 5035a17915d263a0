"""What segments are predicted from, in words and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sapwood.cli.reports import count, human_size
from sapwood.patch.format.front import (
    BaseRange,
    BlendEntry,
    CastEntry,
    FactorsEntry,
    GivenFactors,
    Prediction,
    QuantiseEntry,
    Segment,
    Term,
)


def prediction_facts(prediction: Prediction | None) -> dict[str, Any] | None:
    """A prediction as JSON values.

    `rank` is 0 and `matrices` null without a low-rank update; `rounding` is null where a base
    is the prediction as it is, or in another type: `from`. Bases are counted from 0.
    """
    if prediction is None:
        return None
    if isinstance(prediction, BaseRange):
        terms = [{"base": prediction.base, "coefficient": 1.0}]
        return {"kind": "base", "terms": terms, "rounding": None, **factors_facts(None)}
    if isinstance(prediction, CastEntry | QuantiseEntry):
        terms = [{"base": prediction.base, "coefficient": 1.0}]
        kind = {"kind": "cast"}
        if isinstance(prediction, QuantiseEntry):
            kind = {"kind": "quantise", "type": prediction.block}
        of = {"from": prediction.source.label}
        return {**kind, "terms": terms, "rounding": None, **of, **factors_facts(None)}
    terms = [{"base": one.base, "coefficient": one.coefficient} for one in prediction.terms]
    rounding = "each" if prediction.each else "once"
    return {
        "kind": "blend",
        "terms": terms,
        "rounding": rounding,
        **factors_facts(prediction.factors),
    }


def factors_facts(factors: FactorsEntry | GivenFactors | None) -> dict[str, Any]:
    """A low-rank update: its rank, the matrices that the tensor is, and its bytes in the patch.

    Of an adapter among the bases also which of them it is, and what it is multiplied with.
    """
    if factors is None:
        return {"rank": 0, "matrices": None, "factor_bytes": 0}
    if isinstance(factors, GivenFactors):
        return {
            "rank": factors.rank,
            "matrices": [1, factors.rows, factors.columns],
            "factor_bytes": 0,
            "adapter": {"base": factors.left.base, "coefficient": factors.coefficient},
        }
    shape = [factors.matrices, factors.rows, factors.columns]
    return {"rank": factors.rank, "matrices": shape, "factor_bytes": factors.size}


def prediction_words(prediction: Prediction | None, bases: int) -> Iterator[str]:
    """A prediction for people, as '0.3 x base 1 + 0.7 x base 2' and 'rank 16'.

    Args:
        prediction: of a segment.
        bases: of the patch. Of a single one nothing is said.
    """
    if isinstance(prediction, BaseRange):
        if bases > 1:
            yield f"base {prediction.base + 1}"
    elif isinstance(prediction, CastEntry | QuantiseEntry):
        base = f" of base {prediction.base + 1}" if bases > 1 else ""
        if isinstance(prediction, CastEntry):
            yield f"cast from {prediction.source.label}{base}"
        else:
            yield f"requantised to {prediction.block} from {prediction.source.label}{base}"
    elif prediction is not None:
        if bases > 1 or not is_plain(prediction.terms):
            yield sum_text(prediction.terms)
        if prediction.factors is not None:
            yield rank_text(prediction.factors)
        if prediction.each:
            yield "each step rounded"


def is_plain(terms: Sequence[Term]) -> bool:
    """Whether a sum is a base as it is."""
    return len(terms) == 1 and terms[0].coefficient == 1


def sum_text(terms: Sequence[Term]) -> str:
    """A sum of bases; those are counted from 1."""
    text = "" if terms else "no base"
    for term in terms:
        size = abs(term.coefficient)
        base = f"base {term.base + 1}" if size == 1 else f"{size:.4g} x base {term.base + 1}"
        if text:
            text += f" - {base}" if term.coefficient < 0 else f" + {base}"
        else:
            text = f"-{base}" if term.coefficient < 0 else base
    return text


def rank_text(factors: FactorsEntry | GivenFactors) -> str:
    """A low-rank update."""
    if isinstance(factors, GivenFactors):
        return f"adapter r={factors.rank} of base {factors.left.base + 1} merged"
    return f"rank {factors.rank}" + (
        f" in each of {factors.matrices} matrices" if factors.matrices > 1 else ""
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
    sums = sum(1 for blend in blends if not is_plain(blend.terms))
    if sums:
        yield f"sums of bases in {count(sums, 'tensor')}"
    casts = sum(1 for s in segments if isinstance(s.prediction, CastEntry))
    if casts:
        yield f"casts of {count(casts, 'tensor')}"
    blocks = sum(1 for s in segments if isinstance(s.prediction, QuantiseEntry))
    if blocks:
        yield f"{count(blocks, 'tensor')} requantised"
