"""How many weights lie in tensors that changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors_layout import WIDTHS, layout


def changed_weights(bases: Sequence[Path], target: Path) -> int:
    """Elements of the target's tensors whose bytes stand in none of the bases.

    Raises:
        SystemExit: the files are not safetensors of one layout.
    """
    places = layout(target)
    if places is None or any(layout(base) != places for base in bases):
        raise SystemExit(f"{target} and its bases are not safetensors files of one layout")
    made, given = target.read_bytes(), [base.read_bytes() for base in bases]
    return sum(
        (place.end - place.begin) // WIDTHS[place.dtype]
        for place in places
        if all(data[place.begin : place.end] != made[place.begin : place.end] for data in given)
    )
