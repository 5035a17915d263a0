"""Tensors into which an adapter among the bases may have been merged, as PEFT lays it out.

A module's weight becomes W + c B A. Its c stands in no tensor: `adapter_config.json` beside the
adapter tells it, or the weights do, by least squares.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes, Content
from sapwood.documents.canonical_json import parse
from sapwood.documents.fields import Fields
from sapwood.errors import InputError
from sapwood.files.sources import Source
from sapwood.modelfile import ModelFile, TensorEntry
from sapwood.models.adapters.files import CONFIG, PREFIX
from sapwood.patch.applying.predictors import given_matrix
from sapwood.patch.format.predictions import (
    BLENDED,
    BaseRange,
    BlendEntry,
    GivenFactors,
    Matrix,
    Prediction,
    Term,
)
from sapwood.prediction.blend import values
from sapwood.prediction.factors import GREATEST_RANK
from sapwood.tensors import DType

WEIGHT = ".weight"  # at the end of the name of the tensor that a module's adapter updates
LINEAR = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(\.[^.]+)?\.weight", re.DOTALL)
EMBEDDING = re.compile(r"(?P<module>.+)\.lora_embedding_(?P<side>[AB])(\.[^.]+)?", re.DOTALL)
MOST_CONFIG = 1 << 20  # bytes
FITTED = 1 << 17  # elements that a coefficient is fitted to
MOST_FITTED_ROWS = 64
MOST_PARTS = 16  # of a name, at its end
LONGEST_NAME = 1024  # letters of a name whose ends are looked at
NEAR = 0.02  # how far, relatively, the fitted coefficient may lie from the one that was used

Doubles = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class AdaptedModule:
    """The update of a module: lora_A, of (rank, in) elements, and lora_B, of (out, rank)."""

    name: str
    a: TensorEntry
    b: TensorEntry

    @property
    def rank(self) -> int:
        """Rows of lora_A."""
        return self.a.spec.shape[0]


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """What the configuration beside an adapter says of its coefficients, which may be wrong.

    Attributes:
        alpha: `lora_alpha`, None where it does not say.
        alphas: those of modules of their own, by the ends of their names; of several that a name
            has, the longest counts.
        rooted: whether it is divided by the root of the rank, and not by the rank.
    """

    alpha: float | None = None
    alphas: Mapping[str, float] = dataclasses.field(default_factory=dict)
    rooted: bool = False


UNKNOWN = Config()


def adapter_config(source: Source) -> Config:
    """What stands in the configuration beside an adapter; UNKNOWN where it cannot be read.

    It is a hint: a wrong one makes a larger patch.
    """
    if not isinstance(source, str | os.PathLike):
        return UNKNOWN
    try:
        path = Path(os.fsdecode(source))
        beside = path / CONFIG if path.is_dir() else path.with_name(CONFIG)
        with beside.open("rb") as file:
            data = file.read(MOST_CONFIG)
        fields = Fields(parse(data, CONFIG, InputError), CONFIG, InputError)
        alphas = fields.optional_object("alpha_pattern", null=True)
        return Config(
            fields.optional_number("lora_alpha"),
            {} if alphas is None else alphas.every_number(),
            fields.flag("use_rslora"),
        )
    except (OSError, ValueError, InputError):  # ValueError: a path that no system takes
        return UNKNOWN


def _modules_of(tensors: Sequence[TensorEntry]) -> dict[str, AdaptedModule]:
    """The modules that a file is an adapter of, by name."""
    sides: dict[tuple[str, str], TensorEntry] = {}
    for entry in tensors:
        found = LINEAR.fullmatch(entry.name) or EMBEDDING.fullmatch(entry.name)
        shape = entry.spec.shape
        if found and entry.spec.dtype in BLENDED and len(shape) > 1 and entry.spec.elements:
            sides[found["module"].removeprefix(PREFIX), found["side"]] = entry
    return {
        name: AdaptedModule(name, a, sides[name, "B"])
        for (name, side), a in sides.items()
        if side == "A" and (name, "B") in sides and a.spec.shape[0] <= GREATEST_RANK
    }


def merges(
    bases: Sequence[tuple[Content, ModelFile]],
    configs: Sequence[Config],
    target: Content,
    tensors: Sequence[TensorEntry],
    places: Sequence[Sequence[BaseRange]],
) -> list[tuple[Prediction, ...]]:
    """For each target tensor, the sums of a base and an adapter that may be it.

    Args:
        bases: the bytes of each base, borrowed, and its layout; some are adapters.
        configs: the configuration of each base; UNKNOWN for what is no adapter.
        target: the whole target, borrowed.
        tensors: tensors of the target.
        places: for each of these the parts of bases that predict it by themselves.
    """
    found: list[tuple[Prediction, ...]] = [()] * len(tensors)
    files = [data for data, _ in bases]
    for number, (_, file) in enumerate(bases):
        modules = _modules_of(file.tensors)
        numbers = _ends(tensors) if modules else {}
        for module in modules.values():
            i = _weight_of(module.name, numbers)
            if i is None or tensors[i].spec.dtype not in BLENDED:
                continue
            entry = tensors[i]
            weight = Weight(entry, target[entry.offset : entry.end], files)
            for place in [one for one in places[i] if one.base != number][:1]:
                for factors in _layouts(number, module, entry):
                    found[i] += tuple(weight.merged(place, factors, module, configs[number]))
    return found


def _weight_of(module: str, numbers: Mapping[str, int | None]) -> int | None:
    """The number of the tensor that a module's adapter updates.

    Models are wrapped: a module may be known to adapter or file by the end of its name alone.

    Args:
        module: the name of the module.
        numbers: the numbers of the tensors, by `_ends`.
    """
    names = _ends_of(module + WEIGHT)
    return next((numbers[name] for name in names if name in numbers), None)


def _ends(tensors: Sequence[TensorEntry]) -> dict[str, int | None]:
    """Numbers of tensors by their names, and by the ends of these; None where several have one."""
    found: dict[str, int | None] = {}
    for i, entry in enumerate(tensors):
        for end in _ends_of(entry.name):
            if "." in end:
                found[end] = None if end in found else i
    return found | {entry.name: i for i, entry in enumerate(tensors)}


def _ends_of(name: str) -> Iterator[str]:
    """A name, and what stands behind each of its last dots, the longest first."""
    yield name
    if len(name) <= LONGEST_NAME:
        parts = name.split(".")
        for place in range(max(1, len(parts) - MOST_PARTS), len(parts)):
            yield ".".join(parts[place:])


def _layouts(number: int, module: AdaptedModule, entry: TensorEntry) -> Iterator[GivenFactors]:
    """How an adapter's matrices may make up the update of a tensor; its coefficient is 1."""
    a, b = (Matrix(number, one.offset, one.spec.dtype) for one in (module.a, module.b))
    rank = module.rank
    inside, outside = (one.spec.elements // rank for one in (module.a, module.b))
    if module.b.spec.elements != rank * outside or inside * outside != entry.spec.elements:
        return
    if not 1 <= rank <= min(inside, outside):
        return
    first = entry.spec.shape[0] if entry.spec.shape else 1
    if first == outside:
        yield GivenFactors(b, a, False, outside, inside, rank, 1.0)
    if first == inside:  # embeddings, and layers that multiply from the other side
        yield GivenFactors(a, b, True, inside, outside, rank, 1.0)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """A target tensor into which an adapter may have been merged.

    Attributes:
        entry, data: the tensor and its bytes, borrowed.
        bases: the whole bases, borrowed.
    """

    entry: TensorEntry
    data: Bytes
    bases: Sequence[Content]

    def merged(
        self, place: BaseRange, factors: GivenFactors, module: AdaptedModule, config: Config
    ) -> Iterator[BlendEntry]:
        """The sums of a base and an adapter that may be the tensor."""
        fitted = self.fitted(place, factors)
        if fitted is None:
            return
        term = Term(place.base, place.offset, 1.0)
        for coefficient in _coefficients(fitted, module, config):
            given = dataclasses.replace(factors, coefficient=coefficient)
            for each in (False, True):
                yield BlendEntry((term,), each, given)

    def fitted(self, place: BaseRange, factors: GivenFactors) -> float | None:
        """The coefficient by least squares, in ULPs of the target; None if there is none."""
        rows, columns, rank = factors.rows, factors.columns, factors.rank
        count = max(1, min(rows, MOST_FITTED_ROWS, FITTED // columns))
        some = np.unique(np.linspace(0, rows - 1, count).astype(np.int64))
        left = given_matrix(factors.left, rows, rank, factors.transposed, self.bases)[some]
        right = given_matrix(factors.right, rank, columns, factors.transposed, self.bases)
        old = self.rows(self.bases[place.base], place.offset, some.tolist(), columns)
        new = self.rows(self.data, 0, some.tolist(), columns)
        with np.errstate(all="ignore"):
            update = (left @ right).reshape(-1)
            size = np.maximum(np.abs(old), np.abs(new))
            usable = np.isfinite(size) & np.isfinite(update) & (size > 0) & (size < 1e30)
            ulps = np.exp2(-np.floor(np.log2(size[usable])))
            update = update[usable] * ulps
            found = float((update * (new - old)[usable] * ulps).sum() / (update**2).sum())
        return found if math.isfinite(found) and 1e-9 < abs(found) < 1e9 else None

    def rows(self, data: Content, offset: int, some: Sequence[int], columns: int) -> Doubles:
        """Rows of the tensor, of so many elements, as one array of numbers."""
        dtype: DType = self.entry.spec.dtype
        step = columns * dtype.size
        parts = [data[offset + i * step : offset + (i + 1) * step] for i in some]
        return values(dtype, np.concatenate(parts)).astype(np.float64)


def _coefficients(fitted: float, module: AdaptedModule, config: Config) -> list[float]:
    """Coefficients that an adapter may have been merged with, the likeliest first.

    Args:
        fitted: about the coefficient that was used.
        module: the module, for its rank: PEFT has lora_alpha / r, or lora_alpha / sqrt(r).
        config: the configuration of the adapter.
    """
    hint = _configured(module, config)
    if hint is not None and abs(hint - fitted) <= NEAR * abs(fitted):
        return [hint]
    whole = [round(fitted * by) / by for by in (module.rank, math.sqrt(module.rank))]
    decimals = [round(fitted, 2), round(fitted, 3)]
    near = [one for one in (*whole, *decimals) if one and abs(one / fitted - 1) <= NEAR]
    near.sort(key=lambda one: abs(one - fitted))
    return list(dict.fromkeys([*near[:2], fitted]))


def _configured(module: AdaptedModule, config: Config) -> float | None:
    """The coefficient that the configuration tells, or None."""
    alpha = config.alpha
    own = next((end for end in _ends_of(module.name) if end in config.alphas), None)
    if own is not None:
        alpha = config.alphas[own]
    if not alpha:
        return None
    return alpha / (math.sqrt(module.rank) if config.rooted else module.rank)
