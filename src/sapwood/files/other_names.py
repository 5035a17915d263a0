"""Other names of a file that is to be written in place: whoever knows it by them sees it change."""

from __future__ import annotations

import os
from pathlib import Path

from sapwood.files.holes import SparseWriter
from sapwood.files.locked_file import LockedFile
from sapwood.files.outputs import replaced_link
from sapwood.files.paths import names_content
from sapwood.files.refusals import os_errors


def other_names(file: LockedFile) -> str | None:
    """What else leads to a file than the name that it was opened by, in words, or None.

    Raises:
        IoError: one may not look.
    """
    with os_errors(file.name):
        if Path(file.name).is_symlink():
            return f"a link to {file.path}"
        links = hard_links(file)
    if names_content(file.path):
        return "a blob, whose name is the digest of what is in it"
    return None if links == 1 else f"a file of {links} names (hard links)"


def hard_links(file: LockedFile) -> int:
    """How many names in folders a file has.

    Raises:
        IoError: one may not look.
    """
    with os_errors(file.name):
        return os.fstat(file.handle).st_nlink


def replace_by_copy(file: LockedFile) -> None:
    """Puts a copy of a file under the name that it was opened by, which leads to that alone then.

    A link of that name is replaced, and what it led to is as it was. At any instant the name leads
    to the file or to the whole copy; a killed process leaves a hidden sibling `.NAME.*.part`.

    Raises:
        IoError: there is no room for a copy, for one. The name leads where it did.
    """
    with replaced_link(file.name) as out:
        writer = SparseWriter(out)
        for stripe in file.stripes(file.size):
            writer.write(stripe)
        writer.finish()
