"""The patch file `ttpatch/v1` as types: `spec/patch-v1.md` is the definition.

    preamble │ header │ index │ tables │ body

Here is what there is; `parsing` makes it of bytes and `serialising` bytes of it.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from blake3 import blake3

from sapwood.codec import Coding
from sapwood.files.trees import FileEntry
from sapwood.patch.format.predictions import BaseRange, Place, Prediction
from sapwood.tensors import DType, TensorSpec
from sapwood.tensors.blocks import BlockType

VERSION = "ttpatch/v1"
MAGIC = b"\x89TTP\r\n\x1a\n"
MAJOR = 1
BYTE_ORDER = 0xFEFF
PREAMBLE = struct.Struct("<8sHHIIIIIQ32s32s")
DIGEST = 32  # bytes of the digest of a file, or of the front
CHUNK_DIGEST = 16  # bytes; a chunk's is a prefix of its BLAKE3
MOST_ELEMENTS = 1 << 30  # elements of a chunk
MOST_DIMENSIONS = 64  # dimensions of a tensor
MOST_BASES = 64
PREDICTED = frozenset({Coding.COPY, Coding.RESIDUAL, Coding.SPARSE, Coding.BLOCKS})
"""The codings that read predictions."""

BASE_CODED = frozenset({Coding.RESIDUAL, Coding.SPARSE, Coding.BLOCKS, Coding.PREFIXED})
"""The codings that may not decode at all against another base than the right one."""

CODING_WORDS = {
    Coding.COPY: "copied",
    Coding.RESIDUAL: "residual",
    Coding.SPARSE: "sparse",
    Coding.VALUE: "value",
    Coding.SPLICE: "spliced",
    Coding.COMPRESSED: "compressed",
    Coding.PREFIXED: "compressed with the base",
    Coding.BLOCKS: "blocks",
    Coding.RAW: "raw",
}
"""What codings are called where people read of them."""


@dataclasses.dataclass(frozen=True, slots=True)
class FileDigest:
    """A base or target, named by its content.

    Attributes:
        size: bytes of the file, or of the files of a folder together.
        blake3: BLAKE3 of those bytes, 32 bytes.
        sha256: SHA-256 of those bytes, 32 bytes; None in patches of a tensor, which no other
            tool names.
        name: name by which a base among several is asked for; None for others.
        files: files of a folder, whose bytes these are in this order; None for a file.
    """

    size: int
    blake3: bytes
    sha256: bytes | None = None
    name: str | None = None
    files: tuple[FileEntry, ...] | None = None

    @property
    def digest_algorithm(self) -> str:
        """What people name it by: "sha256", or "blake3" in patches of a tensor."""
        return "blake3" if self.sha256 is None else "sha256"

    @property
    def digest(self) -> bytes:
        """The digest by that algorithm, 32 bytes."""
        return self.blake3 if self.sha256 is None else self.sha256

    def to_json(self) -> dict[str, Any]:
        """Size and digests as JSON values."""
        sha256 = None if self.sha256 is None else self.sha256.hex()
        return {"size": self.size, "blake3": self.blake3.hex(), "sha256": sha256}


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a segment that is decoded alone.

    Attributes:
        coding: coding of the payload.
        size: bytes of the payload.
        digest: the first 16 bytes of the BLAKE3 of the chunk's target bytes.
    """

    coding: Coding
    size: int
    digest: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """A run of target bytes that are elements of one type.

    Attributes:
        name: name of the tensor; empty for bytes that belong to none.
        dtype: type of the elements.
        shape: shape of the tensor; one dimension where there is no name.
        prediction: what residuals are taken against, or None.
        row_length: elements a row.
        chunk_elements: elements of each chunk but the last.
        chunks: chunks in order.
        target_offset: first byte of the segment in the target.
        body_offset: first byte of its payloads in the body: that of the factors, if there are
            any, then those of the chunks.
        blocks: type of its blocks, for the coding BLOCKS; None where that is not used.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    prediction: Prediction | None
    row_length: int
    chunk_elements: int
    chunks: tuple[Chunk, ...]
    target_offset: int = 0
    body_offset: int = 0
    blocks: BlockType | None = None

    @property
    def elements(self) -> int:
        """Elements of the segment."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Target bytes of the segment."""
        return self.elements * self.dtype.size

    @property
    def factors_size(self) -> int:
        """Bytes of the factors, which stand before the payloads of the chunks."""
        return 0 if self.prediction is None else self.prediction.payload_size

    def places(self) -> list[Place]:
        """What its prediction reads of the bases."""
        if self.prediction is None:
            return []
        return self.prediction.places(self.nbytes, self.dtype.size)

    @property
    def payload_size(self) -> int:
        """Bytes of its payloads."""
        return self.factors_size + sum(chunk.size for chunk in self.chunks)

    @property
    def unchanged(self) -> bool:
        """Whether all of it equals a part of a base."""
        return isinstance(self.prediction, BaseRange) and all(
            chunk.coding is Coding.COPY for chunk in self.chunks
        )

    def spans(self) -> Iterator[tuple[Chunk, int, int]]:
        """Each chunk with its begin and end in bytes from the segment's start."""
        step = self.chunk_elements * self.dtype.size
        for i, chunk in enumerate(self.chunks):
            yield chunk, i * step, min((i + 1) * step, self.nbytes)

    def codings(self) -> list[tuple[Coding, int]]:
        """The codings of its chunks with the target bytes of each, the most first."""
        covered: Counter[Coding] = Counter()
        for chunk, begin, end in self.spans():
            covered[chunk.coding] += end - begin
        return covered.most_common()

    @property
    def bits_per_weight(self) -> float | None:
        """Bits of payload for each element, or weight of a block; None for bytes or nothing."""
        if self.dtype is DType.BYTES or self.elements == 0:
            return None
        weights = self.elements
        if self.blocks is not None:
            weights = weights // self.blocks.nbytes * self.blocks.weights
        return 8 * self.payload_size / weights

    def to_json(self) -> dict[str, Any]:
        """The segment as JSON values.

        `name` is None for what is no tensor's; `codings` are in bytes of target. `blocks` is the
        type of quantised weights that were taken apart, None of other segments. `base` in the
        terms of `prediction` is the place in the header's bases, from 0.
        """
        return {
            "name": self.name or None,
            "dtype": self.dtype.label,
            "blocks": None if self.blocks is None else self.blocks.name,
            "shape": list(self.shape),
            "target_offset": self.target_offset,
            "target_size": self.nbytes,
            "payload_size": self.payload_size,
            "bits_per_weight": self.bits_per_weight,
            "predicted": self.prediction is not None,
            "prediction": None if self.prediction is None else self.prediction.to_json(),
            "codings": {CODING_WORDS[coding]: size for coding, size in self.codings()},
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """What can be known of a patch without its index.

    Attributes:
        kind: "tensor"; "model" for files; "folder" where a base or the target is one.
        algorithm: "delta".
        bases: the bases that the patch applies to.
        target: the target that it makes.
        base_format: format of the first base, such as "safetensors"; "tensor" for a tensor.
        target_format: format of the target, likewise.
        dtype: element type of a tensor; None in a patch of a model.
        shape: shape of a tensor; () in a patch of a model.
        byte_order: byte order of the target's elements as the creator had them; payloads are
            little-endian always.
        counts: how many tensors there are, by what became of them.
        writer: name and version of the program that made the patch.
        created_at: Unix time in seconds, or None.
        metadata: what the user put there, as JSON values.
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
        header: the header, parsed.
        segments: the entries of the index, in order.
        tables: the serialised sets of tables, by number.
        size: bytes of the front; the body begins there.
        body_size: bytes of the payloads together.
        body_digest: BLAKE3 of the payloads together, 32 bytes.
        digest: BLAKE3 of the front, 32 bytes, which names the patch.
    """

    header: Header
    segments: tuple[Segment, ...]
    tables: tuple[bytes, ...]
    size: int
    body_size: int
    body_digest: bytes
    digest: bytes

    @property
    def patch_size(self) -> int:
        """Bytes of the whole patch."""
        return self.size + self.body_size

    @property
    def tensor(self) -> TensorSpec:
        """Element type and shape of base and target, in a patch of a tensor alone."""
        (segment,) = self.segments
        return TensorSpec(segment.dtype, segment.shape)


@dataclasses.dataclass(frozen=True, slots=True)
class Preamble:
    """The fixed fields at the start of a patch.

    Attributes:
        header: bytes of the header.
        index: bytes of the index as it stands in the file.
        index_unpacked: bytes of the index, decompressed.
        tables: bytes of all sets of tables.
        body: bytes of the payloads together.
        body_digest: BLAKE3 of the payloads together, 32 bytes.
        digest: BLAKE3 of the front, 32 bytes.
    """

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


def front_digest(front: bytes) -> bytes:
    """The digest that the preamble ends with: of the front without that digest, 32 bytes."""
    hasher = blake3(front[: PREAMBLE.size - DIGEST])
    hasher.update(front[PREAMBLE.size :])
    return hasher.digest()


def with_digest(front: bytes) -> bytes:
    """A front with its digest in the place of whatever stands there."""
    return front[: PREAMBLE.size - DIGEST] + front_digest(front) + front[PREAMBLE.size :]
