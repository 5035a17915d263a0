"""Reads the weights' places from an OpenVINO model: the XML of an IR, version 10 or 11.

    <net name=".." version="11"><layers>
      <layer id="0" name="w" type="Const">
        <data element_type="f32" shape="64, 3" offset="0" size="768"/>

The elements are in the file beside it that ends in ".bin" instead of ".xml"; see
`modelfile.folder`. The XML itself is skeleton. It is read by expat piece by piece: what
nests deeply, holds a huge tag or has ever new names of tags is refused, so that memory is
bounded whatever the file. A document type could only stand before `net`, where none is
taken: there are no entities that could expand.
"""

from __future__ import annotations

from xml.parsers import expat

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.format import Format, SmallTensors
from sapwood.modelfile.layout import (
    MAX_INTEGER,
    ExternalTensor,
    ModelFile,
    TensorEntry,
    laid_out,
    shown,
)
from sapwood.modelfile.naming import LONGEST, Names
from sapwood.modelfile.typed import sized_spec, whole_number
from sapwood.tensors import DType

BEGINNING = 4096  # bytes in which the first tag must be
PIECE = 1 << 16  # bytes given to the parser at once
LARGEST_TAG = 1 << 20  # bytes; the parser holds a tag until it has all of it
LARGEST = 1 << 28  # bytes of XML; some seconds
MOST_WORDS = 1 << 12  # names of elements and attributes; the parser keeps each of them
DEEPEST = 128  # elements in one another; a body in a layer takes six

DTYPES = {
    "f32": DType.F32, "f16": DType.F16, "bf16": DType.BF16, "f64": DType.F64,
    "f8e4m3": DType.F8_E4M3, "f8e5m2": DType.F8_E5M2, "boolean": DType.BOOL,
    "i8": DType.I8, "i16": DType.I16, "i32": DType.I32, "i64": DType.I64,
    "u8": DType.U8, "u16": DType.U16, "u32": DType.U32, "u64": DType.U64,
}  # fmt: skip


def _looks_like_openvino(view: memoryview) -> bool:
    """Whether the file begins as XML whose first element is `net`."""
    beginning = bytes(view[:BEGINNING]).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not beginning.startswith((b"<?xml", b"<net")):
        return False
    if beginning.startswith(b"<?xml"):
        beginning = beginning.partition(b"?>")[2].lstrip()
    return beginning.startswith(b"<net") and beginning[4:5] in (b" ", b"\t", b"\r", b"\n", b">")


def _read_openvino(view: memoryview) -> ModelFile:
    """The layout of the XML of an OpenVINO model.

    Returns:
        A layout without tensors; `elsewhere` has those of the file beside it.

    Raises:
        InvalidModelFile: it is no XML, or not one that is safe to read; `offset` is the place.
    """
    if len(view) > LARGEST:
        raise InvalidModelFile(f"expected at most {LARGEST} bytes of XML", offset=LARGEST)
    walk = _Walk()
    walk.read(view)
    return laid_out("openvino", len(view), (), walk.tensors)


class _Walk:
    """One pass over the elements of the XML."""

    def __init__(self) -> None:
        self.tensors: list[ExternalTensor] = []
        self._names = Names()
        self._layers: list[dict[str, str]] = []  # those that are open
        self._words: set[str] = set()
        self._depth = 0
        # Always UTF-8, as OpenVINO writes: a codec that the file names is not to be looked up.
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def read(self, view: memoryview) -> None:
        """Reads all of a file.

        Raises:
            InvalidModelFile: see `_read_openvino`.
        """
        try:
            for at in range(0, len(view), PIECE):
                end = min(at + PIECE, len(view))
                self._parser.Parse(bytes(view[at:end]), end == len(view))
                if end - max(0, self._parser.CurrentByteIndex) > LARGEST_TAG:
                    raise InvalidModelFile(
                        f"expected tags of at most {LARGEST_TAG} bytes", offset=self._place()
                    )
        except expat.ExpatError as e:
            words = expat.errors.messages.get(e.code, "damaged")
            raise InvalidModelFile(f"no sound XML: {words}", offset=self._place()) from e

    def _place(self) -> int:
        return max(0, self._parser.CurrentByteIndex)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise InvalidModelFile(
                f"expected at most {DEEPEST} elements in one another", offset=self._place()
            )
        self._words.update(attributes)
        self._words.add(name)
        if len(self._words) > MOST_WORDS:
            raise InvalidModelFile(
                f"expected at most {MOST_WORDS} names of elements and attributes",
                offset=self._place(),
            )
        if name == "layer":
            self._layers.append(
                {key: attributes.get(key, "")[:LONGEST] for key in ("name", "type")}
            )
        elif name == "data" and self._layers and self._layers[-1]["type"] == "Const":
            self._add(self._layers[-1]["name"], attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "layer":
            self._layers.pop()

    def _add(self, name: str, attributes: dict[str, str]) -> None:
        offset, size = (whole_number(attributes.get(key, "")) for key in ("offset", "size"))
        if offset is None or size is None or offset > MAX_INTEGER - size:
            raise InvalidModelFile(
                f"layer {shown(name)}: expected offset and size of its elements",
                offset=self._place(),
            )
        if not size:
            return
        shape = _shape_of(attributes.get("shape", ""))
        spec = sized_spec(DTYPES.get(attributes.get("element_type", "").lower()), shape, size)
        entry = TensorEntry(self._names.unique(name), spec, offset)
        self.tensors.append(ExternalTensor(None, entry))


def _shape_of(text: str) -> list[int] | None:
    """Sides as "64, 3, 7"; None where they are not known; none of a scalar."""
    sides = [whole_number(one.strip()) for one in text.split(",")] if text.strip() else []
    known = [side for side in sides if side is not None]
    return known if len(known) == len(sides) else None


FORMAT = Format("openvino", _looks_like_openvino, _read_openvino, small_tensors=SmallTensors.CRUMBS)
