"""Which files of a folder count: all but litter, by patterns, as a walk sees it or a path alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from sapwood.documents.file_selection import FileSelection
from sapwood.documents.litter import is_litter, is_litter_in_package
from sapwood.errors import InputError
from sapwood.files.walking import walk, walk_selected

pytestmark = pytest.mark.quick

NAMES = ["a", "b.txt", ".git", ".cache", "logs", "x~", "__pycache__"]
PATTERNS = ["*", "**", "a/**", "logs", "logs/", ".cache/**", "**/b.txt", ".git/**", "**/logs"]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
patterns = st.lists(st.sampled_from(PATTERNS), max_size=2)


@pytest.mark.parametrize(
    "path",
    [
        *(".git", ".git/config", "sub/.git/config", ".cache/huggingface/download/x.metadata"),
        *(".DS_Store", "a/._model", "a/__pycache__/b.pyc", "b.pyc", "a/.ipynb_checkpoints/n.ipynb"),
        *("config.json~", ".config.json.swp", ".#config.json", "Thumbs.db", ".nfs0001"),
    ],
)
def test_litter(path: str) -> None:
    assert is_litter(path)
    assert FileSelection().left_out(path) is not None


@pytest.mark.parametrize(
    "path", [".gitattributes", ".gitignore", "config.json", "cache/a", "git/b", "pyc", ".env"]
)
def test_what_is_none(path: str) -> None:
    assert not is_litter(path)
    assert FileSelection().left_out(path) is None


@given(paths)
def test_litter_of_packages_is_litter(path: str) -> None:
    assert is_litter(path) or not is_litter_in_package(path)


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ([], [], ["a/b", "logs/1", "model"]),
        ([], ["logs"], ["a/b", "model"]),
        ([], ["logs/"], ["a/b", "model"]),
        ([], ["**/b", "model"], ["logs/1"]),
        (["**"], [], [".cache/c", ".git/d", "a/b", "logs/1", "model"]),
        ([".cache/**"], [], [".cache/c", "a/b", "logs/1", "model"]),
        (["a/*"], ["**"], ["a/b"]),
        (["logs/1"], ["logs"], ["a/b", "logs/1", "model"]),
    ],
)
def test_patterns(include: list[str], exclude: list[str], taken: list[str]) -> None:
    selection = FileSelection.of(include, exclude)
    files = [".cache/c", ".git/d", "a/b", "logs/1", "model"]
    assert [one for one in files if selection.left_out(one) is None] == taken


@settings(max_examples=60, deadline=None)
@given(st.sets(paths, max_size=8), patterns, patterns)
def test_a_walk_takes_what_is_selected_by_path(
    tmp_path_factory: pytest.TempPathFactory,
    files: set[str],
    include: list[str],
    exclude: list[str],
) -> None:
    root = tmp_path_factory.mktemp("root")
    for path in sorted(files):
        place = root / path
        if not place.exists() and not any(one.is_file() for one in place.parents):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"")
    there = {one.path for one in walk(root, following=True)}
    selection = FileSelection.of(include, exclude)
    left_out: set[str] = set()
    found = {one.path for one in walk_selected(root, selection, left_out)}
    assert found == {path for path in there if selection.left_out(path) is None}
    for path in there - found:
        assert any(path == one or path.startswith(one) for one in left_out if one)
    assert all((root / one).is_dir() == one.endswith("/") for one in left_out)


@pytest.mark.parametrize("pattern", ["", "/a", "a//b", "../a"])
def test_no_pattern(pattern: str) -> None:
    with pytest.raises(InputError, match="include: expected"):
        FileSelection.of([pattern], [])


def test_a_text_is_no_list() -> None:
    with pytest.raises(InputError, match="exclude: expected a list of patterns"):
        FileSelection.of([], "*.txt")


def test_folders_that_are_left_out_are_not_looked_into(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "loop").symlink_to(tmp_path)
    left_out: set[str] = set()
    assert list(walk_selected(tmp_path, FileSelection(), left_out)) == []
    assert left_out == {".git/"}
