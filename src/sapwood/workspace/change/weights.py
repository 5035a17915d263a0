"""Files of weights: updated by a patch that the template carries, else by the file itself."""

from __future__ import annotations

from pathlib import Path

from sapwood.errors import InvalidTemplate, SourceHashMismatch
from sapwood.workspace.disk.canonical import raw_hash
from sapwood.workspace.disk.durable import read_stripes, remove, sync, write_new
from sapwood.workspace.template.template import TemplateFile


def patched_weights(
    current: Path, patch: TemplateFile, spool: Path, output: Path, expected: str
) -> bool:
    """Makes the new version of a file of weights.

    Args:
        current: the version that is installed.
        patch: in the template.
        spool: free name for a copy of the patch.
        output: free name for the new version, which is durable then.
        expected: hash of the new version.

    Returns:
        Whether the patch was made for this file.

    Raises:
        InvalidTemplate: the patch leads to another version than the template holds.
        InvalidPatch, LimitExceeded, IoError: as `models.apply_patch`.
        OSError: the system refused.
    """
    from sapwood import models

    write_new(spool, patch.stripes())
    try:
        models.apply_patch(str(current), str(spool), str(output))
    except SourceHashMismatch:
        return False
    finally:
        remove(spool)
    if raw_hash(read_stripes(output)) != expected:
        raise InvalidTemplate(
            f"{patch.path}: leads to another version than the file in the template; tell its author"
        )
    sync([output])
    return True
