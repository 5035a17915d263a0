"""Zips and tars that are wrong in their structure, of any kind: members, claims, methods, bytes."""

from __future__ import annotations

import dataclasses
import gzip
import tarfile
from functools import partial

from hypothesis import strategies as st

from sapwood.content.zstd import compress
from support.zip_files import Item, archive

NUMBERS = st.sampled_from([0, 1, 29, 30, 511, 512, 2**31, 2**32 - 2, 2**32 - 1, 2**63, 2**64 - 1])
NEAR = st.integers(0, 3000) | NUMBERS
METHODS = st.sampled_from([0, 8, 0, 8, 1, 9, 12, 14, 93, 95, 98, 99, 65535])
NAMES = st.sampled_from([b"a", b"b", b"folder/", b"", b"\xff", "ä".encode(), b"../a", b"a" * 5000])
CONTENTS = st.binary(max_size=60) | st.integers(0, 5000).map(bytes)


def perhaps(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Mostly None, which is what is right."""
    return st.one_of(st.none(), st.none(), st.none(), strategy)


ITEMS = st.builds(
    Item,
    name=NAMES,
    data=CONTENTS,
    method=METHODS,
    packed=perhaps(CONTENTS),
    checksum=perhaps(st.integers(0, 2**32 - 1)),
    flags=st.sampled_from([1 << 11, 0, 1 << 3, 1, 1 << 6, 1 << 13]),
    local_name=perhaps(NAMES.filter(bool)),
    size=perhaps(NEAR),
    header=perhaps(NEAR),
    wide=st.booleans(),
    extra=st.sampled_from([b"", b"FB\4\0ZZZZ", b"\1\0\xff\xff"]),
    written=st.sampled_from([True, True, True, False]),
)
ZIPS = st.builds(
    archive,
    st.lists(ITEMS, max_size=4),
    large=st.booleans(),
    comment=st.sampled_from([b"", b"PK\5\6", b"x" * 500]),
    directory=st.tuples(perhaps(NEAR), perhaps(NEAR)),
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One entry of a tar; what is None is as it should be.

    Attributes:
        kind: letter of its type.
        name: of at most 100 bytes.
        data: the content.
        size: what the header says of it.
        spoilt: bytes that stand at places of the header, before its sum is made.
        sum: the sum, as it stands.
    """

    kind: bytes
    name: bytes
    data: bytes
    size: bytes | None = None
    spoilt: tuple[tuple[int, int], ...] = ()
    sum: bytes | None = None

    def to_bytes(self) -> bytes:
        """Header and content."""
        info = tarfile.TarInfo("")
        info.type, info.size = self.kind, len(self.data)
        block = bytearray(info.tobuf(tarfile.USTAR_FORMAT)[:512])
        block[: len(self.name[:100])] = self.name[:100]
        if self.size is not None:
            block[124:136] = self.size.ljust(12, b"\0")[:12]
        for place, value in self.spoilt:
            block[place] = value
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block) if self.sum is None else self.sum
        return bytes(block) + self.data + bytes(-len(self.data) % 512)


SIZES = st.sampled_from(
    [b"", b"0", b"7", b"777", b"77777777777", b"-1", b"1_0", b"0x9", b"\x80" + b"\xff" * 11,
     b"\xff" * 12, b"\x80" + bytes(10) + b"\5", b"9", b" 7 "]
)  # fmt: skip
RECORDS = st.lists(
    st.tuples(
        st.sampled_from([b"path", b"size", b"GNU.sparse.major", b"comment", b"", b"hdrcharset"]),
        st.sampled_from([b"", b"a", b"1", b"5", b"-1", b"9" * 30, b"a\0b", b"\xff", b"x=y\n"]),
        st.sampled_from([0, 0, 0, 1, -1, 400, 10**18]),
    ),
    max_size=4,
).map(
    lambda records: b"".join(
        b"%d %s=%s\n"
        % (5 + len(name) + len(value) + off - (len(name) + len(value) < 5), name, value)
        for name, value, off in records
    )
)
ENTRIES = st.builds(
    Entry,
    kind=st.sampled_from([bytes([one]) for one in b"0001567xxgLKSDMV9\0\xff"]),
    name=NAMES,
    data=CONTENTS | RECORDS,
    size=perhaps(SIZES),
    spoilt=st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), max_size=2).map(tuple),
    sum=perhaps(st.sampled_from([b"\0" * 8, b"0000000\0", b"zzzzzzzz"])),
)
PACKERS = st.sampled_from([bytes, gzip.compress, partial(compress, level=1)])
TARS = st.builds(
    lambda entries, end, pack: pack(b"".join(one.to_bytes() for one in entries) + end),
    st.lists(ENTRIES, max_size=5),
    st.sampled_from([bytes(1024), bytes(512), b"", b"x", bytes(10_000) + b"x"]),
    PACKERS,
)


@st.composite
def spoilt(draw: st.DrawFn, archives: st.SearchStrategy[bytes]) -> bytes:
    """Archives of which some bytes are others, or missing, or there twice."""
    data = bytearray(draw(archives))
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            break
        begin = draw(st.integers(0, len(data) - 1))
        end = begin + draw(st.sampled_from([1, 1, 1, 4, 100]))
        match draw(st.sampled_from(["other", "other", "gone", "twice", "cut"])):
            case "other":
                data[begin] = draw(st.integers(0, 255))
            case "gone":
                del data[begin:end]
            case "twice":
                data[begin:begin] = data[begin:end]
            case "cut":
                del data[begin:]
    return bytes(data)
