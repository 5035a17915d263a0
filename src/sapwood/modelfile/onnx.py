"""Reads the layout of an ONNX file: a ModelProto in the wire format of Protocol Buffers.

Tensors are the initializers of the graph, of the subgraphs in the attributes of its nodes
(If, Loop, Scan), of functions and of training graphs; and the constants in attributes. What
lies in the file as elements is an entry: `raw_data`, and packed `float_data` and
`double_data`. Integers as varints, strings and all else are skeleton. Of a tensor with
external data, nothing but its place in another file is here: that is skeleton too, and the
tensor is told by `ModelFile.elsewhere`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.format import Format, SmallTensors
from sapwood.modelfile.layout import (
    MAX_INTEGER,
    ExternalTensor,
    ModelFile,
    TensorEntry,
    bounded_product,
    laid_out,
)
from sapwood.modelfile.naming import Names, joined, part
from sapwood.modelfile.protobuf import BYTES, VARINT, Wire, WireField
from sapwood.modelfile.typed import sized_spec, whole_number
from sapwood.tensors import DType

# The wire types of the fields of ModelProto, by their numbers.
MODEL_FIELDS = {
    1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES,
    14: BYTES, 20: BYTES, 25: BYTES, 26: BYTES,
}  # fmt: skip
IR_VERSION, GRAPH, TRAINING, FUNCTION = 1, 7, 20, 25
GRAPH_FIELDS = {1, 2, 5, 10, 11, 12, 13, 14, 15, 16}
NODE, INITIALIZER, SPARSE = 1, 5, 15  # of a graph
NEWEST_IR_VERSION = 255  # 13 in 2026
MOST_BEFORE_GRAPH = 4096  # fields; the graph comes after the producer's name and version
DEEPEST = 32  # graphs in graphs; the upstream parser stops at 100 messages, three a graph
MOST_DIMENSIONS = 64
MOST_ENTRIES = 16  # keys of a tensor's external data; five are known

DTYPES = {
    1: DType.F32, 2: DType.U8, 3: DType.I8, 4: DType.U16, 5: DType.I16, 6: DType.I32,
    7: DType.I64, 9: DType.BOOL, 10: DType.F16, 11: DType.F64, 12: DType.U32, 13: DType.U64,
    16: DType.BF16, 17: DType.F8_E4M3, 19: DType.F8_E5M2,
}  # fmt: skip


def _looks_like_onnx(view: memoryview) -> bool:
    """Whether the file begins as a ModelProto: its version, known fields, then a graph.

    The graph may be cut off, but begins with a field that a graph has.
    """
    # Told by its first two bytes: few other files come further.
    if len(view) < 2 or view[0] != IR_VERSION << 3 or not 0 < view[1] <= NEWEST_IR_VERSION:
        return False
    wire = Wire(view)
    for number, kind, at in wire.beginning(MOST_BEFORE_GRAPH):
        if MODEL_FIELDS.get(number) != kind:
            break
        if number == GRAPH:
            return _begins_as_graph(wire, at)
    return False


def _begins_as_graph(wire: Wire, at: int) -> bool:
    """Whether a message has a graph's first field, or none; `at` is the place of its length."""
    end = len(wire.view)
    try:
        length, at = wire.varint(at, end)
        if not length or at == end:
            return True
        tag, _ = wire.varint(at, end)
    except InvalidModelFile:
        return False
    return tag & 7 == BYTES and tag >> 3 in GRAPH_FIELDS


def _read_onnx(view: memoryview) -> ModelFile:
    """The layout of an ONNX file. The elements of its tensors are not read.

    Raises:
        InvalidModelFile: the file breaks the format; `offset` is the place.
    """
    walk = _Walk(view)
    return laid_out("onnx", len(view), walk.model(), walk.elsewhere)


class _Walk:
    """One pass over the messages of a model that may hold tensors."""

    def __init__(self, view: memoryview) -> None:
        self._wire = Wire(view)
        self._view = view
        self._names = Names()
        self.elsewhere: list[ExternalTensor] = []

    def model(self) -> Iterator[TensorEntry]:
        for field in self._wire.fields(0, len(self._view)):
            if field.wire != BYTES:
                continue
            if field.number == GRAPH:
                yield from self._graph(field, "", 0)
            elif field.number == FUNCTION:
                yield from self._function(field)
            elif field.number == TRAINING:
                for graph in self._messages(field, {1, 2}):
                    yield from self._graph(graph, "training", 0)

    def _messages(self, message: WireField, numbers: set[int]) -> Iterator[WireField]:
        """The fields of a message that have one of the numbers and hold bytes."""
        for field in self._wire.fields(message.offset, message.end):
            if field.wire == BYTES and field.number in numbers:
                yield field

    def _first_text(self, message: WireField, numbers: set[int]) -> str:
        """The first text of a message in a field of one of the numbers, or none."""
        texts = (self._text(field) for field in self._messages(message, numbers))
        return next(filter(None, texts), "")

    def _text(self, field: WireField) -> str:
        return part(self._view, field.offset, field.length)

    def _graph(self, graph: WireField, path: str, depth: int) -> Iterator[TensorEntry]:
        if depth > DEEPEST:
            raise InvalidModelFile(
                f"expected at most {DEEPEST} graphs in one another", offset=graph.offset
            )
        for field in self._messages(graph, {NODE, INITIALIZER, SPARSE}):
            if field.number == NODE:
                yield from self._node(field, path, depth)
            elif field.number == INITIALIZER:
                yield from self._tensor(field, path, None)
            else:
                yield from self._sparse(field, path, None)

    def _function(self, function: WireField) -> Iterator[TensorEntry]:
        path = self._first_text(function, {1})
        for field in self._messages(function, {7, 11}):
            if field.number == 7:
                yield from self._node(field, path, 0)
            else:
                yield from self._attribute(field, path, 0)

    def _node(self, node: WireField, path: str, depth: int) -> Iterator[TensorEntry]:
        # Its first output names a node; its name may be missing.
        path = joined(path, self._first_text(node, {2, 3}))
        for attribute in self._messages(node, {5}):
            yield from self._attribute(attribute, path, depth)

    def _attribute(self, attribute: WireField, path: str, depth: int) -> Iterator[TensorEntry]:
        name = self._first_text(attribute, {1})
        end = "" if name in {"value", "sparse_value"} else name
        for field in self._messages(attribute, {5, 6, 10, 11, 22, 23}):
            if field.number in (5, 10):
                yield from self._tensor(field, path, end)
            elif field.number in (6, 11):
                yield from self._graph(field, joined(path, name), depth + 1)
            else:
                yield from self._sparse(field, path, end)

    def _sparse(self, sparse: WireField, path: str, name: str | None) -> Iterator[TensorEntry]:
        for field in self._messages(sparse, {1, 2}):
            yield from self._tensor(field, path, "indices" if field.number == 2 else name)

    def _tensor(self, tensor: WireField, path: str, known: str | None) -> Iterator[TensorEntry]:
        """The bytes of a tensor, if they are here as elements.

        Args:
            tensor: a TensorProto.
            path: names that lead to the graph or to the node's output.
            known: what the tensor is called there, or None for its own name.
        """
        name, kind, external = "", 0, False
        shape: list[int] = []
        runs: dict[int, WireField | None] = {}  # by their number; None where there are several
        entries: list[WireField] = []  # that say where external data is
        for field in self._wire.fields(tensor.offset, tensor.end):
            match field.number, field.wire:
                case 1, _:
                    self._add_extents(field, shape)
                case 2, 0:
                    kind = field.value
                case 8, 2:
                    name = self._text(field)
                case 13, 2 if len(entries) < MOST_ENTRIES:
                    entries.append(field)
                case 14, 0:
                    external = field.value == 1
                case (4 | 9 | 10) as number, _:
                    runs[number] = None if number in runs else field
        own = joined(path, name if known is None else known)
        if external:
            self._add_external(own, DTYPES.get(kind), shape, entries)
            return
        # Of several runs, which one counts is a reader's choice: they are skeleton.
        run = runs.get(9, runs.get(4, runs.get(10)))
        if run is None or run.wire != BYTES or not run.length:
            return
        dtype = {4: DType.F32, 10: DType.F64}.get(run.number) or DTYPES.get(kind)
        spec = sized_spec(dtype, shape, run.length)
        yield TensorEntry(self._names.unique(own), spec, run.offset)

    def _add_external(
        self, name: str, dtype: DType | None, shape: list[int], entries: list[WireField]
    ) -> None:
        """Notes a tensor in another file, where it is said what part of the file it is.

        Args:
            name: the name that the tensor would have here.
            dtype: type of the elements, as the file claims; None for one without our equal.
            shape: sides, as the file claims.
            entries: messages of a key and a value, both text, that say where the data is.
        """
        place = {self._first_text(one, {1}): self._first_text(one, {2}) for one in entries}
        offset = whole_number(place.get("offset", "0"))
        elements = bounded_product(shape)
        length = None if dtype is None or elements is None else elements * dtype.size
        if "length" in place:
            length = whole_number(place["length"])
        location = place.get("location")
        if location and offset is not None and length and offset <= MAX_INTEGER - length:
            spec = sized_spec(dtype, shape, length)
            entry = TensorEntry(self._names.unique(name), spec, offset)
            self.elsewhere.append(ExternalTensor(location, entry))

    def _add_extents(self, field: WireField, shape: list[int]) -> None:
        if len(shape) > MOST_DIMENSIONS:
            return
        if field.wire == VARINT:
            shape.append(field.value)
        elif field.wire == BYTES:
            at = field.offset
            while at < field.end and len(shape) <= MOST_DIMENSIONS:
                extent, at = self._wire.varint(at, field.end)
                shape.append(extent)


FORMAT = Format("onnx", _looks_like_onnx, _read_onnx, small_tensors=SmallTensors.ISLANDS)
