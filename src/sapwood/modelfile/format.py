"""A format of model files: how it is told and read, and what else is known of files of it.

The module of each reader has its own. What depends on the format of a file asks this value,
and compares no names.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.layout import FileBytes, ModelFile, byte_view

BEGINNING = 16  # bytes of a file from which `apparent_format` tells what it is


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Tells files by bytes that each of them has at the same places.

    Attributes:
        places: the bytes, by their offsets from the start of the file; one at least.
    """

    places: Mapping[int, bytes]

    def __call__(self, view: memoryview) -> bool:
        """Whether a file, or its beginning, has all of them."""
        return all(view[at : at + len(mark)] == mark for at, mark in self.places.items())

    @property
    def end(self) -> int:
        """The first offset after the last of them."""
        return max(at + len(mark) for at, mark in self.places.items())


class SmallTensors(enum.Enum):
    """Which of a format's small tensors are left to the skeleton when a file is patched.

    In a patch a tensor of its own takes more than the elements of a small one.
    """

    NAMED = "none: there are few of them, and all tensors keep their names"
    ISLANDS = "those with skeleton on both sides, of which there may be hundreds"
    CRUMBS = "all of them: they lie one beside the other"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Format:
    """What is known of a format.

    Attributes:
        name: what `ModelFile.format` calls a file of it.
        told_by: whether a file looks like one. Takes all of the file, contiguous bytes,
            borrowed for the call; no content raises.
        reads: gives the layout of a file that looks like one, from the same bytes. Only what
            says where the tensors lie is read. Raises InvalidModelFile where the file breaks the
            format, with the `offset` of the place.
        kinds: names beside `name` that the reader gives to files, by what is in them.
        small_tensors: the small tensors that are left to the skeleton.
        in_c_order: whether a file says of each of its tensors the type and the shape, and has
            the elements in C order. The tensors that a patch knows are those of the model then.
        by_tensors_alone: whether a patch is always made of tensors and skeleton. Of other formats
            a file that is small or hardly changed is patched as bytes where that is smaller.
    """

    name: str
    told_by: Callable[[memoryview], bool]
    reads: Callable[[memoryview], ModelFile]
    kinds: tuple[str, ...] = ()
    small_tensors: SmallTensors = SmallTensors.NAMED
    in_c_order: bool = False
    by_tensors_alone: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All that `ModelFile.format` may call a file of it."""
        return (self.name, *self.kinds)

    @property
    def is_told_at_once(self) -> bool:
        """Whether the first BEGINNING bytes tell a file of it."""
        return isinstance(self.told_by, Marks) and self.told_by.end <= BEGINNING

    def read(self, data: FileBytes) -> ModelFile:
        """The layout of a file that must be of this format.

        Args:
            data: the whole file, usually a memory map; borrowed for the call.

        Raises:
            InvalidModelFile: it is of another format, or breaks this one; `offset` is the place.
            UnsupportedType: `data` is not contiguous bytes.
        """
        view = byte_view(data)
        if not self.told_by(view):
            raise InvalidModelFile(
                f"expected a file in the format {self.name}, found something else", offset=0
            )
        return self.reads(view)
