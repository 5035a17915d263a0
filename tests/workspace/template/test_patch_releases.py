"""Releases that have a large file only as a patch: what they bring, to whom, and what is told."""

from __future__ import annotations

import dataclasses
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sapwood.errors import InputError
from sapwood.workspace import Action, Outcome, State, UpdateRequest, Workspace
from support.cli_session import Session
from support.course_folders import course, tables
from support.model_files import safetensors_file
from support.patch_releases import MODEL, OTHER, entry, patch_between, release
from support.template_folders import own_files, user_files, write_files, write_template

RESTORE = '[[policies]]\npattern = "kept/**"\npolicy = "weights"\ndeleted = "restore"\n'
MINE = b"trained on by me\n" * 50


@dataclasses.dataclass(frozen=True)
class Releases:
    """A model of some MB in three versions.

    Attributes:
        folder: that the releases 1.0.0, 1.1.0 (patch only), 1.1.0-full and 2.0.0 (patch only,
            from 1.1.0) are folders in, and archives beside them.
        models: the file in each version.
    """

    folder: Path
    models: dict[str, bytes]

    def start(self, root: Path) -> Workspace:
        return Workspace.init(root, self.folder / "1.0.0")[0]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    folder = tmp_path_factory.mktemp("releases")
    generator = np.random.default_rng(11)
    tensors = {
        f"layers.{n}.weight": (generator.normal(size=(256, 512)) * 0.02).astype(np.float32)
        for n in range(8)
    }
    versions = {}
    for number, version in enumerate(("1.0.0", "1.1.0", "2.0.0")):
        if number:  # four rows of one layer were trained on
            tensors[f"layers.{number}.weight"][:4] *= np.float32(1.001)
        versions[version] = safetensors_file(tensors)
    first, second, third = versions.values()
    write_template(folder / "1.0.0", "1.0.0", {MODEL: first, OTHER: "1.0.0\n"})
    release(folder / "1.1.0", "1.1.0", first, second, "1.0")
    full = shutil.copytree(folder / "1.1.0", folder / "1.1.0-full")
    write_files(full, {MODEL: second})
    release(folder / "2.0.0", "2.0.0", second, third, "1.1.0")
    for name in ("1.0.0", "1.1.0", "1.1.0-full"):
        archive = folder / f"course-{name}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
            for file in sorted((folder / name).rglob("*")):
                out.write(file, file.relative_to(folder / name))
    return Releases(folder, versions)


def test_a_release_of_some_kilobytes_brings_a_model_of_megabytes(
    releases: Releases, tmp_path: Path
) -> None:
    size = len(releases.models["1.1.0"])
    packed = {
        name: (releases.folder / f"course-{name}.zip").stat().st_size
        for name in ("1.0.0", "1.1.0", "1.1.0-full")
    }
    assert size > 4_000_000
    assert packed["1.1.0"] < 10_000
    assert 3_500_000 < packed["1.0.0"] < packed["1.1.0-full"]
    for archive in releases.folder.glob("*.zip"):
        shutil.copy(archive, tmp_path)
    session = Session(tmp_path)
    session.succeed("workspace init course-1.0.0.zip course")
    done = session.run("workspace update course-1.1.0.zip --folder course --check")
    assert done.returncode == 20
    done = session.run("workspace update course-1.1.0.zip --folder course")
    assert (done.returncode, done.stdout.decode()) == (0, f"Updated {OTHER}\nUpdated {MODEL}\n")
    files = {MODEL: releases.models["1.1.0"], OTHER: b"1.1.0\n"}
    assert user_files(session / "course") == files
    record = Workspace.open(session / "course").record()
    assert (record.files[MODEL].version, record.files[MODEL].size) == ("1.1.0", size)
    assert record.files[MODEL].blob is None
    assert Workspace.open(session / "course").status().files[1].state is State.IDENTICAL
    # Once more, and from the full release: nothing is left to do.
    for name in ("1.1.0", "1.1.0-full"):
        assert session.run(f"workspace update course-{name}.zip --folder course").returncode == 0
        done = session.run(f"workspace update course-{name}.zip --folder course --check")
        assert done.returncode == 0
    assert user_files(session / "course") == files


def test_patch_by_patch_and_never_over_one_that_is_missing(
    releases: Releases, tmp_path: Path
) -> None:
    workspace = releases.start(tmp_path / "course")
    over = workspace.update(releases.folder / "2.0.0")
    assert [one.action for one in over.plan.conflicts] == [Action.UNREACHABLE]
    assert user_files(workspace.root)[MODEL] == releases.models["1.0.0"]
    assert workspace.record().files[MODEL].version == "1.0.0"
    assert workspace.record().template_version == "2.0.0"
    # The release that was left out, then the one that goes on from it.
    workspace.update(releases.folder / "1.1.0", UpdateRequest(allow_downgrade=True))
    assert user_files(workspace.root)[MODEL] == releases.models["1.1.0"]
    assert workspace.update(releases.folder / "2.0.0").is_clean
    assert user_files(workspace.root)[MODEL] == releases.models["2.0.0"]


def edited(root: Path) -> None:
    write_files(root, {MODEL: MINE})


def deleted(root: Path) -> None:
    (root / MODEL).unlink()


def done_by_hand(releases: Releases, root: Path) -> None:
    write_files(root, {MODEL: releases.models["1.1.0"]})


STATES: dict[str, tuple[Callable[[Path], None], bool, Action, str]] = {
    "as installed": (lambda _: None, False, Action.REPLACE, ""),
    "modified": (edited, False, Action.UNREACHABLE, "you modified yours"),
    "modified, --replace": (edited, True, Action.UNREACHABLE, "you modified yours"),
    "deleted": (deleted, False, Action.KEEP, ""),
}


@pytest.mark.parametrize("case", STATES)
def test_what_is_done_by_state(case: str, releases: Releases, tmp_path: Path) -> None:
    prepare, replace, action, why = STATES[case]
    workspace = releases.start(tmp_path / "course")
    prepare(workspace.root)
    before = user_files(workspace.root)
    old = workspace.record().files[MODEL]
    planned = workspace.plan_update(releases.folder / "1.1.0", UpdateRequest(replace=replace))
    outcome = workspace.update(releases.folder / "1.1.0", UpdateRequest(replace=replace))
    assert outcome.plan == planned
    change = next(one for one in planned.changes if one.path == MODEL)
    assert change.action is action
    assert why in (change.unmade or "")
    assert outcome.incoming == {}
    after = user_files(workspace.root)
    if action is Action.REPLACE:
        assert after[MODEL] == releases.models["1.1.0"]
        return
    assert outcome.is_clean == (change.unmade is None)
    assert {**before, OTHER: b"1.1.0\n"} == after
    assert workspace.record().files[MODEL] == old
    # A full release brings what this one could not.
    write_files(workspace.root, {MODEL: releases.models["1.0.0"]})
    assert workspace.update(releases.folder / "1.1.0-full").is_clean
    assert user_files(workspace.root)[MODEL] == releases.models["1.1.0"]
    assert workspace.record().files[MODEL].version == "1.1.0"


def test_what_somebody_has_brought_up_by_hand_is_taken_down(
    releases: Releases, tmp_path: Path
) -> None:
    workspace = releases.start(tmp_path / "course")
    done_by_hand(releases, workspace.root)
    assert workspace.update(releases.folder / "1.1.0").is_clean
    assert workspace.record().files[MODEL].version == "1.1.0"


def added(tmp_path: Path, there: bytes | None) -> tuple[Workspace, Outcome]:
    """A workspace that never had the model, and an update to a release with a patch for it."""
    old = write_template(tmp_path / "old", "1.0.0", {OTHER: "old\n"})
    workspace, _ = Workspace.init(tmp_path / "course", old)
    if there is not None:
        write_files(workspace.root, {MODEL: there})
    new = release(tmp_path / "new", "1.1.0", b"first" * 100, b"second" * 100, "1.0.0")
    return workspace, workspace.update(new)


def test_a_file_that_was_never_installed_is_told(tmp_path: Path) -> None:
    workspace, outcome = added(tmp_path, None)
    (change,) = outcome.plan.conflicts
    assert (change.state, change.unmade) == (
        State.ADDED,
        "this release has it only as a patch from 1.0.0, and you have none: take the full release",
    )
    assert user_files(workspace.root) == {OTHER: b"1.1.0\n"}
    assert MODEL not in workspace.record().files


def test_another_file_of_that_name_is_kept(tmp_path: Path) -> None:
    workspace, outcome = added(tmp_path, MINE)
    (change,) = outcome.plan.conflicts
    assert change.state is State.COLLISION
    assert user_files(workspace.root) == {MODEL: MINE, OTHER: b"1.1.0\n"}
    assert MODEL not in workspace.record().files
    assert own_files(workspace.root, "incoming") == {}


def test_what_was_deleted_cannot_come_back_from_a_patch(tmp_path: Path) -> None:
    path = "kept/m.bin"
    old = write_template(tmp_path / "old", "1.0.0", {path: b"first" * 100}, more=RESTORE)
    new = release(tmp_path / "new", "1.1.0", b"first" * 100, b"second" * 100, "1.0.0", path=path)
    manifest = new / "sapwood-template.toml"
    manifest.write_text(manifest.read_text() + RESTORE)
    workspace, _ = Workspace.init(tmp_path / "course", old)
    (workspace.root / path).unlink()
    (change,) = workspace.update(new).plan.conflicts
    assert (change.state, change.action) == (State.DELETED, Action.UNREACHABLE)
    assert path not in user_files(workspace.root)
    assert workspace.record().files[path].version == "1.0.0"


@pytest.mark.parametrize("modified", [False, True])
def test_a_file_that_was_renamed_takes_the_patch_along(modified: bool, tmp_path: Path) -> None:
    was = "weights/old.safetensors"
    old = write_template(tmp_path / "old", "1.0.0", {was: b"first" * 100})
    new = release(tmp_path / "new", "1.1.0", b"first" * 100, b"second" * 100, "1.0.0")
    manifest = new / "sapwood-template.toml"
    rename = (
        f'[[migrations]]\nversion = "1.1.0"\nrenames = [{{ from = "{was}", to = "{MODEL}" }}]\n'
    )
    manifest.write_text(manifest.read_text() + rename)
    workspace, _ = Workspace.init(tmp_path / "course", old)
    if modified:
        write_files(workspace.root, {was: MINE})
    outcome = workspace.update(new)
    assert outcome.is_clean == (not modified)
    assert user_files(workspace.root) == {
        MODEL: MINE if modified else b"second" * 100,
        OTHER: b"1.1.0\n",
    }
    assert workspace.record().files[MODEL].version == ("1.0.0" if modified else "1.1.0")


def test_several_bases_and_a_file_that_did_not_change(releases: Releases, tmp_path: Path) -> None:
    first, second = releases.models["1.0.0"], releases.models["1.1.0"]
    new = release(tmp_path / "new", "1.2.0", first, second, "1.0.0")
    write_files(new, {"patches/same.ttp": patch_between(second, second)})
    assert (new / "patches/same.ttp").stat().st_size < 1500
    manifest = new / "sapwood-template.toml"
    more = entry("1.1.0", second, patch="patches/same.ttp")
    manifest.write_text(manifest.read_text() + more)
    for source in ("1.0.0", "1.1.0-full"):
        workspace, _ = Workspace.init(tmp_path / source, releases.folder / source)
        assert workspace.update(new).is_clean
        assert user_files(workspace.root)[MODEL] == second
        assert workspace.record().files[MODEL].version == "1.2.0"


def test_init_is_refused_before_anything_is_made(releases: Releases, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"encoder.safetensors: .* patch from 1.0: .*full release"):
        Workspace.init(tmp_path / "course", releases.folder / "1.1.0")
    assert not (tmp_path / "course").exists()
    # Whoever has the file already lacks nothing.
    write_files(tmp_path / "other", {MODEL: releases.models["1.1.0"]})
    workspace, outcome = Workspace.init(tmp_path / "other", releases.folder / "1.1.0")
    assert outcome.is_clean
    assert workspace.record().files[MODEL].version == "1.1.0"


def test_what_the_commands_say(releases: Releases, tmp_path: Path) -> None:
    session = Session(tmp_path)
    workspace = releases.start(tmp_path / "course")
    edited(workspace.root)
    why = (
        "this release has it only as a patch from 1.0, and you modified yours: take the full "
        "release"
    )
    update = f"workspace update {releases.folder / '1.1.0'} --folder course"
    done = session.run(f"{update} --check")
    assert done.returncode == 21
    assert f"Conflicts:\n   {MODEL}: {why}\n" in done.stdout.decode()
    done = session.run(f"{update} --dry-run")
    assert f"would not update {MODEL}: {why}\n1 update, 1 conflict" in done.stdout.decode()
    done = session.run(update)
    assert (done.returncode, done.stdout.decode()) == (
        21,
        f"Updated {OTHER}\nCould not update {MODEL}: {why}\n",
    )
    facts = session.json(update, 21)
    assert [one["unmade"] for one in facts["changes"]] == [why]
    done = session.run(f"workspace init {releases.folder / '1.1.0'} another")
    assert done.returncode == 2
    assert b"full release" in done.stderr


def test_a_module_that_only_a_patch_leads_to_cannot_be_reset(tmp_path: Path) -> None:
    path = "weights/05_autograd/m.bin"
    module = '[[modules]]\nname = "05_autograd"\n'
    old = write_template(tmp_path / "old", "1.0.0", {path: b"first" * 100}, more=module)
    new = release(tmp_path / "new", "1.1.0", b"first" * 100, b"second" * 100, "1.0.0", path=path)
    manifest = new / "sapwood-template.toml"
    manifest.write_text(manifest.read_text() + module)
    workspace, _ = Workspace.init(tmp_path / "course", old)
    write_files(workspace.root, {path: MINE})
    session = Session(tmp_path)
    done = session.run("workspace module diff new 05 --folder course")
    assert done.returncode == 20
    done = session.run("workspace module reset new 05 --folder course --yes")
    assert done.returncode == 21
    assert b"only as a patch from 1.0.0, and you modified yours" in done.stdout
    assert user_files(workspace.root) == {path: MINE}
    write_files(workspace.root, {path: b"first" * 100})
    assert workspace.differences(new, "05")[0].lines is None
    assert workspace.reset(new, "05").is_clean
    assert user_files(workspace.root) == {path: b"second" * 100}


@pytest.mark.parametrize("chosen", [True, False])
def test_a_course_takes_the_patch_to_where_it_has_the_file(chosen: bool, tmp_path: Path) -> None:
    path, there = "weights/04_losses/m.bin", "weights/01_losses/m.bin"
    first, second = b"first" * 100, b"second" * 100
    modules = tables(("01_tensors", "04_losses")).replace("needs", "# needs")
    old = write_template(tmp_path / "old", "1.0.0", {path: first, OTHER: "1.0.0\n"}, more=modules)
    new = release(tmp_path / "new", "1.1.0", first, second, "1.0.0", path=path)
    manifest = new / "sapwood-template.toml"
    manifest.write_text(manifest.read_text() + modules)
    config = course(tmp_path / "config", "losses" if chosen else "tensors")
    workspace, _ = Workspace.init(tmp_path / "course", old, config=config)
    assert (there in user_files(workspace.root)) == chosen
    assert workspace.update(new).is_clean
    expected = {OTHER: b"1.1.0\n"} | ({there: second} if chosen else {})
    assert user_files(workspace.root) == expected
    # What the course leaves out nobody lacks.
    if chosen:
        with pytest.raises(InputError, match="full release"):
            Workspace.init(tmp_path / "another", new, config=config)
    else:
        Workspace.init(tmp_path / "another", new, config=config)
    assert (tmp_path / "another").exists() != chosen
