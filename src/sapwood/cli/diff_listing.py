"""What `sapwood diff` shows: both files in a line, and a row for each tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sapwood.cli import file_listing
from sapwood.cli.reports import count, human_size, percentage, printable
from sapwood.cli.tables import shortened, show_rows
from sapwood.models import STATUSES, ModelDiff, TensorDiff

MOST_ROWS = 20
COLUMNS = ("tensor", "dtype", "shape", "status", "changed", "relative", "largest", "mean")
ON_THE_RIGHT = frozenset({"changed", "relative", "largest", "mean"})


def ordered(found: ModelDiff) -> list[TensorDiff]:
    """The tensors that are not the same, those that changed most first."""
    return sorted(
        (tensor for tensor in found.tensors if tensor.status != "unchanged"),
        key=lambda tensor: (tensor.amount, tensor.changed_elements / max(1, tensor.elements)),
        reverse=True,
    )


def show(found: ModelDiff, *, everything: bool) -> None:
    """Prints facts and rows.

    Args:
        found: the difference.
        everything: whether to show all tensors, or those that changed most.
    """
    for name, value in _headline(found):
        print(f"{name + ':':<10} {value}")
    file_listing.show(found.files, None, everything=everything)
    tensors = ordered(found)
    left = len(tensors) - MOST_ROWS
    if everything:
        tensors += [tensor for tensor in found.tensors if tensor.status == "unchanged"]
    else:
        tensors = tensors[:MOST_ROWS]
    if tensors:
        print()
        show_rows(COLUMNS, ON_THE_RIGHT, [_row_of(tensor) for tensor in tensors])
    if left > 0 and not everything:
        print(f"and {left} more that changed less; --all shows them")


def _headline(found: ModelDiff) -> Iterator[tuple[str, str]]:
    """The facts of both files for people."""
    yield "base", f"{found.base_format}, {human_size(found.base_size)}"
    yield "target", f"{found.target_format}, {human_size(found.target_size)}"
    if found.files:
        yield "files", file_listing.counted(found.files)
    if found.tensors:
        kinds = [f"{found.count(status)} {status}" for status in STATUSES if found.count(status)]
        yield "tensors", ", ".join(kinds)
        relative = found.relative
        moved = "" if relative is None else f"; relative change {number(relative)}"
        share = percentage(found.changed_elements, found.elements)
        yield "changed", f"{share} of {count(found.elements, 'element')}{moved}"
    rest = "metadata and all else" if found.tensors else "the file, which has no tensors"
    yield "rest", f"{rest}: {'changed' if found.skeleton_changed else 'the same'}"


def _row_of(tensor: TensorDiff) -> tuple[str, ...]:
    """The cells of a tensor, by `COLUMNS`."""
    measured: tuple[str, str, str] = ("", "", "")
    if tensor.measures is not None and tensor.changed_elements:
        unit = " ULP" if tensor.step == "ULP" else ""
        measured = (
            number(tensor.measures.relative),
            f"{number(tensor.measures.largest_step)}{unit}",
            f"{number(tensor.measures.mean_step)}{unit}",
        )
    return (
        shortened(printable(tensor.name)),
        tensor.dtype,
        "x".join(map(str, tensor.shape)) or "scalar",
        status_words(tensor),
        percentage(tensor.changed_elements, tensor.elements) if tensor.changed_elements else "",
        *measured,
    )


def status_words(tensor: TensorDiff) -> str:
    """What became of a tensor, with what it was before where that is not the same."""
    if tensor.base_name is None:
        return tensor.status
    words = str(tensor.status)
    was = []
    if tensor.base_name != tensor.name:
        was.append(shortened(printable(tensor.base_name)))
    if tensor.base_dtype not in {None, tensor.dtype}:
        was.append(str(tensor.base_dtype))
    if tensor.base_shape is not None and tensor.base_shape != tensor.shape:
        was.append("x".join(map(str, tensor.base_shape)) or "scalar")
    return f"{words} from {' '.join(was)}" if was else words


def number(value: float) -> str:
    """A number with three figures, whole ones below a million in full."""
    if math.isinf(value):
        return "infinite"
    return str(int(value)) if value < 1e6 and value == int(value) else f"{value:.3g}"
