"""Templates in folders, archives, distributions and artifacts give the same workspace."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sapwood import models
from sapwood.content.zstd import compress
from sapwood.errors import InputError, InvalidPackage, InvalidPatch
from sapwood.workspace import Record, State, UpdateRequest, Workspace, open_package, read_manifest
from sapwood.workspace.change import transaction as transactions, updating
from sapwood.workspace.change.staging import staging as real
from sapwood.workspace.record.places import Places
from support.chosen_calls import numbers
from support.failing_calls import KILLING, calls_of, killed_at
from support.oci_layouts import LAYOUTS
from support.template_folders import own_files, user_files, write_files, write_template

FILES: dict[str, str | bytes] = {
    "tests/a.py": "a\n",
    "tests/run": "#!/bin/sh\n",
    "modules/🌱/m.py": "m\n" * 1000,
    "data/big.bin": bytes(range(256)) * 9000,
    "empty": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_template(tmp_path / "template", "1.0.0", FILES, executable=["tests/run"])
    # What lies in folders by accident.
    write_files(
        made,
        {
            "tests/__pycache__/a.cpython-311.pyc": b"\0",
            ".git/hooks/pre-commit": "evil\n",
            "tests/.DS_Store": b"\0",
        },
    )
    return made


def zipped(folder: Path, top: str) -> Path:
    path = folder.parent / "template.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if top:
            archive.writestr("elsewhere/readme.txt", "not the template's")
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{top}{file.relative_to(folder)}")
    return path


def tarred(folder: Path, top: str, mode: str) -> Path:
    path = folder.parent / f"template.{mode}"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for file in sorted(folder.rglob("*")):
            archive.add(file, f"{top}{file.relative_to(folder).as_posix()}", recursive=False)
    return path


def zstd_packed(path: Path) -> Path:
    packed = path.with_name("template.tar.zst")
    packed.write_bytes(compress(path.read_bytes(), 3))
    return packed


def installed(folder: Path, site: Path) -> str:
    """A distribution as pip leaves one, with the template inside of a package."""
    shutil.copytree(folder, site / "our_course/_templates")
    info = site / "our_course-1.0.0.dist-info"
    files = [one.relative_to(site).as_posix() for one in site.rglob("*") if one.is_file()]
    write_files(
        info,
        {
            "METADATA": "Metadata-Version: 2.1\nName: our-course\nVersion: 1.0.0\n",
            "RECORD": "".join(f"{name},,\n" for name in [*files, f"{info.name}/RECORD"]),
        },
    )
    return "dist:our-course"


@pytest.mark.parametrize(
    "kind", ["folder", "zip", "zip with a top", "tar", "tar.gz", "tar.zst", "dist", *LAYOUTS]
)
def test_every_source_gives_the_same_workspace(
    kind: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "dist":
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        source: str | Path = installed(folder, tmp_path / "site")
        importlib.invalidate_caches()
    elif kind in LAYOUTS:
        source = LAYOUTS[kind](folder, tmp_path / "layout")
    else:
        source = {
            "folder": lambda: folder,
            "zip": lambda: zipped(folder, ""),
            "zip with a top": lambda: zipped(folder, "course-1.0.0/"),
            "tar": lambda: tarred(folder, "", "w"),
            "tar.gz": lambda: tarred(folder, "course-1.0.0/", "w:gz"),
            "tar.zst": lambda: zstd_packed(tarred(folder, "course-1.0.0/", "w")),
        }[kind]()
    assert str(read_manifest(source).version) == "1.0.0"
    workspace, _ = Workspace.init(tmp_path / "course", source)
    expected = {
        path: content.encode() if isinstance(content, str) else content
        for path, content in FILES.items()
    }
    assert user_files(workspace.root) == expected
    assert (workspace.root / "tests/run").stat().st_mode & 0o100
    assert not (workspace.root / "tests/a.py").stat().st_mode & 0o100
    plan = workspace.plan_update(source)
    assert plan.updates == plan.conflicts == ()
    assert {one.state for one in plan.changes} == {State.IDENTICAL}


def test_a_distribution_without_a_template() -> None:
    with pytest.raises(InputError, match="name the folder"):
        open_package("dist:numpy")
    assert "our_course" not in sys.modules


def test_two_manifests_at_the_top_are_one_too_many(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, "one/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("two/sapwood-template.toml", "schema = 1")
    with pytest.raises(InvalidPackage, match="found 2"):
        open_package(path)


def test_a_template_that_changes_while_it_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def staging(places: Places, record: Record | None) -> object:
        write_files(folder, {"tests/a.py": "another\n"})
        return real(places, record)

    monkeypatch.setattr(updating, "staging", staging)
    with pytest.raises(InvalidPackage, match="changed in the template while it was read"):
        Workspace.init(tmp_path / "course", folder)
    assert user_files(tmp_path / "course") == {}


PATCHES = """
[[patches]]
path = "weights/model.bin"
base = "1.0.0"
patch = "patches/model.ttp"
"""


@pytest.fixture
def weights(tmp_path: Path) -> tuple[Workspace, Path]:
    """A workspace with weights, and the next version with a patch for them."""
    generator = np.random.default_rng(5)
    first = generator.normal(size=50_000).astype(np.float32)
    second = first.copy()
    second[::100] += np.float32(0.25)
    old = write_template(tmp_path / "old", "1.0.0", {"weights/model.bin": first.tobytes()})
    new = write_template(
        tmp_path / "new",
        "1.1.0",
        {"weights/model.bin": second.tobytes(), "patches/model.ttp": b"", "tests/a.py": "a\n"},
        more=PATCHES,
    )
    models.create_patch(
        old / "weights/model.bin", new / "weights/model.bin", new / "patches/model.ttp"
    )
    workspace, _ = Workspace.init(tmp_path / "course", old)
    return workspace, new


def test_weights_are_updated_by_patch_and_not_backed_up(
    weights: tuple[Workspace, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, new = weights
    monkeypatch.setattr(transactions, "new_stripes", lambda file, content: pytest.fail(file.path))
    (new / "tests/a.py").unlink()
    outcome = workspace.update(new)
    expected = (new / "weights/model.bin").read_bytes()
    assert user_files(workspace.root) == {"weights/model.bin": expected}
    assert outcome.backup is None
    assert workspace.record().files["weights/model.bin"].blob is None
    assert own_files(workspace.root, "base") == {}
    assert not (workspace.root / "patches").exists()


def test_weights_of_another_version_get_the_file(
    weights: tuple[Workspace, Path], tmp_path: Path
) -> None:
    _, new = weights
    other = write_template(tmp_path / "other", "0.9", {"weights/model.bin": b"\0" * 5000})
    workspace, _ = Workspace.init(tmp_path / "another", other)
    workspace.update(new)
    expected = (new / "weights/model.bin").read_bytes()
    assert user_files(workspace.root)["weights/model.bin"] == expected


def test_weights_that_the_user_has_trained_on_are_kept(weights: tuple[Workspace, Path]) -> None:
    workspace, new = weights
    write_files(workspace.root, {"weights/model.bin": b"mine\0" * 100})
    outcome = workspace.update(new)
    assert user_files(workspace.root)["weights/model.bin"] == b"mine\0" * 100
    assert set(outcome.incoming) == {"weights/model.bin"}
    outcome = workspace.update(new, UpdateRequest(replace=True))
    saved = own_files(workspace.root, f"backups/{outcome.backup}/files")
    assert saved == {"weights/model.bin": b"mine\0" * 100}


def test_a_damaged_patch_of_weights_changes_nothing(weights: tuple[Workspace, Path]) -> None:
    workspace, new = weights
    patch = new / "patches/model.ttp"
    patch.write_bytes(patch.read_bytes()[:-10] + b"0123456789")
    before = user_files(workspace.root)
    with pytest.raises(InvalidPatch):
        workspace.update(new)
    assert user_files(workspace.root) == before
    assert not (workspace.root / ".course/staging").exists()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_weights_are_one_version_or_the_other_wherever_an_update_is_killed(
    weights: tuple[Workspace, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no backup: what was not edited is in the version before."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # only processes die here
    workspace, new = weights
    start, root = workspace.root.rename(tmp_path / "start"), workspace.root
    first, second = (one / "weights/model.bin" for one in (start, new))

    def change() -> None:
        Workspace.open(root).update(new)

    shutil.copytree(start, root)
    count = calls_of(change, KILLING)
    assert count > 30
    for at in numbers(count):
        shutil.rmtree(root)
        shutil.copytree(start, root)
        assert killed_at(change, at)
        found = (root / "weights/model.bin").read_bytes()
        assert found in {first.read_bytes(), second.read_bytes()}, at
        change()
        assert user_files(root) == {"weights/model.bin": second.read_bytes(), "tests/a.py": b"a\n"}
        assert not (root / ".course/staging").exists(), at


def test_files_too_large_to_look_into_are_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (
        *("package.canonical", "package.package", "workspace.disk.scanning"),
        *(f"workspace.change.{one}" for one in ("staging", "status", "transaction")),
    ):
        monkeypatch.setattr(f"sapwood.{module}.LARGEST_READ", 100)
    first: dict[str, str | bytes] = {"tests/large": "1" * 500, "milestones/gone": "2" * 500}
    second: dict[str, str | bytes] = {"tests/large": "3" * 500, "tests/more": "4" * 500}
    old, new = (tmp_path / "old", tmp_path / "new")
    (tmp_path / "old").mkdir()
    manifest = 'schema = 1\nname = "course"\nversion = "{}"\n[[policies]]\npattern = "**"\n'
    for made, version, files in ((old, "1.0", first), (new, "1.1", second)):
        text = manifest.format(version) + 'policy = "update"\n'
        write_files(made, {**files, "sapwood-template.toml": text[:100]})
        assert len(text) <= 100
    workspace, _ = Workspace.init(tmp_path / "course", old)
    outcome = workspace.update(new)
    assert user_files(workspace.root) == {"tests/large": b"3" * 500, "tests/more": b"4" * 500}
    saved = own_files(workspace.root, f"backups/{outcome.backup}/files")
    assert saved == {"tests/large": b"1" * 500, "milestones/gone": b"2" * 500}
    assert workspace.line_changes("tests/large") is None
