"""Models in memory whose tensors are overwritten: checked whole, then written."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sapwood.codec.chunk import Bytes
from sapwood.errors import InputError
from sapwood.tensors import TensorSpec, check_out, copy_into, is_torch_tensor

SHOWN = 3  # names that an error lists


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Live:
    """A tensor of a live model, and what it is to become.

    Attributes:
        name: of the tensor.
        out: where it lives.
        spec: of both.
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
        live: of the model.
        specs: of what they are to become.
        strict: whether both must have the same names.

    Raises:
        InputError: names that only one has; a tensor that cannot be written.
        DtypeMismatch, ShapeMismatch, UnsupportedType: one that does not fit.
    """
    if strict:
        check_names(live, specs)
    for name, spec in specs.items():
        if name in live:
            try:
                check_out(live[name], spec)
            except InputError as e:
                raise type(e)(f"{name}: {e}") from e


def check_names(live: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> None:
    """Refuses names that only one of model and patch has, but for those of tied tensors.

    Raises:
        InputError: there are any.
    """
    written = {memory_of(live[name]) for name in specs if name in live} - {None}
    lacking = [name for name in specs if name not in live]
    beyond = [
        name for name, one in live.items() if name not in specs and memory_of(one) not in written
    ]
    if lacking or beyond:
        raise InputError(
            "expected a model with the tensors of the patch, found one that lacks "
            f"{listed(lacking)} and has beyond them {listed(beyond)}; "
            "strict=False updates those that both have"
        )


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many there are."""
    if not names:
        return "none"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more


def memory_of(tensor: object) -> tuple[object, int] | None:
    """Device and address of the first element; None where there is none to tell by."""
    if is_torch_tensor(tensor):
        return (tensor.device, tensor.data_ptr()) if tensor.numel() else None
    if isinstance(tensor, np.ndarray) and tensor.size:
        return "cpu", tensor.ctypes.data
    return None


def write_live(tensors: Sequence[Live]) -> None:
    """Overwrites tensors that `check_live` let pass.

    Raises:
        InputError: two share memory and are to differ. Nothing was written then.
    """
    tied: dict[tuple[object, int], list[Live]] = defaultdict(list)
    for one in tensors:
        memory = memory_of(one.out)
        if memory is not None:
            tied[memory].append(one)
    for first, *others in tied.values():
        for other in others:
            if other.spec != first.spec or not np.array_equal(first.data, other.data):
                raise InputError(
                    f"{first.name} and {other.name} share memory in the model and are to differ; "
                    "untie them"
                )
    for one in tensors:
        copy_into(one.out, one.spec, one.data)
