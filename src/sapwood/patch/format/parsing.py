"""The front of a patch from bytes.

Parsing checks everything that can be checked without the base: lengths, digests
of the front, that segments cover the target and payloads cover the body. What
comes out is frozen and consistent. Nothing here does IO or touches payloads.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from sapwood.codec import MOST_TABLES, Coding
from sapwood.content.content import Content
from sapwood.content.zstd import decompress
from sapwood.documents import canonical_json
from sapwood.documents.fields import Fields
from sapwood.errors import InvalidPatch, LimitExceeded, TruncatedPatch, UnsupportedPatch
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.format.file_lists import parse_files
from sapwood.patch.format.frames import frame_errors
from sapwood.patch.format.front import (
    BYTE_ORDER,
    CHUNK_DIGEST,
    DIGEST,
    MAGIC,
    MAJOR,
    MOST_BASES,
    MOST_DIMENSIONS,
    MOST_ELEMENTS,
    PREAMBLE,
    VERSION,
    Chunk,
    FileDigest,
    Front,
    Header,
    Preamble,
    Segment,
    front_digest,
)
from sapwood.patch.format.parsing_blocks import parse_blocks
from sapwood.patch.format.parsing_predictions import parse_dtype, parse_prediction
from sapwood.patch.format.predictions import BlendEntry

SEGMENT_FIELDS = {
    *("name", "dtype", "shape", "prediction", "row", "chunk", "codings", "sizes", "digests"),
    "blocks",
}
HEADER, INDEX = "header", "index"  # what they are called in errors
REMEDY = "get the patch anew"
TABLES_UNPACKED = 33 * 4096 * 4  # bytes of a set, by context and slot


def parse_preamble(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Preamble:
    """Reads the first bytes of a patch.

    Args:
        data: at least `PREAMBLE.size` bytes, or all that there are.
        limits: how much memory the front may take.

    Raises:
        TruncatedPatch: there are fewer bytes.
        InvalidPatch: they are not the beginning of a patch.
        UnsupportedPatch: the patch is of a later version.
        LimitExceeded: the front is larger than allowed.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise InvalidPatch(
            f"not a patch: expected it to begin with {MAGIC!r}, found {bytes(data[:8])!r}; "
            "name the file that `create` wrote",
            offset=0,
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


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CheckedFront:
    """A front whose digest is right, and of which the header alone is parsed.

    What decides from whom a patch is needs no more; `parse_rest` goes on from here.

    Attributes:
        preamble: the preamble, parsed.
        header: the header, parsed.
        data: the whole front, and nothing behind it.
    """

    preamble: Preamble
    header: Header
    data: bytes

    @property
    def header_text(self) -> bytes:
        """The bytes of the header."""
        return self.data[PREAMBLE.size : PREAMBLE.size + self.preamble.header]


def checked_front(data: Content | bytes, limits: Limits = DEFAULT_LIMITS) -> CheckedFront:
    """Reads the front of a patch and parses its header.

    Args:
        data: the patch or its front, borrowed. The front is copied, so that nobody can change it
            between two looks.
        limits: how much memory the front may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: it is damaged, cut off, of
            a later version, or larger than allowed.
    """
    preamble = parse_preamble(bytes(data[: PREAMBLE.size]), limits)
    front = bytes(data[: preamble.front_size])
    if len(front) < preamble.front_size:
        raise TruncatedPatch(
            f"cut off: expected a front of {preamble.front_size} bytes, found {len(front)}; "
            "get the patch anew"
        )
    if front_digest(front) != preamble.digest:
        raise InvalidPatch("damaged front: its digest differs; get the patch anew", offset=0)
    header = front[PREAMBLE.size : PREAMBLE.size + preamble.header]
    return CheckedFront(preamble, parse_header(header, limits), front)


def parse_front(data: Content | bytes, limits: Limits = DEFAULT_LIMITS) -> Front:
    """Reads and checks everything before the body.

    Args:
        data: the whole front; what follows it is not looked at.
        limits: how much memory it may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: it is damaged, cut off, of
            a later version, or larger than allowed; nothing else is raised, whatever the bytes.
    """
    return parse_rest(checked_front(data, limits), limits)


def parse_rest(front: CheckedFront, limits: Limits = DEFAULT_LIMITS) -> Front:
    """Parses what stands behind the header: index and tables.

    Args:
        front: the front as far as it is parsed.
        limits: how much memory it may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: as `parse_front`.
    """
    preamble, header = front.preamble, front.header
    tables_at = preamble.front_size - preamble.tables
    tables = _parse_table_sets(front.data[tables_at:], tables_at, limits)
    packed = front.data[PREAMBLE.size + preamble.header : tables_at]
    with frame_errors("index"):
        unpacked = decompress(packed, preamble.index_unpacked)
    segments = tuple(_parse_index(unpacked, header, preamble.body, limits))
    if header.kind == "tensor":
        _check_tensor(header, segments)
    return Front(
        header,
        segments,
        tables,
        preamble.front_size,
        preamble.body,
        preamble.body_digest,
        preamble.digest,
    )


def fields_of(value: object, where: str) -> Fields:
    """The fields of the header or the index, or of what lies in them."""
    return Fields(value, where, InvalidPatch, unsupported=UnsupportedPatch, remedy=REMEDY)


def _check_weight(data: bytes, what: str, limits: Limits) -> None:
    """Refuses JSON text that takes more memory than allowed once it is parsed."""
    if canonical_json.weight(data) > limits.front:
        raise LimitExceeded(
            f"the patch's {what} takes about {canonical_json.weight(data)} bytes parsed, "
            f"{limits.front} are allowed; raise Limits.front if you trust it"
        )


def parse_header(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Header:
    """The header from its JSON. Fields that this version does not know are passed over."""
    _check_weight(data, "header", limits)
    fields = fields_of(canonical_json.parse(data, HEADER, InvalidPatch, remedy=REMEDY), HEADER)
    if fields.text("format") != VERSION:
        raise UnsupportedPatch(f"expected {VERSION}, found {fields.text('format')}")
    kind = fields.text("kind")
    if kind not in {"tensor", "model", "folder"}:
        raise UnsupportedPatch(f"expected a patch of a tensor, a model or a folder, found {kind!r}")
    if fields.text("algorithm") != "delta":
        raise UnsupportedPatch(f"unknown algorithm {fields.text('algorithm')!r}; update sapwood")
    folders = kind == "folder"
    bases = tuple(_parse_digest(f, folders) for f in fields.objects("bases"))
    if not 1 <= len(bases) <= MOST_BASES:
        raise UnsupportedPatch(
            f"header.bases: expected 1 to {MOST_BASES} bases, found {len(bases)}; update sapwood"
        )
    target = _parse_digest(fields.object("target"), folders)
    if folders and all(one.files is None for one in (target, *bases)):
        raise InvalidPatch("header: a patch of folders without one")
    if kind != "tensor" and None in (target.sha256, *(base.sha256 for base in bases)):
        raise InvalidPatch("header: a patch of a model without SHA-256 of base and target")
    label = fields.optional_text("dtype")
    return Header(
        kind=kind,
        algorithm=fields.text("algorithm"),
        bases=bases,
        target=target,
        base_format=fields.text("base_format"),
        target_format=fields.text("target_format"),
        dtype=None if label is None else parse_dtype(label),
        shape=_parse_shape(fields),
        byte_order=fields.text("byte_order"),
        counts=fields.object("counts").every_size(),
        writer=fields.text("writer"),
        created_at=fields.optional_size("created_at"),
        metadata=fields.object("metadata").every_value(),
    )


def _parse_digest(fields: Fields, folders: bool) -> FileDigest:
    """An entry of `bases`, or `target`, in the header; a folder in a patch of `folders` alone."""
    sha256 = fields.optional_text("sha256")
    size = fields.size("size")
    return FileDigest(
        size,
        fields.hex("blake3", DIGEST),
        None if sha256 is None else fields.hex("sha256", DIGEST),
        fields.optional_text("name"),
        parse_files(fields, size) if folders else None,
    )


def _parse_shape(fields: Fields) -> tuple[int, ...]:
    """The sides of a tensor. Their number is bounded, since they are multiplied."""
    shape = fields.sizes("shape")
    if len(shape) > MOST_DIMENSIONS:
        raise fields.fail(
            "shape", f"expected at most {MOST_DIMENSIONS} dimensions, found {len(shape)}"
        )
    return tuple(shape)


def _check_tensor(header: Header, segments: Sequence[Segment]) -> None:
    """Checks that the index of a patch of a tensor has one segment, and what the header says."""
    if len(segments) != 1:
        raise InvalidPatch(f"index: expected one segment of a tensor, found {len(segments)}")
    (segment,) = segments
    if segment.dtype is not header.dtype or segment.shape != header.shape or segment.name:
        raise InvalidPatch("index: the segment's name, dtype or shape is not the header's")
    prediction = segment.prediction
    if prediction is not None and prediction.converts:
        raise InvalidPatch("index: a tensor's prediction is of another type")
    if isinstance(prediction, BlendEntry) and prediction.given_places():
        raise InvalidPatch("index: a tensor's prediction is of an adapter")
    if any(place.offset != 0 for place in segment.places()):
        raise InvalidPatch("index: a tensor's prediction begins inside of its base")
    if any(base.size != header.target.size for base in header.bases):
        raise InvalidPatch("header: base and target of a tensor differ in size")


def _parse_table_sets(data: bytes, offset: int, limits: Limits) -> tuple[bytes, ...]:
    """The serialised sets of tables, each of which stands behind its length, a u32."""
    allowed = limits.front if limits.tables is None else limits.tables
    sets: list[bytes] = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise InvalidPatch("damaged tables: cut off", offset=offset + at)
        if len(sets) == MOST_TABLES:  # a set of a few bytes takes half a MiB unpacked
            raise InvalidPatch(f"damaged tables: more than {MOST_TABLES} sets", offset=offset + at)
        if (len(sets) + 1) * TABLES_UNPACKED > allowed:
            raise LimitExceeded(
                f"the patch's tables take more than {allowed} bytes unpacked; "
                "raise Limits.front, or Limits.tables, if you trust it"
            )
        size = int.from_bytes(data[at : at + 4], "little")
        at += 4
        if size > len(data) - at:
            raise InvalidPatch("damaged tables: a set runs past the end", offset=offset + at)
        sets.append(data[at : at + size])
        at += size
    return tuple(sets)


def _parse_index(data: bytes, header: Header, body: int, limits: Limits) -> Iterator[Segment]:
    """The segments, each checked against its neighbours, the base, target and body."""
    _check_weight(data, "index", limits)
    parsed = canonical_json.parse_exact(data, INDEX, InvalidPatch, remedy=REMEDY)
    fields = fields_of(parsed, INDEX)
    fields.only({"segments"})
    target_offset = body_offset = 0
    for one in fields.objects("segments"):
        segment = dataclasses.replace(
            _parse_segment(one, limits), target_offset=target_offset, body_offset=body_offset
        )
        for place in segment.places():
            if place.base >= len(header.bases):
                raise UnsupportedPatch(
                    f"{one.where}: predicted from base {place.base} of {len(header.bases)}; "
                    "update sapwood"
                )
            end = place.offset + place.length
            if end > header.bases[place.base].size:
                raise InvalidPatch(f"{one.where}: reads up to byte {end} of a base that is shorter")
        target_offset += segment.nbytes
        body_offset += segment.payload_size
        if target_offset > header.target.size or body_offset > body:
            raise InvalidPatch(f"{one.where}: runs past the end of the target or the body")
        yield segment
    if target_offset != header.target.size or body_offset != body:
        raise InvalidPatch(
            f"index: expected segments of {header.target.size} target bytes and payloads of "
            f"{body}, found {target_offset} and {body_offset}"
        )


def _parse_segment(fields: Fields, limits: Limits) -> Segment:
    """One segment of the index. A field that is not known may change its meaning: refused."""
    fields.only(SEGMENT_FIELDS)
    dtype = parse_dtype(fields.text("dtype"))
    shape = _parse_shape(fields)
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
    blocks = parse_blocks(fields, dtype, (elements, row_length, chunk_elements), limits)
    codings = fields.text("codings")
    sizes = fields.sizes("sizes")
    digests = fields.hex("digests", CHUNK_DIGEST * len(codings))
    if len(sizes) != len(codings) or len(codings) != -(-elements // chunk_elements):
        raise InvalidPatch(f"{fields.where}: wrong number of chunks")
    prediction = parse_prediction(fields, dtype, elements, limits)
    segment = Segment(
        name=fields.text("name"),
        dtype=dtype,
        shape=shape,
        prediction=prediction,
        row_length=row_length,
        chunk_elements=chunk_elements,
        chunks=tuple(
            Chunk(
                _parse_coding(letter, fields),
                size,
                digests[i * CHUNK_DIGEST : (i + 1) * CHUNK_DIGEST],
            )
            for i, (letter, size) in enumerate(zip(codings, sizes, strict=True))
        ),
        blocks=blocks,
    )
    _check_chunks(segment, fields)
    return segment


def _parse_coding(letter: str, fields: Fields) -> Coding:
    """The coding of a letter; `fields` are those of the segment, for errors."""
    try:
        return Coding(letter)
    except ValueError as e:
        raise UnsupportedPatch(f"{fields.where}: unknown coding {letter!r}; update sapwood") from e


def _check_chunks(segment: Segment, fields: Fields) -> None:
    """Checks that the segment can have each coding, with a payload of that size."""
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
                fits = segment.dtype.family == "float" and chunk.size < length
            case Coding.BLOCKS:
                fits = segment.blocks is not None and chunk.size < length
            case Coding.SPLICE | Coding.COMPRESSED | Coding.PREFIXED:
                fits = chunk.size < length
        if not fits:
            raise InvalidPatch(f"{fields.where}: a chunk with an impossible coding or payload size")
