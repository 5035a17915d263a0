"""Folders are walked through by name, never through a link, with nothing passed over unsaid."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood.files.walking import FoundFile, files_below, passed_over, walk

FILES = ("b", "a/z", "a/.hidden", "a/deep/er/c", "a-b/d", "A")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files, and an empty folder."""
    root = tmp_path / "root"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "empty").mkdir()
    return root


def paths(folder: Path, *, following: bool = False, **options: Callable[..., bool]) -> list[str]:
    return [one.path for one in walk(folder, following=following, **options)]


def test_files_come_by_name_before_what_is_in_folders(folder: Path) -> None:
    assert paths(folder) == ["A", "b", "a/.hidden", "a/z", "a/deep/er/c", "a-b/d"]
    assert all(one.is_file for one in walk(folder, following=False))


def test_what_is_not_wanted_is_not_looked_at(folder: Path) -> None:
    assert paths(folder, wanted=lambda path: path != "a") == ["A", "b", "a-b/d"]
    assert "a/z" not in paths(folder, wanted=lambda path: path != "a/z")


def test_links_to_files_are_what_is_asked_for(folder: Path) -> None:
    (folder / "link").symlink_to("b")

    def link(following: bool) -> FoundFile:
        found = walk(folder, following=following)
        return next(one for one in found if one.path == "link")

    assert link(following=True).is_file
    assert link(following=True).status.st_ino == (folder / "b").stat().st_ino
    assert not link(following=False).is_file


def test_links_to_folders_are_not_walked_through(folder: Path, tmp_path: Path) -> None:
    (folder / "around").symlink_to(".")
    (folder / "out").symlink_to(tmp_path)
    for following in (False, True):
        found = paths(folder, following=following)
        assert {one for one in found if one.startswith(("around", "out"))} == {"around", "out"}


def test_what_leads_nowhere_is_refused_where_links_are_followed(folder: Path) -> None:
    (folder / "nowhere").symlink_to("none")
    (folder / "circle").symlink_to("circle")
    assert {"nowhere", "circle"} <= set(paths(folder))
    with pytest.raises(OSError, match="circle"):
        paths(folder, following=True)
    refused: list[str] = []
    found = walk(folder, following=True, refused=lambda e: refused.append(Path(e.filename).name))
    assert len(list(found)) == len(FILES)
    assert refused == ["circle", "nowhere"]


def test_a_folder_that_cannot_be_read_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(PermissionError):
        paths(folder)
    found = [one.path for one in walk(folder, following=False, refused=passed_over)]
    assert sorted(found) == sorted(set(FILES) - {"a/deep/er/c"})


def test_a_file_below_is_found_once(folder: Path) -> None:
    (folder / "again").hardlink_to(folder / "b")
    (folder / "link").symlink_to("b")
    (folder / "nowhere").symlink_to("none")
    os.mkfifo(folder / "pipe")
    found = [one.relative_to(folder).as_posix() for one in files_below(folder, lambda size: True)]
    assert found == ["A", "again", "a/.hidden", "a/z", "a/deep/er/c", "a-b/d"]
