"""What the users of nbgitpuller and copier ran into, as their own suites tell it.

Each row is a scenario: what the user did between two versions of a template, and what an
update comes to. Where we differ on purpose, the row says what the other tool does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from sapwood.workspace import Workspace
from template_folders import Clock, own_files, user_files, write_files, write_template

GONE = None  # of a file that is deleted


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One row. Contents are texts without their line's end; GONE deletes."""

    first: Mapping[str, str]
    user: Mapping[str, str | None]
    second: Mapping[str, str]
    after: Mapping[str, str]
    incoming: Mapping[str, str] = dataclasses.field(default_factory=dict)
    backed_up: Mapping[str, str] = dataclasses.field(default_factory=dict)
    replace: bool = False
    theirs: str = ""


T, M = "tests/a", "milestones/a"

NBGITPULLER = {
    "merging_simple": Scenario(
        {T: "1"},
        {T: "2"},
        {T: "1", "tests/new": "n"},
        {T: "2", "tests/new": "n"},
    ),
    "merging_simple, both changed": Scenario(
        {T: "1"},
        {T: "2"},
        {T: "3"},
        {T: "2"},
        incoming={T: "3"},
        theirs="merges with -Xours, which loses upstream's lines without a word",
    ),
    "untracked_puller": Scenario(
        {},
        {T: "mine"},
        {T: "theirs"},
        {T: "mine"},
        incoming={T: "theirs"},
        theirs="renames the user's file and installs its own",
    ),
    "untracked_puller, asked to replace": Scenario(
        {},
        {T: "mine"},
        {T: "theirs"},
        {T: "theirs"},
        backed_up={T: "mine"},
        replace=True,
    ),
    "reset_file": Scenario({T: "1"}, {T: GONE}, {T: "1"}, {T: "1"}),
    "reset_file_after_changes": Scenario({T: "1"}, {T: GONE}, {T: "2"}, {T: "2"}),
    "delete_conflicted_file": Scenario(
        {M: "1"},
        {M: GONE},
        {M: "2"},
        {},
        theirs="brings the file back; ours does where the policy says deleted = 'restore'",
    ),
    "delete_remotely_modify_locally": Scenario({T: "1"}, {T: "2"}, {}, {T: "2"}),
    "delete_remotely": Scenario({T: "1"}, {}, {}, {}, backed_up={T: "1"}),
    "delete_locally_and_remotely": Scenario({T: "1"}, {T: GONE}, {}, {}),
    "diverged_multiple": Scenario(
        {T: "1", "tests/b": "1", "tests/c": "1"},
        {T: "2", "tests/b": "2"},
        {T: "3", "tests/b": "1", "tests/c": "3"},
        {T: "2", "tests/b": "2", "tests/c": "3"},
        incoming={T: "3"},
        backed_up={"tests/c": "1"},
    ),
    "backup_on_merge_conflict": Scenario(
        {T: "1"},
        {T: "2"},
        {T: "3"},
        {T: "3"},
        backed_up={T: "2"},
        replace=True,
    ),
    "a file name with an emoji": Scenario(
        {"tests/🌱 ä": "1"},
        {"tests/notes 🌳": "mine"},
        {"tests/🌱 ä": "2"},
        {"tests/🌱 ä": "2", "tests/notes 🌳": "mine"},
        backed_up={"tests/🌱 ä": "1"},
    ),
}

COPIER = {
    "deleted path": Scenario({M: "1"}, {M: GONE}, {M: "2"}, {}),
    "removed file": Scenario(
        {M: "1", "milestones/b": "1"}, {}, {M: "1"}, {M: "1"}, backed_up={"milestones/b": "1"}
    ),
    "removed file that the user changed": Scenario(
        {M: "1"},
        {M: "2"},
        {},
        {M: "2"},
        theirs="deletes the file",
    ),
    "skipped update": Scenario({"once/a": "1"}, {"once/a": "2"}, {"once/a": "3"}, {"once/a": "2"}),
    "skipped update, not changed": Scenario({"once/a": "1"}, {}, {"once/a": "2"}, {"once/a": "1"}),
    "new file in template and project": Scenario(
        {},
        {M: "mine"},
        {M: "theirs"},
        {M: "mine"},
        incoming={M: "theirs"},
        theirs="writes conflict markers into the file",
    ),
    "the same new file in template and project": Scenario({}, {M: "x"}, {M: "x"}, {M: "x"}),
    "conflicted files": Scenario(
        {M: "1"},
        {M: "2"},
        {M: "3"},
        {M: "2"},
        incoming={M: "3"},
        theirs="writes conflict markers into the file",
    ),
    "unicode": Scenario({M: "μ ☕"}, {}, {M: "μ ☕ 🌱"}, {M: "μ ☕ 🌱"}, backed_up={M: "μ ☕"}),
    "the user has applied the change already": Scenario({M: "1"}, {M: "2"}, {M: "2"}, {M: "2"}),
    "protected, not started": Scenario(
        {"modules/a": "1"},
        {},
        {"modules/a": "2"},
        {"modules/a": "1"},
        theirs="updates it; ours says that an update is there",
    ),
    "protected, half done": Scenario(
        {"modules/a": "1"}, {"modules/a": "mine"}, {"modules/a": "2"}, {"modules/a": "mine"}
    ),
    "protected, retired": Scenario({"modules/a": "1"}, {}, {}, {"modules/a": "1"}),
    "generated": Scenario(
        {"generated/a": "1"},
        {"generated/a": "mine"},
        {"generated/a": "1"},
        {"generated/a": "1"},
        backed_up={"generated/a": "mine"},
    ),
}


def lines(files: Mapping[str, str]) -> dict[str, str | bytes]:
    return {path: f"{content}\n" for path, content in files.items()}


def texts(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: content.decode().removesuffix("\n") for path, content in files.items()}


@pytest.mark.parametrize("name", [*NBGITPULLER, *COPIER])
def test_scenarios(name: str, tmp_path: Path) -> None:
    scenario = (NBGITPULLER | COPIER)[name]
    old = write_template(tmp_path / "old", "1.0.0", lines(scenario.first))
    new = write_template(tmp_path / "new", "1.1.0", lines(scenario.second))
    root = tmp_path / "course"
    workspace, _ = Workspace.init(root, old, clock=Clock())
    for path, content in scenario.user.items():
        if content is GONE:
            (root / path).unlink()
        else:
            write_files(root, {path: f"{content}\n"})
    outcome = workspace.update(new, replace=scenario.replace)
    assert texts(user_files(root)) == scenario.after
    assert texts(own_files(root, "incoming/1.1.0")) == scenario.incoming
    assert set(outcome.incoming) == set(scenario.incoming)
    saved = {} if outcome.backup is None else own_files(root, f"backups/{outcome.backup}/files")
    assert texts(saved) == scenario.backed_up
    # A second update has nothing left to do, and says the same of what is in conflict.
    again = workspace.update(new, replace=scenario.replace)
    assert again.plan.updates == ()
    assert again.backup is None
    assert set(again.incoming) == set(scenario.incoming)
    assert texts(user_files(root)) == scenario.after


def test_the_difference_is_seen_before_deciding(tmp_path: Path) -> None:
    """Asked for of copier in #343: a plan tells, and changes nothing."""
    old = write_template(tmp_path / "old", "1.0.0", {"tests/a": "1\n", "tests/b": "1\n"})
    note = '[[notes]]\npath = "tests/a"\ntext = "bug fix"\nversion = "1.1.0"\n'
    new = write_template(tmp_path / "new", "1.1.0", {"tests/a": "2\n", "tests/b": "2\n"}, more=note)
    workspace, _ = Workspace.init(tmp_path / "course", old)
    write_files(workspace.root, {"tests/b": "1\nmine\n"})
    before = user_files(workspace.root)
    plan = workspace.plan_update(new)
    assert [(one.path, one.note) for one in plan.updates] == [("tests/a", "bug fix")]
    assert [one.path for one in plan.conflicts] == ["tests/b"]
    changes = workspace.line_changes("tests/b")
    assert changes is not None
    assert (changes.added, changes.removed) == (1, 0)
    assert user_files(workspace.root) == before
    assert (plan.from_version, plan.to_version) == ("1.0.0", "1.1.0")


def test_a_pristine_copy_comes_back_after_deleting(tmp_path: Path) -> None:
    """Asked for of nbgitpuller in #279, and of backups that do not overwrite each other."""
    template = write_template(tmp_path / "old", "1.0.0", {"tests/a": "1\n"})
    clock = Clock()
    workspace, _ = Workspace.init(tmp_path / "course", template, clock=clock)
    file = workspace.root / "tests/a"
    file.unlink()
    workspace.update(template)
    assert file.read_text() == "1\n"


@pytest.mark.parametrize("user_made_it_executable", [False, True])
def test_the_executable_bit(user_made_it_executable: bool, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"tests/run": "#!/bin/sh\n", "tests/plain": "1\n"}
    old = write_template(tmp_path / "old", "1.0.0", files)
    new = write_template(
        tmp_path / "new",
        "1.1.0",
        {"tests/run": "#!/bin/sh\n", "tests/plain": "2\n"},
        executable=["tests/run"],
    )
    workspace, _ = Workspace.init(tmp_path / "course", old)
    run, plain = workspace.root / "tests/run", workspace.root / "tests/plain"
    if user_made_it_executable:
        plain.chmod(0o750)
    mode = plain.stat().st_mode
    workspace.update(new)
    assert run.stat().st_mode & 0o111 == 0o111 & (run.stat().st_mode >> 2)
    assert run.stat().st_mode & 0o100
    assert plain.stat().st_mode == mode  # as the user has made it
    assert plain.read_text() == "2\n"
    assert workspace.update(new).plan.updates == ()


def test_renamed_files_follow(tmp_path: Path) -> None:
    """dpkg's `mv_conffile`: in two steps, edited or not, and where the name is taken."""
    first: dict[str, str | bytes] = {f"tests/{name}": f"{name}\n" for name in "abcd"}
    second: dict[str, str | bytes] = {f"milestones/{name}": f"{name}, second\n" for name in "abcd"}
    moves = "".join(
        f'[[migrations]]\nversion = "1.{step}.0"\nrenames = ['
        + ", ".join(f'{{ from = "{source}/{name}", to = "{target}/{name}" }}' for name in "abcd")
        + "]\n"
        for step, source, target in ((1, "tests", "middle"), (2, "middle", "milestones"))
    )
    old = write_template(tmp_path / "old", "1.0.0", first)
    new = write_template(tmp_path / "new", "1.2.0", second, more=moves)
    workspace, _ = Workspace.init(tmp_path / "course", old)
    root = workspace.root
    write_files(root, {"tests/b": "edited\n", "milestones/c": "mine\n"})
    (root / "tests/d").unlink()
    outcome = workspace.update(new)
    assert user_files(root) == {
        "milestones/a": b"a, second\n",
        "milestones/b": b"edited\n",
        "milestones/c": b"mine\n",
    }
    assert set(outcome.incoming) == {"milestones/b", "milestones/c"}
    assert not (root / "tests").exists()
    assert workspace.update(new).plan.updates == ()
