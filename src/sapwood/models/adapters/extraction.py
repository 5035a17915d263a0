"""Writes the low-rank updates that a patch holds as a PEFT adapter, and tells what it leaves.

An adapter knows a module by the name of its weight without `.weight`, and takes it for a
linear layer or, where it has more than two dimensions, a convolution: files do not tell more.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from sapwood.content.content import Content
from sapwood.errors import InputError
from sapwood.files.folders import atomic_folder
from sapwood.files.sources import Source
from sapwood.models.adapters.errors import Remainder, remainders
from sapwood.models.adapters.files import MODEL, LoraModule, lora_module, write_adapter
from sapwood.models.adapters.selection import LowRankUpdate, selected
from sapwood.models.applying.bases import matched_sources
from sapwood.models.receiving.opening import Received, receive
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.patch.applying.predictors import unpacked_factors
from sapwood.tensors import DType

ZEROS = "its update is all zeros"
ADAPTER_TYPES = {"f32": DType.F32, "f16": DType.F16, "bf16": DType.BF16}


@dataclasses.dataclass(frozen=True, slots=True)
class AdapterModule:
    """A module of an adapter.

    Attributes:
        name: the name of the module.
        rank: the rank of its update.
        shape: the shape of its weight.
        remainder: what base plus update leaves of the target; None without a base.
    """

    name: str
    rank: int
    shape: tuple[int, ...]
    remainder: Remainder | None

    def to_json(self) -> dict[str, Any]:
        """The module as JSON values; what is not known without a base is None."""
        own = {"name": self.name, "rank": self.rank, "shape": list(self.shape)}
        return {**own, **_remainder(self.remainder)}


@dataclasses.dataclass(frozen=True, slots=True)
class AdapterReport:
    """What extracting an adapter came to.

    Attributes:
        modules: the modules that it updates.
        left_out: names of changed tensors that it does not lead to, each with the reason.
        base: the number of the base that it belongs to, from 0.
        size: bytes of the file of the factors.
    """

    modules: tuple[AdapterModule, ...]
    left_out: tuple[tuple[str, str], ...]
    base: int
    size: int

    @property
    def remainder(self) -> Remainder | None:
        """Of all modules together; None without a base."""
        found = [one.remainder for one in self.modules if one.remainder is not None]
        return sum(found, Remainder()) if found else None

    def to_json(self) -> dict[str, Any]:
        """What was written and what it leaves, as JSON values; bases are counted from 0."""
        return {
            "adapter_size": self.size,
            "base_number": self.base,
            "modules": [one.to_json() for one in self.modules],
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
            **_remainder(self.remainder),
        }


def _remainder(found: Remainder | None) -> dict[str, Any]:
    """What is left as JSON values, each None where it is not known."""
    return dict.fromkeys(Remainder().to_json()) if found is None else found.to_json()


def extract_adapter(
    patch: Source | Received,
    output: str | os.PathLike[str],
    *,
    base: Source | Sequence[Source] | None = None,
    dtype: str = "f32",
    signature: Source | Sequence[Source] | None = None,
    receiving: Receiving = ANYBODY,
) -> AdapterReport:
    """Writes the low-rank updates of a patch as a PEFT adapter.

    The adapter is for tensors that the patch predicts by a base as it is and the update of
    one matrix. What the prediction leaves, the residual, is not in it: base plus adapter is
    near the target. Applying the patch gives the target itself.

    Args:
        patch: a patch of model files, as of `apply_patch`.
        output: the folder; nothing is there yet, or it is empty. It appears whole or not
            at all.
        base: as of `apply_patch`; then the report tells what the adapter leaves, merged with
            the steps rounded as the patch found them. A program that rounds otherwise when
            it merges leaves somewhat more.
        dtype: the type of the adapter's elements: "f32", in which nothing is rounded as a rule,
            "f16" or "bf16".
        signature: as of `apply_patch`.
        receiving: as of `apply_patch`, without a bound of memory; its progress is told how many
            bytes of the target were compared.

    Raises:
        InputError: the patch holds no update of the kind, or one that the dtype cannot
            hold; something is at `output`; another argument is out of range.
        SignatureError: the patch is not signed as demanded.
        SourceHashMismatch: the patch was made from another base.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: as `apply_patch`.
        IoError: a file cannot be read or written.
        After any of these the folder is as it was.
    """
    if dtype not in ADAPTER_TYPES:
        raise InputError(f"expected the dtype {', '.join(ADAPTER_TYPES)}, found {dtype!r}")
    kind = ADAPTER_TYPES[dtype]
    receiving.unbounded("extracting an adapter")
    count = receiving.most_threads
    with receive(patch, receiving, signature=signature) as received:
        opened = received.opened
    selection = selected(opened.front.segments)
    bases = None if base is None else matched_sources(opened, base, count)

    def module_of(update: LowRankUpdate) -> LoraModule | None:
        return _written_module(update, opened.body, kind)

    with atomic_folder(output) as folder:
        modules = (one for one in map(module_of, selection.updates) if one is not None)
        ranks = write_adapter(folder, modules, kind)
        size = (folder / MODEL).stat().st_size
        updates = [one for one in selection.updates if one.module in ranks]
        left: Mapping[str, Remainder] = {}
        if bases is not None:
            left = remainders(opened, bases, updates, module_of, kind, count, receiving.progress)
    zeros = {one.segment.name: ZEROS for one in selection.updates if one.module not in ranks}
    return AdapterReport(
        tuple(
            AdapterModule(one.module, ranks[one.module], one.segment.shape, left.get(one.module))
            for one in updates
        ),
        tuple({**selection.left_out, **zeros}.items()),
        selection.base,
        size,
    )


def _written_module(update: LowRankUpdate, body: Content, dtype: DType) -> LoraModule | None:
    """An update as it is written; None where it is all zeros.

    Raises:
        InvalidPatch: the factors are damaged.
        InputError: numbers too large for the type.
    """
    segment = update.segment
    begin = segment.body_offset
    factors = unpacked_factors(update.factors, body[begin : begin + segment.factors_size])
    return lora_module(update.module, segment.shape, factors, dtype)
