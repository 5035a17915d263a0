"""Reads a model file into tensors and skeleton, byte-exactly and lazily.

The format is told from the content, never from the name. A file that is no model,
or a broken one, is still a file: all of it is skeleton, and is patched as bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.gguf import looks_like_gguf, read_gguf
from sapwood.modelfile.layout import FileBytes, ModelFile, TensorEntry, byte_view, plain_bytes
from sapwood.modelfile.npy import looks_like_npy, read_npy
from sapwood.modelfile.safetensors import looks_like_safetensors, read_safetensors
from sapwood.modelfile.zipped import looks_like_zip, read_zip

__all__ = [
    "READERS",
    "FileBytes",
    "ModelFile",
    "TensorEntry",
    "open_model",
    "read_gguf",
    "read_npy",
    "read_safetensors",
    "read_zip",
]

READERS: tuple[
    tuple[Callable[[FileBytes], bool], Callable[[FileBytes], ModelFile]],
    ...,
] = (
    (looks_like_safetensors, read_safetensors),
    (looks_like_gguf, read_gguf),
    (looks_like_zip, read_zip),
    (looks_like_npy, read_npy),
)
"""How each format is told and read; the first that a file looks like counts."""


def open_model(data: FileBytes) -> ModelFile:
    """The layout of any file.

    A file that begins as a model of a known format does but breaks its rules has the
    format "bytes", and the reason in `warning`. No content raises.

    Args:
        data: the whole file, as bytes (C-contiguous, 1 byte an element), usually a
            memory map; borrowed for the call, and read only as far as its headers.

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
