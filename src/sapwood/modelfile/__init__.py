"""Reads a model file into tensors and skeleton, byte-exactly and lazily.

The format is told from the content, never from the name. A file that is no model,
or a broken one, is still a file: all of it is skeleton, and is patched as bytes.
"""

from __future__ import annotations

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.layout import FileBytes, ModelFile, TensorEntry, byte_view, plain_bytes
from sapwood.modelfile.safetensors import looks_like_safetensors, read_safetensors

__all__ = [
    "FileBytes",
    "ModelFile",
    "TensorEntry",
    "apparent_format",
    "open_model",
    "read_safetensors",
]


def open_model(data: FileBytes) -> ModelFile:
    """The layout of any file.

    A file that begins as safetensors does but breaks its rules has the format
    "bytes", and the reason in `warning`. No content raises.

    Args:
        data: the whole file, as bytes (C-contiguous, 1 byte an element), usually a
            memory map; borrowed for the call, and read only as far as the header.

    Raises:
        UnsupportedType: `data` is not contiguous bytes.
    """
    view = byte_view(data)
    if not looks_like_safetensors(view):
        return plain_bytes(len(view))
    try:
        return read_safetensors(view)
    except InvalidModelFile as e:
        return plain_bytes(len(view), warning=str(e))


def apparent_format(data: FileBytes) -> str:
    """What a file begins as, from its first bytes alone: "bytes" where that is nothing known.

    Args:
        data: the first bytes of the file, 16 or more unless the file is shorter. Whether the
            rest keeps to the format is for `open_model` to say.
    """
    return "safetensors" if looks_like_safetensors(data) else "bytes"
