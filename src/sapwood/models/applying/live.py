"""Models in memory whose tensors are overwritten: checked whole, then written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sapwood.content.content import Bytes
from sapwood.errors import InputError
from sapwood.tensors import TensorSpec, check_out, copy_into, is_torch_tensor

SHOWN = 3  # names that an error lists


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Live:
    """A tensor of a live model, and what it is to become.

    Attributes:
        name: the name of the tensor.
        out: the array or tensor that is overwritten.
        spec: element type and shape of both.
        data: its elements to be, little-endian in C order.
    """

    name: str
    out: object
    spec: TensorSpec
    data: Bytes


def live_tensors(model: object) -> Mapping[str, Any]:
    """The tensors of a module, in its own memory, or those of a mapping.

    Raises:
        InputError: it is neither.
    """
    state = getattr(model, "state_dict", None)
    found = model if isinstance(model, Mapping) else state() if callable(state) else None
    if not isinstance(found, Mapping):
        raise InputError(
            f"expected an nn.Module, a state_dict or a dict of arrays, found {type(model).__name__}"
        )
    return found


def check_live(live: Mapping[str, Any], specs: Mapping[str, TensorSpec], strict: bool) -> None:
    """Checks that the tensors of a model can become others.

    Args:
        live: the tensors of the model, by name.
        specs: element types and shapes of what they are to become.
        strict: whether both must have the same names.

    Raises:
        InputError: names that only one has; a tensor that cannot be written.
        DtypeMismatch, ShapeMismatch, UnsupportedType: one that does not fit.
    """
    if strict:
        _check_names(live, specs)
    for name, spec in specs.items():
        if name in live:
            try:
                check_out(live[name], spec)
            except InputError as e:
                raise e.behind(name) from e


def _check_names(live: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> None:
    """Refuses names that only one of model and patch has, but for those of tied tensors.

    Raises:
        InputError: there are any.
    """
    written = {_extent_of(live[name]) for name in specs if name in live} - {None}
    lacking = [name for name in specs if name not in live]
    beyond = [
        name for name, one in live.items() if name not in specs and _extent_of(one) not in written
    ]
    if lacking or beyond:
        raise InputError(
            "expected a model with the tensors of the patch, found one that lacks "
            f"{_listed(lacking)} and has beyond them {_listed(beyond)}; "
            "strict=False updates those that both have"
        )


def _listed(names: Sequence[str]) -> str:
    """The first few names, and how many there are."""
    if not names:
        return "none"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more


def write_live(tensors: Sequence[Live]) -> None:
    """Overwrites tensors that `check_live` let pass.

    Raises:
        InputError: two share memory and are to differ, or share it in part. Nothing was
            written then.
    """
    placed = sorted(
        ((extent, one) for one in tensors if (extent := _extent_of(one.out)) is not None),
        key=lambda item: (item[0].device, item[0].begin),
    )
    reaching: list[tuple[Extent, Live]] = []  # of those before, what reaches as far as here
    for extent, one in placed:
        reaching = [
            (other, held)
            for other, held in reaching
            if other.device == extent.device and other.end > extent.begin
        ]
        for other, held in reaching:
            same = other == extent and held.spec == one.spec
            if not (same and np.array_equal(held.data, one.data)):
                raise InputError(
                    f"{held.name} and {one.name} share memory in the model, in part or to hold "
                    "different elements; untie them"
                )
        reaching.append((extent, one))
    for one in tensors:
        copy_into(one.out, one.spec, one.data)


@dataclasses.dataclass(frozen=True, slots=True)
class Extent:
    """The memory between the first and the last byte of a tensor, and how it lies there."""

    device: str
    begin: int
    end: int
    start: int  # address of the first element
    strides: tuple[int, ...]


def _extent_of(tensor: Any) -> Extent | None:
    """Where a tensor lies; None where there is none to tell by."""
    if is_torch_tensor(tensor):
        if not tensor.numel():
            return None
        size, start, device = tensor.element_size(), tensor.data_ptr(), str(tensor.device)
        shape, strides = tensor.shape, tuple(size * step for step in tensor.stride())
    elif isinstance(tensor, np.ndarray) and tensor.size:
        size, start, device = tensor.itemsize, tensor.ctypes.data, "cpu"
        shape, strides = tensor.shape, tensor.strides
    else:
        return None
    reach = [(n - 1) * step for n, step in zip(shape, strides, strict=True)]
    begin = start + sum(min(one, 0) for one in reach)
    end = start + sum(max(one, 0) for one in reach) + size
    return Extent(device, begin, end, start, strides)
