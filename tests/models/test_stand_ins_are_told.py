"""Pointers of Git LFS, pages, empty and cut off files: told for what they are, by every verb."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sapwood
from sapwood import models
from sapwood.errors import SapwoodError, SourceHashMismatch
from support.cli_session import Session
from support.folder_trees import write_tree
from support.model_files import npy_file, safetensors_file, tuned, weights

pytestmark = pytest.mark.quick

W = weights(1, (64, 64))
BASE = safetensors_file({"w": W})
TARGET = safetensors_file({"w": tuned(W, 2)})


def pointer_to(data: bytes) -> bytes:
    oid = hashlib.sha256(data).hexdigest()
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n".encode()
    )


PAGE = b"<!doctype html><title>404</title>"
KINDS = {
    "a pointer to another file": (pointer_to(b"other"), "a Git LFS pointer to a file of 5 bytes"),
    "a page": (PAGE, "an HTML page"),
    "an empty file": (b"", "empty; get the file anew"),
    "a file that is cut off": (BASE[:-9], "it is cut off"),
    "a file of which the header is cut off": (BASE[:30], "fetch the whole file"),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def patch() -> bytes:
    out = io.BytesIO()
    models.create_patch(BASE, TARGET, out)
    return out.getvalue()


@EVERY_KIND
def test_a_note_when_a_patch_is_made(kind: str, tmp_path: Path) -> None:
    data, words = KINDS[kind]
    (tmp_path / "odd").write_bytes(data)
    for base, target in ((BASE, tmp_path / "odd"), (tmp_path / "odd", TARGET)):
        (told,) = models.create_patch(base, target, io.BytesIO()).warnings
        assert told.startswith(f"{tmp_path / 'odd'}: ")
        assert words in told
        (again,) = models.diff(base, target).warnings
        assert again == told.replace("patched as bytes", "compared as bytes")


def applied(base: Path, patch: bytes) -> None:
    models.apply_patch(base, patch, io.BytesIO())


def loaded(base: Path, patch: bytes) -> None:
    models.load_patched(base, patch)


def in_place(base: Path, patch: bytes) -> None:
    models.in_place.apply(base, patch)


def verified(base: Path, patch: bytes) -> None:
    found = models.verify_patch(base, patch)
    assert not found.source_valid
    raise SourceHashMismatch(found.error or "")


def along_a_chain(base: Path, patch: bytes) -> None:
    models.create_chain([patch], base.with_name("chain"))
    models.apply_chain(base, base.with_name("chain"), io.BytesIO())


VERBS = pytest.mark.parametrize("verb", [applied, loaded, in_place, verified, along_a_chain])
Verb = Callable[[Path, bytes], None]


@VERBS
@EVERY_KIND
def test_the_error_when_it_is_the_base(verb: Verb, kind: str, patch: bytes, tmp_path: Path) -> None:
    data, words = KINDS[kind]
    (tmp_path / "odd").write_bytes(data)
    with pytest.raises(SourceHashMismatch) as caught:
        verb(tmp_path / "odd", patch)
    assert "wrong base" in str(caught.value)
    assert f"{tmp_path / 'odd'} is no whole model: " in str(caught.value)
    assert words in str(caught.value)


@VERBS
def test_the_pointer_to_the_base_itself(verb: Verb, patch: bytes, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(pointer_to(BASE))
    with pytest.raises(SourceHashMismatch, match=r"pointer to the base that is needed.*git lfs"):
        verb(tmp_path / "model", patch)


@VERBS
def test_a_whole_model_is_just_another_one(verb: Verb, patch: bytes, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(safetensors_file({"w": tuned(W, 3)}))
    with pytest.raises(SourceHashMismatch) as caught:
        verb(tmp_path / "model", patch)
    assert "no whole model" not in str(caught.value)


def test_a_pointer_for_an_array() -> None:
    base = np.arange(999, dtype=np.float32)
    patch = sapwood.create_patch(base, base + 1)
    data = patch.to_bytes()
    with pytest.raises(SapwoodError, match="a Git LFS pointer"):
        models.apply_patch(pointer_to(npy_file(base)), data, io.BytesIO())


def test_a_pointer_in_a_folder(tmp_path: Path) -> None:
    write_tree(tmp_path / "v1", {"model.safetensors": BASE, "config.json": b"{}"})
    write_tree(tmp_path / "v2", {"model.safetensors": TARGET, "config.json": b"{}"})
    models.create_patch(tmp_path / "v1", tmp_path / "v2", tmp_path / "patch")
    (tmp_path / "v1/model.safetensors").write_bytes(pointer_to(BASE))
    with pytest.raises(SourceHashMismatch, match=r"model\.safetensors: .*a Git LFS pointer"):
        models.apply_patch(tmp_path / "v1", tmp_path / "patch", tmp_path / "out")
    (told,) = models.create_patch(tmp_path / "v1", tmp_path / "v2", io.BytesIO()).warnings
    assert "v1: model.safetensors: a Git LFS pointer" in told


@pytest.mark.parametrize("kind", ["a pointer to another file", "a page", "an empty file"])
def test_fingerprints_tell_it(kind: str, tmp_path: Path) -> None:
    data, words = KINDS[kind]
    (tmp_path / "odd").write_bytes(data)
    found = models.fingerprint(tmp_path / "odd")
    (told,) = found.warnings
    assert words in told
    assert found == models.fingerprint(data)
    assert models.fingerprint(BASE).warnings == ()


def test_commands_tell_it(tmp_path: Path) -> None:
    here = Session(tmp_path)
    for name, data in (("base", BASE), ("target", TARGET), ("page", PAGE)):
        (tmp_path / name).write_bytes(data)
    for command in (
        "create --base base --target page --out p.ttp",
        "diff --base base --target page",
        "fingerprint page",
    ):
        done = here.run(command)
        assert done.returncode == 0
        assert done.stderr.startswith(b"sapwood: note: page: an HTML page")
        (told,) = here.json(command)["notes"]
        assert done.stderr == f"sapwood: note: {told}\n".encode()
    here.run("create --base base --target target --out p.ttp")
    assert "an HTML page" in here.fail("apply --base page --patch p.ttp --out out", 4)
