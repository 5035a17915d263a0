"""Reads a model file into tensors and skeleton, byte-exactly and lazily.

The format is told from the content, never from the name. A file that is no model,
or a broken one, is still a file: all of it is skeleton, and is patched as bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.coreml import looks_like_coreml, read_coreml
from sapwood.modelfile.coreml_weights import looks_like_coreml_weights, read_coreml_weights
from sapwood.modelfile.layout import FileBytes, ModelFile, TensorEntry, byte_view, plain_bytes
from sapwood.modelfile.onnx import looks_like_onnx, read_onnx
from sapwood.modelfile.safetensors import looks_like_safetensors, read_safetensors
from sapwood.modelfile.tflite import looks_like_tflite, read_tflite

__all__ = [
    "FileBytes",
    "ModelFile",
    "TensorEntry",
    "open_model",
    "read_coreml",
    "read_coreml_weights",
    "read_onnx",
    "read_safetensors",
    "read_tflite",
]

# No content looks like two of them; those that are told at a glance come first.
FORMATS: tuple[tuple[Callable[[FileBytes], bool], Callable[[FileBytes], ModelFile]], ...] = (
    (looks_like_safetensors, read_safetensors),
    (looks_like_tflite, read_tflite),
    (looks_like_coreml_weights, read_coreml_weights),
    (looks_like_onnx, read_onnx),
    (looks_like_coreml, read_coreml),
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
    for looks_like, read in FORMATS:
        if looks_like(view):
            try:
                return read(view)
            except InvalidModelFile as e:
                return plain_bytes(len(view), warning=str(e))
    return plain_bytes(len(view))
