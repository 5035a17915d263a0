"""Names of tensors in formats that do not promise unique ones.

What a file calls its tensors may be missing, repeated, no text, or as long as the file.
"""

from __future__ import annotations

from sapwood.errors import InvalidModelFile

LONGEST_PART = 256  # bytes
LONGEST = 512  # characters; with MOST_TENSORS, what the names of a file take at most
MOST_TENSORS = 2**18  # of a file; published models have up to some ten thousand


def part(view: memoryview, offset: int, length: int) -> str:
    """The text of `length` bytes at a place of the file, cut to LONGEST_PART bytes."""
    return bytes(view[offset : offset + min(length, LONGEST_PART)]).decode("utf-8", "replace")


def joined(*parts: str) -> str:
    """A path of the parts that are not empty; of one that is too long, the end."""
    return "/".join(filter(None, parts))[-LONGEST:]


class Names:
    """Gives each tensor of a file a name of its own."""

    def __init__(self) -> None:
        """None is given yet."""
        self._next: dict[str, int] = {}  # number of the next of a name, by the names given

    def unique(self, wanted: str) -> str:
        """`wanted`, or `wanted#2`, `wanted#3`, ... where that is given already.

        Raises:
            InvalidModelFile: the file has more tensors than any model.
        """
        if len(self._next) >= MOST_TENSORS:
            raise InvalidModelFile(f"expected at most {MOST_TENSORS} tensors in a file", offset=0)
        wanted = wanted or "tensor"
        name = wanted
        while name in self._next:
            name = f"{wanted}#{self._next[wanted]}"
            self._next[wanted] += 1
        self._next[name] = 2
        return name
