"""Reads a model file into tensors and skeleton, byte-exactly and lazily.

The format is told from the content, never from the name. A file that is no model,
or a broken one, is still a file: all of it is skeleton, and is patched as bytes.
"""

from __future__ import annotations

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.coreml import FORMAT as COREML
from sapwood.modelfile.coreml_weights import FORMAT as COREML_WEIGHTS
from sapwood.modelfile.format import BEGINNING, Format, SmallTensors
from sapwood.modelfile.gguf import FORMAT as GGUF
from sapwood.modelfile.hdf5 import FORMAT as HDF5
from sapwood.modelfile.layout import FileBytes, ModelFile, TensorEntry, byte_view, plain_bytes
from sapwood.modelfile.npy import FORMAT as NPY
from sapwood.modelfile.onnx import FORMAT as ONNX
from sapwood.modelfile.openvino import FORMAT as OPENVINO
from sapwood.modelfile.safetensors import FORMAT as SAFETENSORS
from sapwood.modelfile.stand_ins import stand_in
from sapwood.modelfile.tflite import FORMAT as TFLITE
from sapwood.modelfile.zipped import FORMAT as ZIP

__all__ = [
    "FORMATS",
    "FileBytes",
    "Format",
    "ModelFile",
    "SmallTensors",
    "TensorEntry",
    "apparent_format",
    "format_named",
    "open_model",
]

FORMATS = (
    SAFETENSORS,
    GGUF,
    ZIP,
    HDF5,
    NPY,
    TFLITE,
    COREML_WEIGHTS,
    OPENVINO,
    ONNX,
    COREML,
)
"""All formats that are read; those that are told at a glance come first."""

PLAIN = Format("bytes", lambda _: True, lambda view: plain_bytes(len(view)))
"""What every other file is."""


def open_model(data: FileBytes) -> ModelFile:
    """The layout of any file.

    A file that begins as a known format does but breaks its rules has the format
    "bytes", and the reason in `warning`. So has what lies in the place of a model that was not
    fetched (`modelfile.stand_ins`). No content raises.

    Args:
        data: the whole file as C-contiguous single bytes, usually a memory map; borrowed for
            the call. Only what says where the tensors lie is read.

    Raises:
        UnsupportedType: `data` is not contiguous bytes.
    """
    view = byte_view(data)
    found = next((one for one in FORMATS if one.told_by(view)), None)
    if found is None:
        return plain_bytes(len(view), warning=stand_in(view))
    try:
        return found.reads(view)
    except InvalidModelFile as e:
        return plain_bytes(len(view), warning=str(e))


def format_named(name: str) -> Format:
    """What is known of files that `ModelFile.format` calls so.

    Of "bytes", "folder" and the names of later versions of the program: what is known of plain
    bytes, which is nothing.
    """
    return next((one for one in FORMATS if name in one.names), PLAIN)


def apparent_format(data: FileBytes) -> str:
    """What a file begins as, from its first bytes alone: "bytes" where that is nothing known.

    A zip archive may hold a model of several formats: it begins as "zip".

    Args:
        data: the first 16 bytes of the file or more, unless the file is shorter. Whether the
            rest keeps to the format is for `open_model` to say.

    Raises:
        UnsupportedType: `data` is not contiguous bytes.
    """
    view = byte_view(data)[:BEGINNING]
    told = (one.name for one in FORMATS if one.is_told_at_once and one.told_by(view))
    return next(told, PLAIN.name)
