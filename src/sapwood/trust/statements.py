"""What is signed: a few lines of text that say what something is, and who says so.

    sapwood-signature/v1
    format FORMAT
    FACT                       as many as the thing has
    algorithm NAME
    key ID
    counter N

The room that a thing is of gives format and facts; nothing is known of either here. The last
three lines are the signature's own, so that neither key nor counter can be exchanged for another.
"""

from __future__ import annotations

import dataclasses

from sapwood.errors import InputError

STATEMENT = "sapwood-signature/v1"


@dataclasses.dataclass(frozen=True, slots=True)
class Statement:
    """What somebody signs of a thing.

    No two things have one statement, as long as each format's facts name one thing alone: no
    line can hold a line end, and the last three are always the signature's.

    Attributes:
        what: the thing in a word, for errors: "patch".
        format: the name of the thing's format, such as "ttpatch/v1".
        facts: lines of printable ASCII that name the thing, by the digest of its bytes at least.

    Raises:
        InputError: a line is empty, or holds something else than printable ASCII.
    """

    what: str
    format: str
    facts: tuple[str, ...]

    def __post_init__(self) -> None:
        for line in (self.format, *self.facts):
            if not (line and line.isascii() and line.isprintable()):
                raise InputError(
                    f"expected a line of printable ASCII to be signed, found {line!r:.60}"
                )

    def signed(self, algorithm: str, key: bytes, counter: int) -> bytes:
        """The bytes that a key signs.

        Args:
            algorithm: the name of the key's algorithm.
            key: the id of the key, 16 bytes.
            counter: the number of the signature, 0 to 2^63 - 1.
        """
        lines = [
            STATEMENT,
            f"format {self.format}",
            *self.facts,
            f"algorithm {algorithm}",
            f"key {key.hex()}",
            f"counter {counter}",
        ]
        return "".join(f"{line}\n" for line in lines).encode("ascii")
