"""Which tensors of a patch have an update that an adapter can hold, and why the others have not."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from sapwood.errors import InputError
from sapwood.patch.format.front import Segment
from sapwood.patch.format.predictions import BlendEntry, FactorsEntry, GivenFactors, Term

AMBIGUOUS = "several tensors have its name"
SUFFIX = ".weight"  # of the tensor that a module's adapter updates
MODULE_NAME = re.compile(r"[\w.-]+")  # PEFT takes names in its patterns as regular expressions


@dataclasses.dataclass(frozen=True, slots=True)
class LowRankUpdate:
    """A tensor that is predicted by a base as it is and the low-rank update of one matrix.

    Attributes:
        segment: the segment of the tensor.
        term: the base and where in it the tensor is predicted from.
        each: whether the update is rounded before it is added.
        factors: the factors of the update, whose rows are the tensor's first dimension.
    """

    segment: Segment
    term: Term
    each: bool
    factors: FactorsEntry

    @property
    def module(self) -> str:
        """The module whose weight the tensor is."""
        return self.segment.name.removesuffix(SUFFIX)


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """What makes an adapter.

    Attributes:
        updates: updates of one base, in the order of the target, at least one.
        left_out: names of changed tensors that are not among them, with the reason.
        base: the number of that base, from 0.
    """

    updates: tuple[LowRankUpdate, ...]
    left_out: Mapping[str, str]
    base: int


def selected(segments: Sequence[Segment]) -> Selection:
    """The updates that one adapter can hold: those of the base that most of them are of.

    Raises:
        InputError: there are none.
    """
    found: list[LowRankUpdate] = []
    left_out: dict[str, str] = {}
    names = Counter(segment.name for segment in segments)
    for segment in segments:
        if segment.name and not segment.unchanged:
            update = _update_of(segment) if names[segment.name] == 1 else AMBIGUOUS
            if isinstance(update, str):
                left_out[segment.name] = update
            else:
                found.append(update)
    if not found:
        raise _no_adapter(left_out)
    ((base, _),) = Counter(one.term.base for one in found).most_common(1)
    for one in found:
        if one.term.base != base:
            left_out[one.segment.name] = f"updates base {one.term.base + 1}, not base {base + 1}"
    return Selection(tuple(one for one in found if one.term.base == base), left_out, base)


def _update_of(segment: Segment) -> LowRankUpdate | str:
    """The update of a changed tensor, or why an adapter cannot hold it."""
    match segment.prediction:
        case None:
            return "nothing in the base predicts it"
        case BlendEntry(_, _, GivenFactors(left)):
            return f"merged from an adapter that there is already, base {left.base + 1}"
        case BlendEntry((term,), each, FactorsEntry() as factors) if term.coefficient == 1:
            return _misfit(segment, factors) or LowRankUpdate(segment, term, each, factors)
        case BlendEntry(_, _, factors):
            return "predicted by a sum of bases" + (
                "" if factors is None else f" and an update of rank {factors.rank}"
            )
        case _:
            return "changed, but not by a low-rank update"


def _misfit(segment: Segment, factors: FactorsEntry) -> str | None:
    """Why factors are not those of a module's weight, or None."""
    if factors.matrices != 1:
        return f"an update of {factors.matrices} matrices in one tensor"
    if len(segment.shape) < 2 or factors.rows != segment.shape[0]:
        return "an update of a matrix that is not the tensor's"
    if not segment.name.endswith(SUFFIX) or segment.name == SUFFIX:
        return f"its name does not end in {SUFFIX}, as that of a module's weight does"
    if not MODULE_NAME.fullmatch(segment.name):
        return "its name is none that a module's weight can have"
    return None


def _no_adapter(reasons: dict[str, str]) -> InputError:
    """What to say of a patch without a low-rank update that an adapter could hold."""
    if not reasons:
        return InputError("no adapter in this patch: no tensor has changed in it")
    name, reason = next(iter(reasons.items()))
    return InputError(
        "no adapter in this patch: expected a base plus a low-rank update, found none among "
        f"{len(reasons)} changed tensors ({name}: {reason}); 'sapwood inspect' shows them"
    )
