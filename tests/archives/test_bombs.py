"""Archives of kilobytes that unpack to gigabytes, or claim to: refused in little memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood.content.zstd import compress
from support.hostile_packages import entry
from support.zip_files import Item, archive

NAME = "sapwood-template.toml"
SIZE = 256 << 20  # bytes, of zeros
MOST = 100  # MiB that opening may take beside what importing did

SCRIPT = """
import re, sys
from pathlib import Path
from sapwood import errors
from sapwood.workspace import open_package
def peak():
    # Of this program alone: `getrusage` counts what the one took that started it.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
def refused(path):
    try:
        open_package(path).close()
    except errors.InvalidPackage as e:
        assert "\\n" not in str(e) and len(str(e)) < 500
    else:
        raise AssertionError("not refused")
refused(sys.argv[1])
before = peak()
refused(sys.argv[2])
print(peak() - before)
"""


def deflated(pieces: int) -> bytes:
    """Zeros, raw."""
    packer = zlib.compressobj(9, wbits=-15)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(pieces)), packer.flush()])


def bzip2() -> bytes:
    packer = bz2.BZ2Compressor()
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(256)), packer.flush()])


def of_lzma() -> bytes:
    """As zips have it, with a dictionary of 1.5 GiB."""
    form = {"id": lzma.FILTER_LZMA1, "preset": 1, "dict_size": 1 << 20}
    packer = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[form])
    properties = struct.pack("<BBHBL", 9, 4, 5, 93, 3 << 29)
    parts = [*(packer.compress(bytes(1 << 20)) for _ in range(256)), packer.flush()]
    return properties + b"".join(parts)


def tar_of_zeros(size: int) -> bytes:
    """A tar whose only file has zeros alone, and is the manifest."""
    info = tarfile.TarInfo(NAME)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(size + 1024)


def zstd_frame(data: bytes, window: int) -> bytes:
    """A frame of 512 bytes and of zeros behind them, which says what window it needs.

    Args:
        data: the whole content.
        window: power of two, bytes.
    """
    head, block = data[:512], 1 << 17
    frame = b"\x28\xb5\x2f\xfd\0" + bytes([(window - 10) << 3])
    frame += (len(head) << 3).to_bytes(3, "little") + head
    repeated = (block << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    return frame + repeated * ((len(data) - 512) // block) + b"\1\0\0"


def repeated(kind: bytes, content: bytes) -> bytes:
    """A tar of as many headers as a bomb has, and a file behind each."""
    return (entry(kind, content) + entry(tarfile.REGTYPE, b"")) * 200


BOMBS: dict[str, Callable[[], bytes]] = {
    "bzip2 in a zip": lambda: archive([Item(NAME, bytes(300), 12, packed=bzip2(), size=300)]),
    "LZMA in a zip": lambda: archive([Item(NAME, bytes(300), 14, packed=of_lzma(), size=300)]),
    "deflate in a zip": lambda: archive([Item(NAME, bytes(300), 8, packed=deflated(256))]),
    "deflate in a zip, of the size that it says": lambda: archive(
        [Item(NAME, b"", 8, packed=deflated(256), size=SIZE)]
    ),
    "gzip": lambda: gzip.compress(tar_of_zeros(SIZE)),
    "gzip of names": lambda: gzip.compress(repeated(tarfile.GNUTYPE_LONGNAME, b"a" * 1_000_000)),
    "gzip of nothing, very often": lambda: gzip.compress(b"") * 5_000,
    "zstd": lambda: compress(tar_of_zeros(SIZE), 3),
    "zstd with a window of 64 MiB": lambda: zstd_frame(tar_of_zeros(SIZE), 26),
    "zstd with a window of 128 MiB": lambda: zstd_frame(tar_of_zeros(SIZE), 27),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is told by /proc")
@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_is_refused_in_little_memory(case: str, tmp_path: Path) -> None:
    small, bomb = tmp_path / "small", tmp_path / "bomb"
    # What is imported to read an archive is no part of what a bomb takes.
    small.write_bytes(compress(b"hello" * 200, 3))
    bomb.write_bytes(BOMBS[case]())
    assert bomb.stat().st_size < 400 << 10
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(small), str(bomb)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < MOST
