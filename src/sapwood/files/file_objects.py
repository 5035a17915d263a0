"""Binary file objects that callers pass: checked before any work, and copied from."""

from __future__ import annotations

import errno
import io
from typing import IO

from sapwood.errors import InputError
from sapwood.files.reading import STRIPE
from sapwood.files.writing import write_all


def check_file(file: object, verb: str) -> None:
    """Refuses what is no open binary file, before any work is put into it.

    Args:
        file: what a caller gave for a file.
        verb: "read" or "write", what is to be done with it.

    Raises:
        InputError: it is no open binary file, or not open for that.
    """
    if not hasattr(file, verb):
        raise InputError(f"expected a path, bytes or a binary file, found {type(file).__name__}")
    if isinstance(file, io.TextIOBase):
        raise InputError("expected a binary file, found one of text; open it in binary mode")
    if getattr(file, "closed", False):
        raise InputError("expected an open file, found a closed one")
    able = getattr(file, "readable" if verb == "read" else "writable", None)
    if able is not None and not able():
        raise InputError(f"expected a file to {verb}, found one that was not opened for it")


def copy_rest(file: IO[bytes], out: IO[bytes]) -> None:
    """Copies from the position of one file object to its end, to the position of another.

    Raises:
        OSError: one of them failed, or would have to wait although it is not to.
        InputError: `file` is one of text.
    """
    while True:
        data = file.read(STRIPE)
        if data is None:
            raise BlockingIOError(errno.EAGAIN, "nothing to read yet; make the file blocking")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InputError(f"expected a binary file, found one of {type(data).__name__}")
        if len(data) == 0:
            return
        write_all(out, memoryview(data))
