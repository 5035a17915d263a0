"""Reads a model file into tensors and skeleton, byte-exactly and lazily.

The format is told from the content, never from the name. A file that is no model,
or a broken one, is still a file: all of it is skeleton, and is patched as bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.coreml import looks_like_coreml, read_coreml
from sapwood.modelfile.coreml_weights import looks_like_coreml_weights, read_coreml_weights
from sapwood.modelfile.gguf import looks_like_gguf, read_gguf
from sapwood.modelfile.hdf5 import looks_like_hdf5, read_hdf5
from sapwood.modelfile.layout import FileBytes, ModelFile, TensorEntry, byte_view, plain_bytes
from sapwood.modelfile.npy import looks_like_npy, read_npy
from sapwood.modelfile.onnx import looks_like_onnx, read_onnx
from sapwood.modelfile.openvino import looks_like_openvino, read_openvino
from sapwood.modelfile.safetensors import looks_like_safetensors, read_safetensors
from sapwood.modelfile.tflite import looks_like_tflite, read_tflite
from sapwood.modelfile.zipped import looks_like_zip, read_zip

__all__ = [
    "READERS",
    "FileBytes",
    "ModelFile",
    "TensorEntry",
    "apparent_format",
    "open_model",
    "read_coreml",
    "read_coreml_weights",
    "read_gguf",
    "read_hdf5",
    "read_npy",
    "read_onnx",
    "read_openvino",
    "read_safetensors",
    "read_tflite",
    "read_zip",
]

READERS: tuple[
    tuple[Callable[[FileBytes], bool], Callable[[FileBytes], ModelFile]],
    ...,
] = (
    (looks_like_safetensors, read_safetensors),
    (looks_like_gguf, read_gguf),
    (looks_like_zip, read_zip),
    (looks_like_hdf5, read_hdf5),
    (looks_like_npy, read_npy),
    (looks_like_tflite, read_tflite),
    (looks_like_coreml_weights, read_coreml_weights),
    (looks_like_openvino, read_openvino),
    (looks_like_onnx, read_onnx),
    (looks_like_coreml, read_coreml),
)
"""How each format is told and read; those that are told at a glance come first."""

# What the first bytes alone tell; a zip archive may hold a model of several formats.
BEGINNINGS: tuple[tuple[Callable[[FileBytes], bool], str], ...] = (
    (looks_like_safetensors, "safetensors"),
    (looks_like_gguf, "gguf"),
    (looks_like_zip, "zip"),
    (looks_like_hdf5, "hdf5"),
    (looks_like_npy, "npy"),
    (looks_like_tflite, "tflite"),
)


def open_model(data: FileBytes) -> ModelFile:
    """The layout of any file.

    A file that begins as a known format does but breaks its rules has the format
    "bytes", and the reason in `warning`. No content raises.

    Args:
        data: the whole file, as bytes (C-contiguous, 1 byte an element), usually a
            memory map; borrowed for the call. Only what says where the tensors lie is read.

    Raises:
        UnsupportedType: `data` is not contiguous bytes.
    """
    view = byte_view(data)
    for looks_like, read in READERS:
        if looks_like(view):
            try:
                return read(view)
            except InvalidModelFile as e:
                return plain_bytes(len(view), warning=str(e))
    return plain_bytes(len(view))


def apparent_format(data: FileBytes) -> str:
    """What a file begins as, from its first bytes alone: "bytes" where that is nothing known.

    Args:
        data: the first bytes of the file, 16 or more unless the file is shorter. Whether the
            rest keeps to the format is for `open_model` to say.
    """
    return next((name for looks_like, name in BEGINNINGS if looks_like(data)), "bytes")
