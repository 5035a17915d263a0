"""Fuzzes predictions that are made of bases in other types, with atheris.

    python fuzz/fuzz_recipes.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/recipes

Whatever an index says of such a prediction, and whatever numbers the bases hold, every digest
right: only errors of sapwood.errors come out, or the target that the patch names.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import sys
from collections.abc import Sequence
from typing import Any

from blake3 import blake3
from fuzz_patch import written

from sapwood import models
from sapwood.errors import SapwoodError

ONE = "3ff0000000000000"  # the number 1 as the index has it


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A tensor that a recipe makes.

    Attributes:
        dtype: of its elements.
        elements: of it.
        target: what zeros in the bases become.
        prediction: as the index has it.
        sizes: of the bases, bytes.
    """

    dtype: str
    elements: int
    target: bytes
    prediction: dict[str, Any]
    sizes: tuple[int, ...]


def place(source: str, base: int = 0, offset: int = 0) -> dict[str, Any]:
    return {"base": base, "offset": offset, "from": source}


def adapter(layout: str, source: str, step: int) -> dict[str, Any]:
    """A base of 6 rows of 5 elements, and an adapter of rank 2 with numbers of `step` bytes."""
    return {
        "kind": "blend",
        "rounding": "each",
        "terms": [{"base": 0, "offset": 0, "coefficient": ONE}],
        "factors": {
            "left": place(source, 1),
            "right": place(source, 1, 12 * step),
            "layout": layout,
            "rows": 6,
            "columns": 5,
            "rank": 2,
            "coefficient": ONE,
        },
    }


RECIPES = (
    Recipe("bf16", 8, bytes(16), {"kind": "cast", **place("f32")}, (32,)),
    Recipe("f16", 8, bytes(16), {"kind": "cast", **place("f64")}, (64,)),
    Recipe("f32", 8, bytes(32), {"kind": "cast", **place("bf16")}, (16,)),
    Recipe("u8", 68, bytes(68), {"kind": "quantise", "type": "q8_0", **place("f32")}, (256,)),
    Recipe(
        "u8",
        36,
        2 * (b"\0\x80" + 16 * b"\x88"),
        {"kind": "quantise", "type": "q4_0", **place("f16")},
        (128,),
    ),
    Recipe("bf16", 30, bytes(60), adapter("plain", "f32", 4), (60, 88)),
    Recipe("f32", 30, bytes(120), adapter("transposed", "bf16", 2), (120, 44)),
)


def one_input(data: bytes) -> None:
    """One run: `data` in place of a part of a prediction, and in place of the bases."""
    if not data:
        return
    recipe, rest = RECIPES[data[0] % len(RECIPES)], data[1:]
    attempt(recipe, changed(recipe.prediction, rest), [bytes(size) for size in recipe.sizes])
    filled = (rest or b"\0") * (max(recipe.sizes) // max(1, len(rest)) + 1)
    attempt(recipe, recipe.prediction, [filled[:size] for size in recipe.sizes])


def changed(prediction: dict[str, Any], data: bytes) -> Any:
    """The prediction with `data` inside of its text, where that is JSON; else as it was."""
    text = json.dumps(prediction).encode()
    at = int.from_bytes(data[:2], "little") % len(text)
    cut = data[2] % 16 if len(data) > 2 else 0
    try:
        return json.loads(text[:at] + data[3:] + text[at + cut :])
    except (ValueError, RecursionError):
        return prediction


def attempt(recipe: Recipe, prediction: Any, bases: Sequence[bytes]) -> None:
    """Applies a patch; anything but its target or our errors is a finding."""
    out = io.BytesIO()
    try:
        models.apply_patch(
            list(bases),
            patch_of(recipe, prediction, bases),
            out,
            receiving=models.Receiving(threads=1),
        )
    except SapwoodError:
        return
    if out.getvalue() != recipe.target:
        raise AssertionError("wrong data")


def patch_of(recipe: Recipe, prediction: Any, bases: Sequence[bytes]) -> bytes:
    """A patch that says that the target is the prediction."""
    target = recipe.target
    header = {
        "format": "ttpatch/v1",
        "kind": "model",
        "algorithm": "delta",
        "bases": [digest(one) for one in bases],
        "target": digest(target),
        "base_format": "bytes",
        "target_format": "bytes",
        "byte_order": "little",
        "counts": {},
        "writer": "fuzz",
        "metadata": {},
        "shape": [],
    }
    segment = {
        "name": "w",
        "dtype": recipe.dtype,
        "shape": [recipe.elements],
        "prediction": prediction,
        "row": 1,
        "chunk": recipe.elements,
        "codings": "c",
        "sizes": [0],
        "digests": blake3(target).digest(16).hex(),
    }
    index = json.dumps({"segments": [segment]}, sort_keys=True, separators=(",", ":"))
    return written([json.dumps(header).encode(), index.encode(), b"", b""])


def digest(data: bytes) -> dict[str, Any]:
    """A file as the header names it."""
    return {
        "size": len(data),
        "blake3": blake3(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
