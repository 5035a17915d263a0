"""Files of weights: updated by a patch that the template carries, else by the file itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from sapwood.content.digests import raw_hash
from sapwood.errors import InvalidPackage, SourceHashMismatch
from sapwood.files.paths import is_folder
from sapwood.files.reading import read_stripes, read_whole
from sapwood.files.syncing import sync
from sapwood.files.writing import write_new
from sapwood.package import LARGEST_READ, PackageFile, content_hash


@dataclasses.dataclass(frozen=True, slots=True)
class Goal:
    """The version of a file that a patch has to lead to.

    Attributes:
        path: path of the file in the workspace.
        hash: canonical hash of the version.
        size: bytes of the version; no more are written.
    """

    path: str
    hash: str
    size: int


def patched_weights(
    current: Path, patch: PackageFile, goal: Goal, spool: Path, output: Path
) -> str | None:
    """Makes the new version of a file of weights.

    Args:
        current: file of the version that is installed.
        patch: patch in the template.
        goal: the new version.
        spool: free name for a copy of the patch.
        output: free name for the new version, which is durable then.

    Returns:
        'sha256:…' of the new version's bytes; None if the patch was made from another file.

    Raises:
        InvalidPackage: the patch leads to another version than the template says.
        InputError, InvalidPatch, LimitExceeded, IoError: the patch is damaged, asks for too
            much, or cannot be applied.
        OSError: the system refused.
    """
    from sapwood import models

    write_new(spool, patch.stripes())
    try:
        info = models.patch_info(str(spool))
        if info.format == "tensor" or info.target_size != goal.size:
            kind = "a tensor" if info.format == "tensor" else "a file"
            raise InvalidPackage(
                f"{patch.path}: expected a patch that leads to a file of {goal.size} bytes, found "
                f"one that leads to {kind} of {info.target_size}; tell the template's author"
            )
        models.apply_patch(str(current), str(spool), str(output))
    except SourceHashMismatch:
        return None
    finally:
        spool.unlink()
    if is_folder(output):
        raise InvalidPackage(
            f"{patch.path}: leads to a folder, expected a file; tell the template's author"
        )
    data = read_whole(output, LARGEST_READ)
    raw = raw_hash(read_stripes(output) if data is None else [data])
    if (raw if data is None else content_hash(data, goal.path)) != goal.hash:
        # Of text with CRLF, of which only the template's own file can tell the hash, too.
        raise InvalidPackage(
            f"{patch.path}: leads to another version of {goal.path} than the template says; tell "
            "its author"
        )
    sync([output])
    return raw
