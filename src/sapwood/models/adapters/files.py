"""Low-rank updates as PEFT keeps them: a folder of `adapter_model.safetensors` and its config.

A module's weight becomes W + lora_B lora_A; PEFT's scale, lora_alpha / r, is 1 here.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes
from sapwood.errors import InputError
from sapwood.files.file_objects import copy_rest
from sapwood.files.writing import write_all
from sapwood.modelfile.safetensors import file_header
from sapwood.prediction.casting import cast_words
from sapwood.prediction.factors import Factors
from sapwood.tensors import DType, TensorSpec

MODEL = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
PREFIX = "base_model.model."  # of PEFT's wrapper around the model

Doubles = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LoraModule:
    """The update of one module's weight, as elements of the adapter's type.

    Attributes:
        name: the name of the module.
        shape: the shape of its weight: (out, in), or (out, in, ...) for a convolution.
        rank: how many columns lora_B has.
        lora_a: elements of shape (rank, in, ...), little-endian, in C order.
        lora_b: elements of shape (out, rank, 1, ...), likewise.
    """

    name: str
    shape: tuple[int, ...]
    rank: int
    lora_a: Bytes
    lora_b: Bytes

    def tensors(self) -> list[tuple[str, tuple[int, ...], Bytes]]:
        """Name, shape and elements of what the file holds."""
        out, *others = self.shape
        ones = (1,) * (len(others) - 1)
        return [
            (f"{PREFIX}{self.name}.lora_A.weight", (self.rank, *others), self.lora_a),
            (f"{PREFIX}{self.name}.lora_B.weight", (out, self.rank, *ones), self.lora_b),
        ]


def lora_module(
    name: str, shape: tuple[int, ...], factors: Factors, dtype: DType
) -> LoraModule | None:
    """The factors of one matrix as an adapter has them, or None where they are all zeros.

    lora_A and lora_B get norms that differ by a factor of 2 at most in each of their rows
    and columns. Their scales are powers of two, so that f32 holds the product exactly unless
    a factor has numbers of more than 24 bits.

    Args:
        name: the name of the module.
        shape: the shape of its weight.
        factors: the factors of its one matrix, of shape[0] rows.
        dtype: the type of the adapter's elements: f32, f16 or bf16.

    Raises:
        InputError: numbers too large for the type.
    """
    (left,), (right,) = (one.astype(np.float64) for one in factors.effective())
    norms = np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=1)
    used = (norms[0] > 0) & (norms[1] > 0)
    if not used.any():
        return None
    left, right = left[:, used], right[used]
    ratio = np.log2(norms[1][used] / norms[0][used])
    power = np.rint((factors.exponent + ratio) / 2).astype(np.int64)
    lora_b, lora_a = np.ldexp(left, power), np.ldexp(right, (factors.exponent - power)[:, None])
    return LoraModule(
        name,
        shape,
        len(right),
        _elements_of(lora_a, dtype, name),
        _elements_of(lora_b, dtype, name),
    )


def _elements_of(numbers: Doubles, dtype: DType, name: str) -> Bytes:
    """Numbers rounded to elements of the type, little-endian.

    Raises:
        InputError: one is too large for it.
    """
    with np.errstate(over="ignore", under="ignore"):
        if dtype is DType.F16:
            narrow: npt.NDArray[Any] = numbers.astype("<f2")
        else:
            narrow = numbers.astype("<f4")
    finite = bool(np.isfinite(narrow).all())
    if dtype is DType.BF16:
        narrow = cast_words(DType.F32, DType.BF16, narrow.reshape(-1).view(np.uint8))
        finite = finite and bool((narrow & 0x7F80 != 0x7F80).all())
    if not finite:
        raise InputError(
            f"{name}: the update has numbers that {dtype.label} cannot hold; write it as f32"
        )
    return np.ascontiguousarray(narrow).reshape(-1).view(np.uint8)


def write_adapter(folder: Path, modules: Iterable[LoraModule], dtype: DType) -> dict[str, int]:
    """Writes both files of an adapter into a folder.

    Args:
        folder: an empty folder.
        modules: modules with names of their own, asked for one by one, and not kept.
        dtype: the type of their elements.

    Returns:
        The rank of each module that was written, by its name, in order.

    Raises:
        OSError: writing failed.
        InputError: no modules.
    """
    tensors: list[tuple[str, TensorSpec]] = []
    ranks: dict[str, int] = {}
    with (folder / MODEL).open("wb") as out, tempfile.TemporaryFile() as spool:
        for module in modules:
            for name, shape, data in module.tensors():
                write_all(spool, data.data)
                tensors.append((name, TensorSpec(dtype, shape)))
            ranks[module.name] = module.rank
        if not ranks:
            raise InputError("no adapter in this patch: all of its updates are zeros")
        write_all(out, memoryview(file_header(tensors, {"format": "pt"})))
        spool.seek(0)
        copy_rest(spool, out)
    text = json.dumps(_config(ranks), indent=2) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")
    return ranks


def _config(ranks: Mapping[str, int]) -> dict[str, Any]:
    """PEFT's LoraConfig, by the fields that all its releases of late know."""
    most = max(ranks.values())
    pattern: dict[str, int] = {}
    if len(set(ranks.values())) > 1:
        # PEFT takes the first pattern that a module's name ends with.
        pattern = dict(sorted(ranks.items(), key=lambda one: (-len(one[0]), one[0])))
    return {
        "alpha_pattern": pattern,
        "auto_mapping": None,
        "base_model_name_or_path": None,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "layers_pattern": None,
        "layers_to_transform": None,
        "lora_alpha": most,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": most,
        "rank_pattern": pattern,
        "revision": None,
        "target_modules": list(ranks),
        "task_type": None,
        "use_dora": False,
        "use_rslora": False,
    }
