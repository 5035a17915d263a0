"""Files that lie where a model should and are none: pointers of Git LFS, pages of servers.

They come about when a repository is cloned without its large files, and when what a server answers
is saved whatever it says. They are told by their content, and are files like others: a patch
carries them, with a word of what they are.
"""

from __future__ import annotations

import dataclasses
import re

LONGEST_POINTER = 1024  # bytes, as Git LFS has it
BEGINNING = 512  # bytes that a page is told by

POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*?"
    rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n"
)
PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*"
    rb"(?:<!doctype html|<html|<head)\b",
    re.IGNORECASE | re.DOTALL,
)
ERROR = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]*>\s*<Error>")  # of S3 and its like


@dataclasses.dataclass(frozen=True, slots=True)
class LfsPointer:
    """What Git LFS has in the place of a large file that was not fetched.

    Attributes:
        sha256: SHA-256 of the file, 32 bytes.
        size: bytes of the file.
    """

    sha256: bytes
    size: int

    def __str__(self) -> str:
        """The pointer for people, with what to do."""
        return (
            f"a Git LFS pointer to a file of {self.size} bytes (oid sha256:{self.sha256.hex()}); "
            "run 'git lfs pull'"
        )


def lfs_pointer(view: memoryview) -> LfsPointer | None:
    """The pointer that a file is, or None.

    Args:
        view: the whole file, contiguous bytes.
    """
    found = POINTER.match(view) if len(view) <= LONGEST_POINTER else None
    return None if found is None else LfsPointer(bytes.fromhex(found[1].decode()), int(found[2]))


def stand_in(view: memoryview) -> str | None:
    """What a file is that lies where a model should, with what to do; None of any other file.

    Args:
        view: the whole file, contiguous bytes.
    """
    pointer = lfs_pointer(view)
    if pointer is not None:
        return str(pointer)
    beginning = bytes(view[:BEGINNING])
    if PAGE.match(beginning):
        return "an HTML page, as servers answer with; get the file anew, logged in if need be"
    if ERROR.match(beginning):
        return "an error that a server answered with; get the file anew"
    return None


def is_page(path: str) -> bool:
    """Whether a file is a page by its name, and so where it should be."""
    return path.lower().endswith((".html", ".htm", ".xhtml"))
