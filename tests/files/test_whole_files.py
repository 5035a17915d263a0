"""Files are written whole, or are not there, however little the system takes at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sapwood import trust
from sapwood.errors import InputError, InvalidWorkspace, IoError
from sapwood.files.folders import make_folder
from sapwood.files.outputs import write_whole
from sapwood.files.positions import read_at, write_at
from sapwood.files.writing import write_new

pytestmark = pytest.mark.quick

DATA = bytes(range(256)) * 5


def by_little(real: Callable[..., int]) -> Callable[..., int]:
    """A call that takes some bytes at once."""

    def call(handle: int, data: memoryview, *rest: Any) -> int:
        return real(handle, data[:97], *rest)

    return call


def refusing(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_writes_that_take_little_are_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    monkeypatch.setattr(os, "write", by_little(os.write))
    monkeypatch.setattr(os, "pwrite", by_little(os.pwrite))
    write_new(path, [DATA, b"", DATA])
    assert path.read_bytes() == 2 * DATA
    handle = os.open(path, os.O_RDWR)
    write_at(handle, 1000, DATA)
    assert read_at(handle, 1000, len(DATA), path).tobytes() == DATA
    os.close(handle)
    assert path.read_bytes() == (2 * DATA)[:1000] + DATA + (2 * DATA)[1000 + len(DATA) :]


def test_a_new_file_that_cannot_be_written_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"

    def interrupted() -> Iterator[bytes]:
        yield DATA
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_new(path, interrupted())
    assert not path.exists()
    monkeypatch.setattr(os, "write", refusing)
    with pytest.raises(OSError, match="No space"):
        write_new(path, [DATA])
    assert not path.exists()


def test_a_new_file_is_none_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    (tmp_path / "b").symlink_to("c")
    for name in ("a", "b"):
        with pytest.raises(FileExistsError):
            write_new(tmp_path / name, [DATA])
    assert (tmp_path / "a").read_text() == "mine"
    assert not (tmp_path / "c").exists()


def test_the_old_file_is_there_until_the_new_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record"
    write_whole(path, b"old")
    (tmp_path / "record.new").write_bytes(b"of a program that was killed")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refusing)
        with pytest.raises(OSError, match="No space"):
            write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["record"]


@pytest.mark.parametrize("fails", [1, 2, 3, 4])
def test_keys_are_both_durable_or_both_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    public, private = trust.generate_keypair()
    synced: list[int] = []

    def failing(handle: int) -> None:
        synced.append(handle)
        if len(synced) == fails:
            refusing()

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(IoError, match="No space"):
        trust.write_keypair(tmp_path / "private", private, tmp_path / "public", public)
    assert list(tmp_path.iterdir()) == []
    trust.write_keypair(tmp_path / "private", private, tmp_path / "public", public)
    assert len(synced) == fails + 4  # each file, and its name


@pytest.mark.parametrize("fault", [InputError, InvalidWorkspace])
def test_what_is_in_the_way_of_a_folder_is_told(tmp_path: Path, fault: type[InputError]) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(".")
    for name, found in (("file", "a file"), ("link", "a link")):
        with pytest.raises(fault, match=f"expected a folder, found {found}") as raised:
            make_folder(tmp_path / name / "a" / "b", fault)
        assert type(raised.value) is fault
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
