"""What of a folder counts for a patch, and which of its files differ where it is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from sapwood import models
from sapwood.errors import InputError, SourceHashMismatch
from support.cli_session import Session
from support.folder_trees import Tree, read_tree, repository, write_tree
from support.model_files import safetensors_file, tuned, weights

pytestmark = pytest.mark.quick

W = {f"w{i}": weights(i, (64, 64)) for i in range(4)}
V1 = repository(W, 2, 10)
V2 = repository({name: tuned(one, 7) for name, one in W.items()}, 2, 10)


def downloaded(stamp: str) -> Tree:
    """What is beside a model that was downloaded or cloned."""
    return {
        ".cache/huggingface/download/model.metadata": stamp.encode(),
        ".git/index": stamp.encode() * 2,
        ".DS_Store": b"\0",
        "sub/__pycache__/a.pyc": stamp.encode(),
    }


def test_copies_of_one_version_are_one_base(tmp_path: Path) -> None:
    mine = write_tree(tmp_path / "mine", {**V1, **downloaded("1700000000.1")})
    theirs = write_tree(tmp_path / "theirs", {**V1, **downloaded("1711111111.3")})
    target = write_tree(tmp_path / "v2", {**V2, **downloaded("1700000900.2")})
    stats = models.create_patch(mine, target, tmp_path / "p")
    assert stats.warnings == tuple(
        f"{one}: left out .DS_Store, .cache/, .git/, sub/__pycache__/; include what belongs to it"
        for one in (mine, target)
    )
    models.apply_patch(theirs, tmp_path / "p", tmp_path / "out")
    assert read_tree(tmp_path / "out") == V2
    assert models.compare_fingerprints(mine, theirs)
    assert models.diff(mine, theirs).equal
    assert len(models.diff(mine, theirs).warnings) == 2


def test_every_reader_takes_the_same_files(tmp_path: Path) -> None:
    one = write_tree(tmp_path / "one", {**V1, "logs/a": b"1", "b.tmp": b"2"})
    two = write_tree(tmp_path / "two", {**V1, "logs/a": b"3", ".cache/notes": b"4"})
    options: dict[str, Any] = {"exclude": ["logs/**", "*.tmp"], "include": ["logs/b"]}
    assert models.diff(one, two, **options).equal
    assert models.fingerprint(one, **options) == models.fingerprint(two, **options)
    assert not models.diff(one, two).equal
    models.create_patch(one, two, tmp_path / "p", **options)
    (base,) = models.inspect_patch(tmp_path / "p").front.header.bases
    assert {file.path for file in base.files or ()} == set(V1)
    taken = models.diff(one, two, include=[".cache/**"]).files
    assert ".cache/notes" in {file.path for file in taken}


def test_what_is_included_may_be_refused(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "v1", {".git/config": b""})
    for reading in (models.fingerprint, lambda one, **kw: models.diff(one, one, **kw)):
        with pytest.raises(InputError, match="whose content other programs trust"):
            reading(root, include=["**"])


def test_what_is_left_out_may_change_meanwhile(tmp_path: Path) -> None:
    base = write_tree(tmp_path / "v1", {**V1, ".git/index": b"1"})
    target = write_tree(tmp_path / "v2", V2)

    def change(done: int, total: int) -> None:
        (base / ".git/index").write_bytes(b"22")

    models.create_patch(base, target, tmp_path / "p", progress=change)


def refused(base: Path, patch: Path) -> str:
    """The words by which a base is refused, which are those of `verify` too."""
    with pytest.raises(SourceHashMismatch) as caught:
        models.apply_patch(base, patch, base.with_name("out"))
    assert models.verify_patch(base, patch).error == str(caught.value)
    return str(caught.value)


def test_files_that_are_missing_or_of_other_sizes_are_named(tmp_path: Path) -> None:
    many = {**V1, **{f"part{i}": b"x" * i for i in range(12)}}
    base = write_tree(tmp_path / "v1", many)
    models.create_patch(base, write_tree(tmp_path / "v2", V2), tmp_path / "p")
    (base / "config.json").unlink()
    (base / "README.md").write_bytes(b"")
    told = refused(base, tmp_path / "p")
    assert "README.md: expected a file of" in told
    assert "found 0 bytes; " in told
    assert "config.json: expected a file of" in told
    assert "found nothing" in told
    for i in range(12):
        (base / f"part{i}").write_bytes(b"much more")
    assert "; and 8 more files; apply" in refused(base, tmp_path / "p")


SHARD = "model-00002-of-00002.safetensors"


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ([SHARD], f"with other content: {SHARD}"),
        (["config.json"], "with other content: some of README.md, config.json"),
        (["config.json", SHARD], f"content: {SHARD}, and some of README.md, config.json"),
    ],
)
def test_files_of_other_content_are_named(paths: list[str], words: str, tmp_path: Path) -> None:
    base = write_tree(tmp_path / "v1", V1)
    models.create_patch(base, write_tree(tmp_path / "v2", V2), tmp_path / "p")
    for path in paths:
        data = bytearray(V1[path])
        data[-20:-10] = bytes(10)
        (base / path).write_bytes(data)
    assert refused(base, tmp_path / "p").endswith(words)


def test_a_file_that_nothing_is_made_of_cannot_be_named(tmp_path: Path) -> None:
    base = write_tree(tmp_path / "v1", {**V1, "gone": b"1" * 99})
    models.create_patch(base, write_tree(tmp_path / "v2", V2), tmp_path / "p")
    (base / "gone").write_bytes(b"2" * 99)
    assert "all its files are of the right size" in refused(base, tmp_path / "p")


def test_commands_take_patterns_and_tell_what_is_left_out(tmp_path: Path) -> None:
    here = Session(tmp_path)
    write_tree(tmp_path / "v1", {"a": b"1", "b.tmp": b"2", ".git/x": b"", ".cache/y": b"3"})
    write_tree(tmp_path / "v2", {"a": b"4", ".cache/y": b"5"})
    for command in (
        "create --base v1 --target v2 --out p.ttp",
        "diff --base v1 --target v2",
        "fingerprint v1",
    ):
        options = "--exclude *.tmp --exclude .cache"
        notes = here.json(f"{command} {options}")["notes"]
        assert notes[0] == "v1: left out .cache/, .git/, b.tmp; include what belongs to it"
        included = here.json(f"{command} {options} --include .cache/**")["notes"]
        assert included[0] == "v1: left out .git/, b.tmp; include what belongs to it"
    assert "expected a relative pattern" in here.fail("fingerprint v1 --exclude /a", 2)


def test_batches_leave_out_the_same(tmp_path: Path) -> None:
    here = Session(tmp_path)
    for name in ("v1", "v2"):
        write_tree(tmp_path / name, {"a": name.encode(), ".git/x": name.encode(), "logs/b": b"1"})
    facts = here.json("create --base v1 --target v2 --out out --keep-going --exclude logs/**")
    assert [one["file"] for one in facts["files"]] == ["a"]
    assert facts["skipped"] == [
        {"file": ".git/", "reason": "left out"},
        {"file": "logs/", "reason": "left out"},
    ]


def test_an_empty_file_of_a_folder_is_nothing_to_tell_of(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "v1", {"__init__.py": b"", "w": safetensors_file(W)})
    assert models.create_patch(root, root, io.BytesIO()).warnings == ()
