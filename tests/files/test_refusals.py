"""What the operating system refuses is told in one way, with the name that its user knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sapwood import models
from sapwood.errors import InputError, IoError
from sapwood.files.folders import atomic_folder
from sapwood.files.outputs import atomic_output
from sapwood.files.refusals import os_errors

pytestmark = pytest.mark.quick


def test_the_refused_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(IoError) as raised, os_errors(tmp_path):
        missing.open()
    assert str(raised.value) == f"{missing}: No such file or directory"
    assert isinstance(raised.value.__cause__, FileNotFoundError)


def test_what_has_no_name_is_told_by_the_work(tmp_path: Path) -> None:
    with pytest.raises(IoError, match=r"^the spool: Bad file descriptor$"), os_errors("the spool"):
        os.fsync(1 << 20)
    with pytest.raises(IoError, match=r"^the spool: no more$"), os_errors("the spool"):
        raise OSError("no more")


def test_errors_of_ours_pass(tmp_path: Path) -> None:
    with pytest.raises(InputError), os_errors(tmp_path):
        raise InputError("wrong")


def test_no_hidden_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("none")
    name = str(tmp_path / "link" / "out")
    with pytest.raises(IoError) as raised, atomic_output(name):
        pass
    assert str(raised.value) == f"{name}: No such file or directory"
    with pytest.raises(IoError) as raised, atomic_folder(name):
        pass
    assert str(raised.value) == f"{name}: No such file or directory"


def test_a_file_to_update_is_told_as_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model").symlink_to("none")
    Path("patch").write_bytes(b"")
    with pytest.raises(IoError, match=r"^model: No such file or directory$"):
        models.in_place.roll_back("model")
