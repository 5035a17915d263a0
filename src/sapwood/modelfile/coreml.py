"""Reads the layout of a Core ML model (.mlmodel), in the wire format of Protocol Buffers.

Tensors are the weights of the layers of a neural network, of the networks within it and
of the models of a pipeline: packed f32, f16, and quantised bytes. Their shapes are spread
over the parameters of some twenty kinds of layers, so each has one dimension here. Other
kinds of models (trees, programs, whose weights are in a file of their own) are skeleton.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias, Union

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.format import Format, SmallTensors
from sapwood.modelfile.layout import ModelFile, TensorEntry, laid_out
from sapwood.modelfile.naming import Names, joined, part
from sapwood.modelfile.protobuf import BYTES, VARINT, Wire, WireField
from sapwood.modelfile.typed import sized_spec
from sapwood.tensors import DType

Message: TypeAlias = Mapping[int, tuple[str, Union["Message", str]]]
"""The fields of a message that lead to weights: name, and message or the name of one."""

WEIGHTS = "weights"  # the message that holds the elements
ELEMENTS = {1: DType.F32, 2: DType.F16, 30: DType.U8, 31: DType.I8}  # its fields


def _weights(**numbers: int) -> Message:
    return {number: (name, WEIGHTS) for name, number in numbers.items()}


_ACTIVATION: Message = {
    25: ("PReLU", _weights(alpha=1)),
    71: ("parametricSoftplus", _weights(alpha=1, beta=2)),
}
_LSTM = _weights(
    inputGateWeightMatrix=1, forgetGateWeightMatrix=2, blockInputWeightMatrix=3,
    outputGateWeightMatrix=4, inputGateRecursionMatrix=20, forgetGateRecursionMatrix=21,
    blockInputRecursionMatrix=22, outputGateRecursionMatrix=23, inputGateBiasVector=40,
    forgetGateBiasVector=41, blockInputBiasVector=42, outputGateBiasVector=43,
    inputGatePeepholeVector=60, forgetGatePeepholeVector=61, outputGatePeepholeVector=62,
)  # fmt: skip
_GRU = _weights(
    updateGateWeightMatrix=30, resetGateWeightMatrix=31, outputGateWeightMatrix=32,
    updateGateRecursionMatrix=50, resetGateRecursionMatrix=51, outputGateRecursionMatrix=52,
    updateGateBiasVector=70, resetGateBiasVector=71, outputGateBiasVector=72,
)  # fmt: skip
_LAYER: Message = {
    100: ("convolution", _weights(weights=90, bias=91)),
    130: ("activation", _ACTIVATION),
    140: ("innerProduct", _weights(weights=20, bias=21)),
    150: ("embedding", _weights(weights=20, bias=21)),
    160: ("batchnorm", _weights(gamma=15, beta=16, mean=17, variance=18)),
    245: ("scale", _weights(scale=2, bias=5)),
    250: ("bias", _weights(bias=2)),
    290: ("loadConstant", _weights(data=2)),
    400: ("simpleRecurrent", _weights(weightMatrix=30, recursionMatrix=31, biasVector=32)),
    410: ("gru", _GRU),
    420: ("uniDirectionalLSTM", {20: ("", _LSTM)}),
    430: ("biDirectionalLSTM", {20: ("", _LSTM)}),
    500: ("custom", _weights(weights=20)),
    605: ("branch", {1: ("ifBranch", "network"), 2: ("elseBranch", "network")}),
    615: ("loop", {3: ("conditionNetwork", "network"), 4: ("bodyNetwork", "network")}),
    1040: ("embeddingND", _weights(weights=20, bias=21)),
    1045: ("batchedMatmul", _weights(weights=8, bias=9)),
    1070: ("loadConstantND", _weights(data=2)),
    1350: ("layerNormalization", _weights(gamma=3, beta=4)),
    1471: ("convolution3d", _weights(weights=60, bias=61)),
}
_NAMED: dict[str, Message] = {
    "model": {
        200: ("", {1: ("", "pipeline")}),
        201: ("", {1: ("", "pipeline")}),
        202: ("", "pipeline"),
        303: ("", "network"),
        403: ("", "network"),
        500: ("", "network"),
    },
    "pipeline": {1: ("model", "model")},
    "network": {1: ("", "layer")},
    "layer": _LAYER,
}

VERSION = 1  # the first field of a model
FIELDS = {VERSION: VARINT, 2: BYTES, 10: VARINT}  # those before what it is: wire types by number
NEWEST_VERSION = 127  # 10 in 2025
KINDS = range(200, 3001)  # the numbers of what a model may be
MOST_BEFORE_KIND = 16  # fields
DEEPEST = 64  # messages in messages; the upstream parser stops at 100


def _looks_like_coreml(view: memoryview) -> bool:
    """Whether the file begins as a model: version, description, then one of the kinds.

    The last may be cut off.
    """
    if len(view) < 2 or view[0] != VERSION << 3 or not 0 < view[1] <= NEWEST_VERSION:
        return False
    for number, wire, _ in Wire(view).beginning(MOST_BEFORE_KIND):
        if number in KINDS:
            return wire == BYTES
        if FIELDS.get(number) != wire:
            break
    return False


def _read_coreml(view: memoryview) -> ModelFile:
    """The layout of a Core ML model. The elements of its tensors are not read.

    Raises:
        InvalidModelFile: the file breaks the format; `offset` is the place.
    """
    whole = WireField(0, BYTES, 0, len(view), 0)
    return laid_out("coreml", len(view), _Walk(view).message(whole, "model", "", 0))


class _Walk:
    """One pass over the messages of a model that may hold weights."""

    def __init__(self, view: memoryview) -> None:
        self._wire = Wire(view)
        self._names = Names()

    def message(
        self, place: WireField, kind: Message | str, path: str, depth: int
    ) -> Iterator[TensorEntry]:
        if depth > DEEPEST:
            raise InvalidModelFile(
                f"expected at most {DEEPEST} messages in one another", offset=place.offset
            )
        if kind == WEIGHTS:
            yield from self._elements(place, path)
            return
        if kind == "layer":
            path = joined(path, self._first_text(place))
        known = _NAMED[kind] if isinstance(kind, str) else kind
        for field in self._wire.fields(place.offset, place.end):
            if field.wire == BYTES and field.number in known:
                name, below = known[field.number]
                # What a layer does is in its parameters' place, and told by its own name.
                here = path if kind == "layer" else joined(path, name)
                yield from self.message(field, below, here, depth + 1)

    def _first_text(self, layer: WireField) -> str:
        for field in self._wire.fields(layer.offset, layer.end):
            if field.number == 1 and field.wire == BYTES:
                return part(self._wire.view, field.offset, field.length)
        return ""

    def _elements(self, weights: WireField, path: str) -> Iterator[TensorEntry]:
        for field in self._wire.fields(weights.offset, weights.end):
            if field.wire == BYTES and field.number in ELEMENTS and field.length:
                spec = sized_spec(ELEMENTS[field.number], None, field.length)
                yield TensorEntry(self._names.unique(path), spec, field.offset)


FORMAT = Format("coreml", _looks_like_coreml, _read_coreml, small_tensors=SmallTensors.ISLANDS)
