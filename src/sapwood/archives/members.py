"""What an archive holds, as all kinds of archives say it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import TypeAlias

from sapwood.errors import SapwoodError
from sapwood.files.reading import Stripes

Fault: TypeAlias = Callable[[str, int | None], SapwoodError]
"""Makes the error that is raised for an archive, of words and a place.

The place is the byte at which damage was noticed: of the archive, or of the tar that is packed in
it. It is None where nothing is damaged, but more than is allowed, or of a kind that is not read;
the words say then what to do.
"""


class MemberKind(enum.Enum):
    """What a member would be on a disk."""

    FILE = "a file"
    FOLDER = "a folder"
    OTHER = "a link, device or pipe"


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive.

    Attributes:
        name: name as it was written, which may be anything; of folders in zips it ends in `/`.
        size: bytes of its content.
        mode: permissions as POSIX has them; 0 where the archive does not say them.
        kind: what it is.
        stripes: reads its content, at most a MiB at a time and `size` bytes in all; of one that
            is no file nothing. Raises what the archive was opened with of a content that is
            damaged, or of another size.
    """

    name: str
    size: int
    mode: int
    kind: MemberKind
    stripes: Callable[[], Stripes]
