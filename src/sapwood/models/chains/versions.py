"""What a chain says: versions of a file, the links between them, and the ways over those."""

from __future__ import annotations

import dataclasses
import string
from collections import deque
from typing import Any

from sapwood.errors import InputError
from sapwood.patch.format.front import FileDigest

SHA256 = 32  # bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """A version of a file, by its content.

    Attributes:
        size: bytes of the file.
        blake3, sha256: digests of the whole file, 32 bytes each.
    """

    size: int
    blake3: bytes
    sha256: bytes

    @classmethod
    def of(cls, digest: FileDigest) -> Version:
        """A base or target of a patch of model files."""
        return cls(digest.size, digest.blake3, digest.sha256 or b"")

    def to_json(self) -> dict[str, Any]:
        """The version as JSON values."""
        return {"size": self.size, "blake3": self.blake3.hex(), "sha256": self.sha256.hex()}


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A patch in a chain.

    Attributes:
        number: its number i; it leads from version i to version i + 1.
        reverse: whether the patch leads back, from version i + 1 to version i.
        base, target: the versions that the patch leads from and to.
        patch: the BLAKE3 that names it, 32 bytes.
        size: bytes of the patch.
        offset: the offset of the patch in the file of the chain, bytes.
    """

    number: int
    reverse: bool
    base: Version
    target: Version
    patch: bytes
    size: int
    offset: int

    @property
    def label(self) -> str:
        """The link for people."""
        return f"link {self.number}" + (" back" if self.reverse else "")

    def to_json(self) -> dict[str, Any]:
        """The link as JSON values."""
        return {
            "number": self.number,
            "reverse": self.reverse,
            "patch": self.patch.hex(),
            "patch_size": self.size,
            "offset": self.offset,
            "base_sha256": self.base.sha256.hex(),
            "target_sha256": self.target.sha256.hex(),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """What a chain file says.

    Attributes:
        links: the links in the order of the file, behind each its reverse if it has one.
        size: bytes of the file up to the end of the last whole link, bytes.
        unfinished: bytes behind that, of a link that was not written or copied to its end.
    """

    links: tuple[Link, ...]
    size: int
    unfinished: int

    @property
    def forward(self) -> tuple[Link, ...]:
        """The links without the reverses: number i is at place i."""
        return tuple(one for one in self.links if not one.reverse)

    @property
    def versions(self) -> tuple[Version, ...]:
        """All versions from number 0 on; one that came back is there twice."""
        links = self.forward
        return (links[0].base, *(one.target for one in links))

    def to_json(self) -> dict[str, Any]:
        """The chain as JSON values."""
        return {
            "chain_size": self.size,
            "unfinished": self.unfinished,
            "versions": [one.to_json() for one in self.versions],
            "links": [one.to_json() for one in self.links],
        }

    def link(self, number: int, *, reverse: bool = False) -> Link:
        """A link by its number; a negative one counts from the end.

        Raises:
            InputError: there is none of that number, or it has no reverse.
        """
        found = self.forward[_checked(number, len(self.forward), "link")]
        if not reverse:
            return found
        for one in self.links:
            if one.reverse and one.number == found.number:
                return one
        raise InputError(f"link {found.number} has no reverse patch in the chain")

    def version(self, named: int | bytes | str) -> Version:
        """A version by its number, a negative one from the end, or by its SHA-256.

        Args:
            named: a number, 32 bytes, or 64 hexadecimal digits.

        Raises:
            InputError: the chain has none of that name.
        """
        versions = self.versions
        if isinstance(named, int):
            return versions[_checked(named, len(versions), "version")]
        digest = _sha256_bytes(named)
        for one in versions:
            if one.sha256 == digest:
                return one
        raise InputError(f"no version of the chain has the SHA-256 {digest.hex()}")

    def way(self, start: Version, end: Version) -> tuple[Link, ...] | None:
        """The fewest links that lead from one version to another, or None.

        Of ways of equal length it is the one whose links come first in the file.
        """
        leaving: dict[Version, list[Link]] = {}
        for one in self.links:
            leaving.setdefault(one.base, []).append(one)
        arrived: dict[Version, Link | None] = {start: None}
        waiting = deque([start])
        while waiting and end not in arrived:
            here = waiting.popleft()
            for one in leaving.get(here, ()):
                if one.target not in arrived:
                    arrived[one.target] = one
                    waiting.append(one.target)
        if end not in arrived:
            return None
        steps: list[Link] = []
        last = arrived[end]
        while last is not None:
            steps.append(last)
            last = arrived[last.base]
        return tuple(reversed(steps))


def _checked(number: int, count: int, what: str) -> int:
    """A number of one among `count`, a negative one from the end, as one from 0 on.

    Raises:
        InputError: there is none.
    """
    if isinstance(number, bool) or not -count <= number < count:
        raise InputError(
            f"expected a {what} from 0 to {count - 1}, or from -1 for the last on, "
            f"found {number!r:.40}"
        )
    return number % count


def _sha256_bytes(named: object) -> bytes:
    """A SHA-256 that is given as 32 bytes or as 64 hexadecimal digits.

    Raises:
        InputError: it is neither.
    """
    if isinstance(named, bytes) and len(named) == SHA256:
        return named
    if isinstance(named, str) and len(named) == 2 * SHA256 and set(named) <= set(string.hexdigits):
        return bytes.fromhex(named)
    raise InputError(f"expected a SHA-256, 32 bytes or 64 hexadecimal digits, found {named!r:.100}")
