"""Hostile patches: changes to an honest one that no honest writer makes, every digest right."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sapwood.content import zstd
from support.patch_writer import Parts, canonical


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


Change = Callable[[Parts], None]


def in_preamble(**fields: Any) -> Change:
    return lambda parts: parts.fields.update(fields)


def in_header(**fields: Any) -> Change:
    return lambda parts: parts.header.update(fields)


def header_text(old: str, new: str) -> Change:
    def change(parts: Parts) -> None:
        text = canonical(parts.header).decode()
        assert old in text
        parts.header = text.replace(old, new, 1).encode()

    return change


def header_without(name: str) -> Change:
    return lambda parts: parts.header.pop(name)


def in_segment(**fields: Any) -> Change:
    return lambda parts: parts.segment.update(fields)


def segment_without(name: str) -> Change:
    return lambda parts: parts.segment.pop(name)


def whole_index(value: Any) -> Change:
    return lambda parts: setattr(parts, "index", value)


def packed_index(packed: bytes, unpacked: int) -> Change:
    def change(parts: Parts) -> None:
        parts.packed = packed
        parts.fields["unpacked"] = unpacked

    return change


def table_bytes(tables: Any) -> Change:
    return lambda parts: setattr(parts, "tables", tables)


def more_segments(parts: Parts) -> None:
    parts.index["segments"] *= 2


def empty_segment_too(parts: Parts) -> None:
    empty = {**parts.segment, "shape": [0], "codings": "", "sizes": [], "digests": ""}
    parts.index["segments"].append(empty)


def spaced_index(parts: Parts) -> None:
    parts.index = canonical(parts.index).replace(b":", b": ", 1)


def unsorted_index(parts: Parts) -> None:
    backwards = dict(sorted(parts.segment.items(), reverse=True))
    parts.index = json.dumps({"segments": [backwards]}, separators=(",", ":")).encode()


def model_without_segments(parts: Parts) -> None:
    parts.header.update(kind="model", target={"size": 0, "blake3": "0" * 64})
    parts.index["segments"] = []


HUGE = 2**63 - 1
BASE = {"blake3": "00" * 32, "size": 800}
FRONTS: dict[str, Change] = {
    "another magic": in_preamble(magic=b"\x89PNG\r\n\x1a\n"),
    "a later version": in_preamble(major=2),
    "version 0": in_preamble(major=0),
    "the other byte order": in_preamble(order=0xFFFE),
    "a reserved field in use": in_preamble(zero=1),
    "a header of 4 GiB": in_preamble(header=2**32 - 1),
    "a header of 200 MiB": in_preamble(header=200 << 20),
    "a header that ends too early": in_preamble(header=10),
    "no header": in_preamble(header=0),
    "an index of 4 GiB": in_preamble(unpacked=2**32 - 1),
    "an index said to be longer": in_preamble(unpacked=1 << 27),
    "an index said to be shorter": in_preamble(unpacked=10),
    "an empty index": in_preamble(unpacked=0),
    "tables past the end": in_preamble(tables=1 << 27),
    "a body of 16 EiB": in_preamble(body=2**64 - 1),
    "a body said to be shorter": in_preamble(body=1),
    "another body's digest": in_preamble(body_digest=bytes(32)),
    "a header that is no JSON": lambda p: setattr(p, "header", b"{"),
    "a header that is no object": lambda p: setattr(p, "header", []),
    "a header that is no UTF-8": lambda p: setattr(p, "header", b'{"format":"\xff"}'),
    "a header behind a mark of byte order": header_text("{", "\ufeff{"),
    "a header of two values": header_text("}", "} {}"),
    "a field twice": header_text("{", '{"kind":"tensor",'),
    "a number past 64 bits": in_header(created_at=2**63),
    "a number of 10,000 digits": header_text(
        '"metadata":{}', '"metadata":{"a":%s}' % ("9" * 10_000)
    ),
    "a number past a double": header_text('"metadata":{}', '"metadata":{"a":1e999}'),
    "NaN": header_text('"metadata":{}', '"metadata":{"a":NaN}'),
    "-Infinity": header_text('"metadata":{}', '"metadata":{"a":-Infinity}'),
    "half a surrogate pair": header_text('"metadata":{}', '"metadata":{"a":"\\ud800"}'),
    "a key of half a surrogate pair": header_text('"metadata":{}', '"metadata":{"\\udfff":1}'),
    "a writer of half a surrogate pair": header_text('"writer":"', '"writer":"\\ud800'),
    "metadata 65 levels deep": in_header(metadata={"a": nested(65)}),
    "metadata 900 levels deep": in_header(metadata={"a": nested(900)}),
    "metadata 100,000 levels deep": header_text(
        '"metadata":{}', '"metadata":{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
    ),
    "an unknown field 100,000 levels deep": header_text(
        "{", '{"a":' + '{"a":' * 100_000 + "0" + "}" * 100_000 + ","
    ),
    "metadata that are no object": in_header(metadata=[1]),
    "another format": in_header(format="ttpatch/v2"),
    "an unknown kind": in_header(kind="film"),
    "an unknown algorithm": in_header(algorithm="magic"),
    "no bases": in_header(bases=[]),
    "two bases": in_header(bases=[BASE, BASE]),
    "bases that are no list": in_header(bases=BASE),
    "a base that is no object": in_header(bases=[1]),
    "a base of another size": in_header(bases=[BASE]),
    "a base of a negative size": in_header(bases=[{**BASE, "size": -800}]),
    "a base of a fractional size": in_header(bases=[{**BASE, "size": 800.0}]),
    "a base whose size is true": in_header(bases=[{**BASE, "size": True}]),
    "a digest that is too short": in_header(bases=[{**BASE, "blake3": "00"}]),
    "a digest in upper case": in_header(bases=[{**BASE, "blake3": "AA" * 32}]),
    "a digest with spaces": in_header(bases=[{**BASE, "blake3": "00 " * 31 + "00"}]),
    "a digest that is no text": in_header(bases=[{**BASE, "blake3": 0}]),
    "a target of 8 EiB": in_header(target={**BASE, "size": HUGE}),
    "an unknown dtype": in_header(dtype="f7"),
    "another dtype than the index": in_header(dtype="i16"),
    "another shape than the index": in_header(shape=[1, 400]),
    "a shape of text": in_header(shape="400"),
    "a shape 900 levels deep": in_header(shape=nested(900)),
    "a negative side": in_header(shape=[-400]),
    "65 dimensions": in_header(shape=[1] * 64 + [400]),
    "counts that are no sizes": in_header(counts={"tensors": -1}),
    "a time that is no number": in_header(created_at="now"),
    "an index that is no object": whole_index([1]),
    "an index that is no JSON": whole_index(b"{]"),
    "an index of zeros": whole_index(bytes(1000)),
    "an index 100,000 levels deep": whole_index(b"[" * 100_000 + b"]" * 100_000),
    "an index without segments": whole_index({"segments": []}),
    "an index with an unknown field": whole_index({"segments": [], "more": 1}),
    "an index with spaces": spaced_index,
    "an index out of order": unsorted_index,
    "ten million objects": whole_index(b'{"segments":[' + b"{}," * 10_000_000 + b"{}]}"),
    "ten million lists": whole_index(b'{"segments":[' + b"[]," * 10_000_000 + b"[]]}"),
    "an index with 1e999": whole_index(b'{"segments":[1e999]}'),
    "an index with half a surrogate pair": whole_index(b'{"segments":["\\ud800"]}'),
    "an index that is a bomb": packed_index(zstd.compress(bytes(100 << 20), 19), 1000),
    "an index past the limit": packed_index(zstd.compress(bytes(300 << 20), 3), 300 << 20),
    "an index that is no frame": packed_index(b"\x28\xb5\x2f\xfd" + bytes(20), 1000),
    "an index of two frames": packed_index(zstd.compress(b"[", 3) + zstd.compress(b"]", 3), 2),
    "an index frame with a huge window": packed_index(
        # A frame header with a window of 2 GiB and no content size, one raw last block.
        b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x11\x00\x00" + b"{}",
        2,
    ),
    "two segments": more_segments,
    "an empty segment more": empty_segment_too,
    "a segment with an unknown field": in_segment(more=1),
    "a segment without a row": segment_without("row"),
    "a segment without a prediction": segment_without("prediction"),
    "a name on a tensor": in_segment(name="weight"),
    "a side of 8 EiB": in_segment(shape=[HUGE]),
    "many sides of 8 EiB": in_segment(shape=[HUGE] * 64),
    "20,000 sides": in_segment(shape=[HUGE] * 20_000),
    "no elements": in_segment(shape=[0]),
    "fewer elements": in_segment(shape=[399]),
    "more elements": in_segment(shape=[401]),
    "a chunk of nothing": in_segment(chunk=0),
    "a chunk of 2^63 elements": in_segment(chunk=HUGE),
    "chunks of one element": in_segment(chunk=1),
    "a row of nothing": in_segment(row=0),
    "a negative row": in_segment(row=-1),
    "a coding too many": in_segment(codings="uu"),
    "no coding": in_segment(codings=""),
    "an unknown coding": in_segment(codings="q"),
    "a coding beyond ASCII": in_segment(codings="\U0001f332"),
    "a residual without a base": in_segment(prediction=None),
    "another prediction": in_segment(prediction={"kind": "low-rank", "base": 0, "offset": 0}),
    "the second base": in_segment(prediction={"kind": "base", "base": 1, "offset": 0}),
    "a prediction with an unknown field": in_segment(
        prediction={"kind": "base", "base": 0, "offset": 0, "scale": 2}
    ),
    "a prediction past the end": in_segment(prediction={"kind": "base", "base": 0, "offset": 1}),
    "a prediction far past the end": in_segment(
        prediction={"kind": "base", "base": 0, "offset": HUGE}
    ),
    "a prediction that is text": in_segment(prediction="base"),
    "a copy with a payload": in_segment(codings="c"),
    "raw bytes of another size": in_segment(codings="r"),
    "values of integers": lambda p: (
        p.header.update(dtype="i16"),
        p.segment.update(dtype="i16", codings="v"),
    )[0],
    "a payload of nothing": in_segment(sizes=[0]),
    "a payload past the body": in_segment(sizes=[700]),
    "a payload of 8 EiB": in_segment(sizes=[HUGE]),
    "a negative payload": in_segment(sizes=[-1]),
    "sizes too many": in_segment(sizes=[1, 1]),
    "no sizes": in_segment(sizes=[]),
    "sizes 900 levels deep": in_segment(sizes=nested(900)),
    "digests too short": in_segment(digests="00"),
    "no tables": table_bytes([]),
    "tables cut off": table_bytes(b"\x01\x00"),
    "tables past their end": table_bytes(b"\xff\xff\xff\xff\x00"),
    "a set of no bytes": table_bytes([b""]),
    "a set of zeros": table_bytes([bytes(1000)]),
    "a set of ones": table_bytes([b"\xff" * 1000]),
    "a million sets": table_bytes(b"\x00\x00\x00\x00" * 1_000_000),
    "70,000 sets of half a MiB each": table_bytes([bytes(10)] * 70_000),
    "a model's patch": in_header(kind="model"),
    "a model's patch of nothing": model_without_segments,
}


def leb128(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def splice(operations: list[int], literals: bytes) -> bytes:
    """The payload of a splice with such numbers for operations."""
    content = b"".join(map(leb128, operations)) + literals
    return leb128(len(content)) + zstd.compress(content, 3)


def prefixed(begin: int, size: int, content: bytes, base: bytes = b"") -> bytes:
    """A payload of the coding prefixed with such numbers and a frame of the content."""
    frame = zstd.compress_after(base, content, 3)
    return leb128(begin) + leb128(size) + frame


PREFIXES = {
    "no content": b"",
    "a place alone": b"\x05",
    "an endless place": b"\xff" * 30,
    "a padded size": b"\x05\x88\x00" + zstd.compress(bytes(3000), 3),
    "a prefix of nothing": prefixed(0, 0, bytes(3000)),
    "a prefix of 7 bytes": prefixed(0, 7, bytes(3000)),
    "a prefix past the base": prefixed(2500, 501, bytes(3000)),
    "a prefix that begins past the base": prefixed(3001, 8, bytes(3000)),
    "a prefix from 2^63": prefixed(1 << 63, 1000, bytes(3000)),
    "a prefix of 2^63 bytes": prefixed(0, 1 << 63, bytes(3000)),
    "a prefix of more than a reader holds": prefixed(0, (1 << 22) + 1, bytes(3000)),
    "no frame": leb128(0) + leb128(3000),
    "bytes too few": prefixed(0, 3000, bytes(2999)),
    "a bomb": prefixed(0, 3000, bytes(50 << 20)),
    "a frame that refers to more than there is": prefixed(
        0, 8, bytes(range(256)) * 10, bytes(range(256)) * 10
    ),
}

SPLICES = {
    "no content": b"",
    "a size alone": b"\x05",
    "an endless size": b"\xff" * 30,
    "a padded size": b"\x85\x00" + zstd.compress(b"\0\0\0\0\0", 3),
    "a content larger than said": b"\x05" + zstd.compress(bytes(100), 3),
    "a bomb": b"\x05" + zstd.compress(bytes(50 << 20), 19),
    "no operations": splice([], b""),
    "operations cut off": splice([3, 0, 5], b""),
    "an endless number": splice([1], b"\xff" * 40),
    "more copies than bytes": splice([1 << 40], b""),
    "a copy of nothing": splice([1, 0, 0, 0], bytes(3000)),
    "a copy before the base": splice([1, 0, 5, 1], bytes(2995)),
    "a copy past the base": splice([1, 0, 5, 2 * 2996], bytes(2995)),
    "a copy from 2^63": splice([1, 0, 5, 1 << 63], bytes(2995)),
    "a copy that is too long": splice([1, 0, 3001, 0], b""),
    "a copy of 2^63 bytes": splice([1, 0, 1 << 63, 0], b""),
    "new bytes past the content": splice([1, 2990, 10, 0], bytes(5)),
    "new bytes of 2^63": splice([1, 1 << 63, 10, 0], bytes(5)),
    "bytes too few": splice([1, 0, 1000, 0], b""),
    "bytes too many": splice([1, 0, 1000, 0], bytes(2001)),
    "a thousand copies of nothing else": splice([1000, *[0, 1, 0] * 1000], b""),
}


# Of a tensor of 64 blocks of q4_0: payloads, and fields of the segment.


def plane(letter: bytes, payload: bytes) -> bytes:
    return letter + leb128(len(payload)) + payload


SCALES = plane(b"c", b"")
QUANTS = plane(b"c", b"")
PLANES = {
    "nothing": b"",
    "one plane of two": SCALES,
    "three planes of two": SCALES + QUANTS + QUANTS,
    "a letter alone": b"c",
    "a size that is cut off": SCALES + b"u\x80",
    "a size past the end": SCALES + b"u\x05abc",
    "a size of 16 EiB": SCALES + b"u" + b"\xff" * 9 + b"\x01",
    "a padded size": SCALES + b"c\x80\x00",
    "a copy with a payload": plane(b"c", b"x") + QUANTS,
    "raw scales that are too short": plane(b"r", b"x") + QUANTS,
    "a splice of a plane": SCALES + plane(b"x", b"\0\0"),
    "blocks in blocks": SCALES + plane(b"b", SCALES + QUANTS),
    "a prefix of a plane": SCALES + plane(b"p", b"\0\0"),
    "no such coding": SCALES + plane(b"?", b""),
    "values of integers": SCALES + plane(b"v", bytes(40)),
    "edges of scales": plane(b"u", b"\x07" + bytes(40)) + QUANTS,
    "a frame that is none": SCALES + plane(b"z", b"nothing"),
    "an empty residual": SCALES + plane(b"u", b""),
    "zeros as a residual": SCALES + plane(b"u", bytes(100)),
    "zeros as a sparse coding": SCALES + plane(b"s", bytes(100)),
}
BLOCKED_SEGMENTS: dict[str, dict[str, Any]] = {
    "an unknown type": {"blocks": "q9_0"},
    "a type that is no text": {"blocks": 2},
    "rows of parts of blocks": {"row": 17},
    "chunks of parts of blocks": {"chunk": 18 * 64 + 1},
    "blocks that do not fill the tensor": {"blocks": "q8_0"},
}
