"""Files of keys: the bare bytes, as other tools keep them. Private ones are their owner's alone."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from sapwood.errors import InputError
from sapwood.files.refusals import os_errors
from sapwood.files.syncing import sync, sync_folder
from sapwood.files.writing import write_new
from sapwood.trust.algorithms.ed25519 import key_id

PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644


@dataclasses.dataclass(frozen=True, slots=True)
class KeyFiles:
    """A pair of keys in two files.

    Attributes:
        private: path of the private key's file.
        public: path of the public key's file.
        key_id: id of the key, 16 bytes, which its signatures name it by.
    """

    private: Path
    public: Path
    key_id: bytes

    def to_json(self) -> dict[str, str]:
        """Paths and id as JSON values, the id in hexadecimal."""
        return {
            "private_key": str(self.private),
            "public_key": str(self.public),
            "key_id": self.key_id.hex(),
        }


def write_keypair(private: Path, private_key: bytes, public: Path, public_key: bytes) -> KeyFiles:
    """Writes both keys to files that must not be there yet.

    Args:
        private: path of the private key's file, which its owner alone can read from the moment
            on that it exists.
        private_key: the private key, 64 bytes.
        public: path of the public key's file.
        public_key: the public key, 32 bytes.

    Raises:
        InputError: one of the files is there. A key that is lost cannot be made again.
        IoError: the operating system refused. After either error neither file was made.
    """
    _write_key(private, private_key, PRIVATE_MODE)
    try:
        _write_key(public, public_key, PUBLIC_MODE)
    except BaseException:
        with contextlib.suppress(OSError):
            private.unlink()
        raise
    return KeyFiles(private, public, key_id(public_key))


def _write_key(path: Path, data: bytes, mode: int) -> None:
    """Writes a file that is not there yet, with its mode from the start, or none at all."""
    with os_errors(path):
        try:
            write_new(path, [data], mode)
        except FileExistsError as e:
            raise InputError(f"{path}: is there already, and keys are not replaced") from e
        try:
            sync([path])
            sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise


def read_key(path: Path, size: int, what: str) -> bytes:
    """The bytes of a file of a key.

    Args:
        path: path of the file.
        size: bytes of the key.
        what: the key in words, for errors.

    Raises:
        InputError: the file has another size.
        IoError: it cannot be read.
    """
    with os_errors(path), path.open("rb") as file:
        data = file.read(size + 1)
    if len(data) != size:
        found = "more" if len(data) > size else str(len(data))
        raise InputError(f"{path}: expected {what} of {size} bytes, found {found}")
    return data
