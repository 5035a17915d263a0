"""Takes patch files apart and writes them anew, with every digest right.

Independent of `sapwood.patch` but for zstd: it writes what no honest writer would.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from typing import Any

from blake3 import blake3

from sapwood.content import zstd

PREAMBLE = struct.Struct("<8sHHIIIIIQ32s32s")
MAGIC = b"\x89TTP\r\n\x1a\n"


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclasses.dataclass
class Parts:
    """A patch file in parts; any of them may be replaced.

    Attributes:
        header, index: JSON values, or bytes to be written as they are.
        tables: serialised sets, or bytes to be written as they are.
        body: payloads.
        packed: the index as it stands in the file; made from `index` where None.
        fields: of the preamble, by name, that are to lie.
    """

    header: Any
    index: Any
    tables: list[bytes] | bytes
    body: bytes
    packed: bytes | None = None
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def segment(self) -> dict[str, Any]:
        """The first segment's entry in the index."""
        one: dict[str, Any] = self.index["segments"][0]
        return one

    def write(self) -> bytes:
        header = self.header if isinstance(self.header, bytes) else canonical(self.header)
        index = self.index if isinstance(self.index, bytes) else canonical(self.index)
        packed = zstd.compress(index, 19) if self.packed is None else self.packed
        tables = self.tables
        if not isinstance(tables, bytes):
            tables = b"".join(struct.pack("<I", len(one)) + one for one in tables)
        fields = {
            "magic": MAGIC,
            "major": 1,
            "order": 0xFEFF,
            "header": len(header),
            "index": len(packed),
            "unpacked": len(index),
            "tables": len(tables),
            "zero": 0,
            "body": len(self.body),
            "body_digest": blake3(self.body).digest(),
            **self.fields,
        }
        front = PREAMBLE.pack(*fields.values(), bytes(32)) + header + packed + tables
        digest = blake3(front[: PREAMBLE.size - 32] + front[PREAMBLE.size :]).digest()
        return front[: PREAMBLE.size - 32] + digest + front[PREAMBLE.size :] + self.body


def parts_of(patch: bytes) -> Parts:
    """An honest patch, taken apart."""
    _, _, _, header, index, unpacked, tables, _, body, _, _ = PREAMBLE.unpack_from(patch)
    at = PREAMBLE.size
    pieces = []
    for size in (header, index, tables, body):
        pieces.append(patch[at : at + size])
        at += size
    sets = []
    rest = pieces[2]
    while rest:
        (size,) = struct.unpack_from("<I", rest)
        sets.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return Parts(
        json.loads(pieces[0]),
        json.loads(zstd.decompress(pieces[1], unpacked)),
        sets,
        pieces[3],
    )
