"""The patch file `ttpatch/v1` as types: `spec/patch-v1.md` is the definition.

    preamble │ header │ index │ tables │ body

Parsing checks everything that can be checked without the base: lengths, digests
of the front, that segments cover the target and payloads cover the body. What
comes out is frozen and consistent. Nothing here does IO or touches payloads.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blake3 import blake3

from sapwood.codec import MOST_TABLES, Coding
from sapwood.errors import InvalidPatch, LimitExceeded, TruncatedPatch, UnsupportedPatch
from sapwood.patch import canonical_json
from sapwood.patch.canonical_json import Fields
from sapwood.patch.zstd import compress, decompress
from sapwood.tensors import DType

VERSION = "ttpatch/v1"
MAGIC = b"\x89TTP\r\n\x1a\n"
MAJOR = 1
BYTE_ORDER = 0xFEFF
PREAMBLE = struct.Struct("<8sHHIIIIIQ32s32s")
DIGEST = 32  # bytes, of files and of the front
CHUNK_DIGEST = 16  # bytes; a chunk's is a prefix of its BLAKE3
MOST_ELEMENTS = 1 << 30  # in a chunk
MOST_DIMENSIONS = 64  # of a tensor

FLOATS = frozenset(d for d in DType if d.family == "float")


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How much memory a reader allows, whatever a patch claims.

    Attributes:
        front: bytes of header, index and tables together, unpacked.
        chunk: bytes of one chunk of the target; several are in memory at once, at
            most two for each thread.
    """

    front: int = 256 << 20
    chunk: int = 64 << 20


DEFAULT_LIMITS = Limits()


@dataclasses.dataclass(frozen=True, slots=True)
class FileDigest:
    """A base or target, named by its content.

    Attributes:
        size: bytes.
        blake3: 32 bytes.
        sha256: 32 bytes; None in patches of a tensor, which no other tool names.
    """

    size: int
    blake3: bytes
    sha256: bytes | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class BaseRange:
    """The prediction of a segment: as many bytes of a base, from `offset`."""

    base: int
    offset: int


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a segment that is decoded alone.

    Attributes:
        coding: of the payload.
        size: of the payload, bytes.
        digest: the first 16 bytes of the BLAKE3 of the chunk's target bytes.
    """

    coding: Coding
    size: int
    digest: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """A run of target bytes that are elements of one type.

    Attributes:
        name: of the tensor; empty for bytes that belong to none.
        dtype: of the elements.
        shape: of the tensor; one dimension where there is no name.
        prediction: what residuals are taken against, or None.
        row_length: elements a row.
        chunk_elements: elements of each chunk but the last.
        chunks: in order.
        target_offset: where the segment lies in the target, bytes.
        body_offset: where its first payload lies in the body, bytes.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    prediction: BaseRange | None
    row_length: int
    chunk_elements: int
    chunks: tuple[Chunk, ...]
    target_offset: int = 0
    body_offset: int = 0

    @property
    def elements(self) -> int:
        """Elements of the segment."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Target bytes of the segment."""
        return self.elements * self.dtype.size

    @property
    def payload_size(self) -> int:
        """Bytes of its payloads."""
        return sum(chunk.size for chunk in self.chunks)

    @property
    def unchanged(self) -> bool:
        """Whether all of it equals its prediction."""
        return self.prediction is not None and all(
            chunk.coding is Coding.COPY for chunk in self.chunks
        )

    def spans(self) -> Iterator[tuple[Chunk, int, int]]:
        """Each chunk with its begin and end in bytes from the segment's start."""
        step = self.chunk_elements * self.dtype.size
        for i, chunk in enumerate(self.chunks):
            yield chunk, i * step, min((i + 1) * step, self.nbytes)


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """What can be known of a patch without its index.

    Attributes:
        kind: "tensor" or "model".
        algorithm: "delta".
        bases: what it applies to; one, in this version.
        target: what it makes.
        base_format, target_format: of a model, such as "safetensors"; "tensor" of tensors.
        dtype, shape: of a tensor patch; None and () of a model patch.
        byte_order: of the target's elements as the creator had them; payloads are
            little-endian always.
        counts: tensors by what became of them.
        writer: name and version of the program that made it.
        created_at: Unix time in seconds, or None.
        metadata: the user's, as JSON values.
    """

    kind: str
    algorithm: str
    bases: tuple[FileDigest, ...]
    target: FileDigest
    base_format: str
    target_format: str
    dtype: DType | None
    shape: tuple[int, ...]
    byte_order: str
    counts: Mapping[str, int]
    writer: str
    created_at: int | None
    metadata: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Front:
    """Everything of a patch but its payloads.

    Attributes:
        header, segments, tables: parsed; tables as serialised sets.
        size: bytes of the front; the body begins there.
        body_size, body_digest: of the payloads together.
        digest: the BLAKE3 that names the patch.
    """

    header: Header
    segments: tuple[Segment, ...]
    tables: tuple[bytes, ...]
    size: int
    body_size: int
    body_digest: bytes
    digest: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Preamble:
    """The fixed fields at the start of a patch."""

    header: int
    index: int
    index_unpacked: int
    tables: int
    body: int
    body_digest: bytes
    digest: bytes

    @property
    def front_size(self) -> int:
        """Bytes from the start of the file to the body."""
        return PREAMBLE.size + self.header + self.index + self.tables


def parse_preamble(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Preamble:
    """Reads the first bytes of a patch.

    Args:
        data: at least `PREAMBLE.size` bytes, or all that there are.
        limits: what the front may take.

    Raises:
        TruncatedPatch: fewer bytes.
        InvalidPatch: no patch.
        UnsupportedPatch: of a later version.
        LimitExceeded: the front is larger than allowed.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise InvalidPatch(
            f"not a patch: expected it to begin with {MAGIC!r}, found {bytes(data[:8])!r}", offset=0
        )
    if len(data) < PREAMBLE.size:
        raise TruncatedPatch(
            f"cut off: expected a preamble of {PREAMBLE.size} bytes, found {len(data)}; "
            "get the patch anew"
        )
    _, major, order, header, index, unpacked, tables, zero, body, body_digest, digest = (
        PREAMBLE.unpack(data[: PREAMBLE.size])
    )
    if major != MAJOR:
        raise UnsupportedPatch(
            f"expected format version {MAJOR}, found {major}; update sapwood", offset=8
        )
    if order != BYTE_ORDER or zero != 0:
        raise InvalidPatch("damaged preamble; get the patch anew", offset=10)
    if header + unpacked + index + tables > limits.front:
        raise LimitExceeded(
            f"the patch's header, index and tables take {header + unpacked + index + tables} "
            f"bytes, {limits.front} are allowed; raise Limits.front if you trust it"
        )
    return Preamble(header, index, unpacked, tables, body, body_digest, digest)


def parse_front(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Front:
    """Reads and checks everything before the body.

    Args:
        data: the front, whole; what follows it is not looked at.
        limits: what it may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: and nothing else,
            whatever the bytes.
    """
    header, index, preamble = checked_parts(data, limits)
    parsed = parse_header(header, limits)
    tables_at = preamble.front_size - preamble.tables
    tables = parse_table_sets(data[tables_at : preamble.front_size], tables_at)
    unpacked = decompress(index, preamble.index_unpacked, "index")
    segments = tuple(parse_index(unpacked, parsed, preamble.body, limits))
    if parsed.kind == "tensor":
        check_tensor(parsed, segments)
    return Front(
        parsed,
        segments,
        tables,
        preamble.front_size,
        preamble.body,
        preamble.body_digest,
        preamble.digest,
    )


def checked_parts(data: bytes, limits: Limits) -> tuple[bytes, bytes, Preamble]:
    """Header and packed index of a front whose digest is right."""
    preamble = parse_preamble(data, limits)
    if len(data) < preamble.front_size:
        raise TruncatedPatch(
            f"cut off: expected a front of {preamble.front_size} bytes, found {len(data)}; "
            "get the patch anew"
        )
    if front_digest(data[: preamble.front_size]) != preamble.digest:
        raise InvalidPatch("damaged front: its digest differs; get the patch anew", offset=0)
    begin = PREAMBLE.size
    middle = begin + preamble.header
    return data[begin:middle], data[middle : middle + preamble.index], preamble


def front_digest(front: bytes) -> bytes:
    """The digest that the preamble ends with: of the front without that digest."""
    hasher = blake3(front[: PREAMBLE.size - DIGEST])
    hasher.update(front[PREAMBLE.size :])
    return hasher.digest()


def check_weight(data: bytes, what: str, limits: Limits) -> None:
    """That JSON text does not take more memory than allowed once it is parsed."""
    if canonical_json.weight(data) > limits.front:
        raise LimitExceeded(
            f"the patch's {what} takes about {canonical_json.weight(data)} bytes parsed, "
            f"{limits.front} are allowed; raise Limits.front if you trust it"
        )


def parse_header(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Header:
    """The header from its JSON. Fields that this version does not know are passed over."""
    check_weight(data, "header", limits)
    fields = Fields(canonical_json.parse(data, "header"), "header")
    if fields.text("format") != VERSION:
        raise UnsupportedPatch(f"expected {VERSION}, found {fields.text('format')}")
    kind = fields.text("kind")
    if kind not in {"tensor", "model"}:
        raise UnsupportedPatch(f"expected a patch of a tensor or a model, found {kind!r}")
    if fields.text("algorithm") != "delta":
        raise UnsupportedPatch(f"unknown algorithm {fields.text('algorithm')!r}; update sapwood")
    bases = tuple(parse_digest(f) for f in fields.objects("bases"))
    if len(bases) != 1:
        raise UnsupportedPatch(f"expected one base, found {len(bases)}; update sapwood")
    label = fields.optional_text("dtype")
    return Header(
        kind=kind,
        algorithm=fields.text("algorithm"),
        bases=bases,
        target=parse_digest(fields.object("target")),
        base_format=fields.text("base_format"),
        target_format=fields.text("target_format"),
        dtype=None if label is None else parse_dtype(label),
        shape=parse_shape(fields),
        byte_order=fields.text("byte_order"),
        counts=fields.counts("counts"),
        writer=fields.text("writer"),
        created_at=fields.optional_size("created_at"),
        metadata=fields.mapping("metadata"),
    )


def parse_digest(fields: Fields) -> FileDigest:
    """A `bases` or `target` entry of the header."""
    sha256 = fields.optional_text("sha256")
    return FileDigest(
        fields.size("size"),
        fields.hex("blake3", DIGEST),
        None if sha256 is None else fields.hex("sha256", DIGEST),
    )


def parse_dtype(label: str) -> DType:
    """The element type of that name."""
    try:
        return DType.named(label)
    except KeyError as e:
        raise UnsupportedPatch(f"unknown element type {label!r}; update sapwood") from e


def parse_shape(fields: Fields) -> tuple[int, ...]:
    """The sides of a tensor. Their number is bounded, since they are multiplied."""
    shape = fields.sizes("shape")
    if len(shape) > MOST_DIMENSIONS:
        raise InvalidPatch(
            f"{fields.where}.shape: expected at most {MOST_DIMENSIONS} dimensions, "
            f"found {len(shape)}"
        )
    return tuple(shape)


def check_tensor(header: Header, segments: Sequence[Segment]) -> None:
    """That header and index of a patch of a tensor tell the same: one segment, all of it."""
    if len(segments) != 1:
        raise InvalidPatch(f"index: expected one segment of a tensor, found {len(segments)}")
    (segment,) = segments
    if segment.dtype is not header.dtype or segment.shape != header.shape or segment.name:
        raise InvalidPatch("index: the segment's name, dtype or shape is not the header's")
    if segment.prediction not in (None, BaseRange(0, 0)):
        raise InvalidPatch("index: a tensor's prediction begins inside of its base")
    if header.bases[0].size != header.target.size:
        raise InvalidPatch("header: base and target of a tensor differ in size")


def parse_table_sets(data: bytes, offset: int) -> tuple[bytes, ...]:
    """The serialised sets: each behind its length, a u32."""
    sets: list[bytes] = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise InvalidPatch("damaged tables: cut off", offset=offset + at)
        if len(sets) == MOST_TABLES:  # a set of a few bytes takes half a MiB unpacked
            raise InvalidPatch(f"damaged tables: more than {MOST_TABLES} sets", offset=offset + at)
        size = int.from_bytes(data[at : at + 4], "little")
        at += 4
        if size > len(data) - at:
            raise InvalidPatch("damaged tables: a set runs past the end", offset=offset + at)
        sets.append(data[at : at + size])
        at += size
    return tuple(sets)


def parse_index(data: bytes, header: Header, body: int, limits: Limits) -> Iterator[Segment]:
    """The segments, each checked against its neighbours, the base, target and body."""
    check_weight(data, "index", limits)
    parsed = canonical_json.parse_exact(data, "index")
    fields = Fields(parsed, "index", known={"segments"})
    target_offset = body_offset = 0
    for one in fields.objects("segments"):
        segment = dataclasses.replace(
            parse_segment(one, limits), target_offset=target_offset, body_offset=body_offset
        )
        where = one.where
        if segment.prediction is not None:
            end = segment.prediction.offset + segment.nbytes
            if end > header.bases[0].size:
                raise InvalidPatch(f"{where}: reads up to byte {end} of a base that is shorter")
        target_offset += segment.nbytes
        body_offset += segment.payload_size
        if target_offset > header.target.size or body_offset > body:
            raise InvalidPatch(f"{where}: runs past the end of the target or the body")
        yield segment
    if target_offset != header.target.size or body_offset != body:
        raise InvalidPatch(
            f"index: expected segments of {header.target.size} target bytes and payloads of "
            f"{body}, found {target_offset} and {body_offset}"
        )


def parse_segment(fields: Fields, limits: Limits) -> Segment:
    """One segment of the index. A field that is not known may change its meaning: refused."""
    fields.only(
        {"name", "dtype", "shape", "prediction", "row", "chunk", "codings", "sizes", "digests"}
    )
    dtype = parse_dtype(fields.text("dtype"))
    shape = parse_shape(fields)
    elements = math.prod(shape)
    chunk_elements = fields.size("chunk")
    row_length = fields.size("row")
    if not 0 < chunk_elements <= MOST_ELEMENTS or row_length <= 0:
        raise InvalidPatch(f"{fields.where}: expected rows and chunks of 1 to 2^30 elements")
    if min(elements, chunk_elements) * dtype.size > limits.chunk:
        raise LimitExceeded(
            f"{fields.where}: chunks of {chunk_elements * dtype.size} bytes, {limits.chunk} are "
            "allowed; raise Limits.chunk if you trust the patch"
        )
    codings = fields.text("codings")
    sizes = fields.sizes("sizes")
    digests = fields.hex("digests", CHUNK_DIGEST * len(codings))
    if len(sizes) != len(codings) or len(codings) != -(-elements // chunk_elements):
        raise InvalidPatch(f"{fields.where}: wrong number of chunks")
    prediction = parse_prediction(fields)
    segment = Segment(
        name=fields.text("name"),
        dtype=dtype,
        shape=shape,
        prediction=prediction,
        row_length=row_length,
        chunk_elements=chunk_elements,
        chunks=tuple(
            Chunk(
                parse_coding(letter, fields.where),
                size,
                digests[i * CHUNK_DIGEST : (i + 1) * CHUNK_DIGEST],
            )
            for i, (letter, size) in enumerate(zip(codings, sizes, strict=True))
        ),
    )
    check_chunks(segment, fields.where)
    return segment


def parse_coding(letter: str, where: str) -> Coding:
    """The coding of that letter."""
    try:
        return Coding(letter)
    except ValueError as e:
        raise UnsupportedPatch(f"{where}: unknown coding {letter!r}; update sapwood") from e


def parse_prediction(fields: Fields) -> BaseRange | None:
    """What a segment is predicted from."""
    one = fields.optional_object("prediction")
    if one is None:
        return None
    if one.text("kind") != "base" or one.size("base") != 0:
        raise UnsupportedPatch(f"{fields.where}: unknown prediction; update sapwood")
    one.only({"kind", "base", "offset"})
    return BaseRange(0, one.size("offset"))


def check_chunks(segment: Segment, where: str) -> None:
    """That each coding is one that its segment can have, with a payload of a possible size."""
    for chunk, begin, end in segment.spans():
        length = end - begin
        match chunk.coding:
            case Coding.COPY:
                fits = segment.prediction is not None and chunk.size == 0
            case Coding.RAW:
                fits = chunk.size == length
            case Coding.RESIDUAL | Coding.SPARSE:
                fits = segment.prediction is not None and chunk.size < length
            case Coding.VALUE:
                fits = segment.dtype in FLOATS and chunk.size < length
            case Coding.SPLICE | Coding.COMPRESSED:
                fits = chunk.size < length
        if not fits:
            raise InvalidPatch(f"{where}: a chunk with an impossible coding or payload size")


def serialise_front(
    header: Header,
    segments: Sequence[Segment],
    tables: Sequence[bytes],
    body_size: int,
    body_digest: bytes,
) -> bytes:
    """The front of a patch; parsing it gives the same parts back."""
    header_bytes = canonical_json.serialise(header_fields(header))
    index = canonical_json.serialise({"segments": [segment_fields(s) for s in segments]})
    packed = compress(index, 19 if len(index) < (1 << 20) else 9)
    sets = b"".join(len(one).to_bytes(4, "little") + one for one in tables)
    preamble = PREAMBLE.pack(
        MAGIC,
        MAJOR,
        BYTE_ORDER,
        len(header_bytes),
        len(packed),
        len(index),
        len(sets),
        0,
        body_size,
        body_digest,
        bytes(DIGEST),
    )
    front = preamble + header_bytes + packed + sets
    digest = front_digest(front)
    return front[: PREAMBLE.size - DIGEST] + digest + front[PREAMBLE.size :]


def header_fields(header: Header) -> dict[str, Any]:
    """The header as JSON values."""

    def digest(one: FileDigest) -> dict[str, Any]:
        fields: dict[str, Any] = {"size": one.size, "blake3": one.blake3.hex()}
        if one.sha256 is not None:
            fields["sha256"] = one.sha256.hex()
        return fields

    fields: dict[str, Any] = {
        "format": VERSION,
        "kind": header.kind,
        "algorithm": header.algorithm,
        "bases": [digest(one) for one in header.bases],
        "target": digest(header.target),
        "base_format": header.base_format,
        "target_format": header.target_format,
        "byte_order": header.byte_order,
        "counts": dict(header.counts),
        "writer": header.writer,
        "metadata": dict(header.metadata),
        "shape": list(header.shape),
    }
    if header.dtype is not None:
        fields["dtype"] = header.dtype.label
    if header.created_at is not None:
        fields["created_at"] = header.created_at
    return fields


def segment_fields(segment: Segment) -> dict[str, Any]:
    """A segment as JSON values."""
    prediction = segment.prediction
    return {
        "name": segment.name,
        "dtype": segment.dtype.label,
        "shape": list(segment.shape),
        "prediction": prediction
        and {"kind": "base", "base": prediction.base, "offset": prediction.offset},
        "row": segment.row_length,
        "chunk": segment.chunk_elements,
        "codings": "".join(chunk.coding.value for chunk in segment.chunks),
        "sizes": [chunk.size for chunk in segment.chunks],
        "digests": b"".join(chunk.digest for chunk in segment.chunks).hex(),
    }
