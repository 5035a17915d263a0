"""What there is to say of versions that were given: what they are, and what was left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sapwood.content.content import Bytes
from sapwood.modelfile import ModelFile, open_model
from sapwood.modelfile.stand_ins import lfs_pointer

SHOWN = 5  # paths


def listed(paths: Sequence[str]) -> str:
    """The first of some paths, and how many more there are."""
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(f"{one!a:.120}"[1:-1] for one in paths[:SHOWN]) + more


def left_out(name: str, paths: Sequence[str]) -> tuple[str, ...]:
    """A line on what was left out of a folder; none where nothing was."""
    return (f"{name}: left out {listed(paths)}; include what belongs to it",) if paths else ()


def fault_of(file: ModelFile) -> str | None:
    """What is wrong with a file that should be a model, in words, or None."""
    return "empty; get the file anew" if file.size == 0 else file.warning


def unfit(name: str, data: Bytes, wanted: Collection[bytes | None]) -> str:
    """What to say of a file that is no base of a patch, behind that; nothing of most.

    Args:
        name: the name of the file.
        data: all of the file, borrowed.
        wanted: the SHA-256 of each base of the patch, as far as it says them.
    """
    pointer = lfs_pointer(data.data)
    if pointer is not None and pointer.sha256 in wanted:
        return (
            f"; {name} is the Git LFS pointer to the base that is needed, which was not fetched: "
            "run 'git lfs pull'"
        )
    fault = fault_of(open_model(data))
    return "" if fault is None else f"; {name} is no whole model: {fault}"
