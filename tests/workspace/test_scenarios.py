"""What the users of nbgitpuller and copier ran into, as their own suites tell it.

Each row is one of their tests, by its name there: what was installed, and step by step what the
user did, what the next version of the template holds, and what an update comes to. Where we
differ on purpose, the row says what the other tool does.

Not here, for it is of git alone: branches, shallow clones, staged changes, submodules; and of
copier what it asks and what it renders.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE

import pytest

from sapwood.errors import WorkspaceBusy
from sapwood.workspace import UpdateRequest, Workspace
from support.template_folders import Clock, own_files, user_files, write_files, write_template

GONE = None  # of a file that is deleted


@dataclasses.dataclass(frozen=True)
class Step:
    """What the user did, the next version, what an update makes of both; GONE deletes.

    Contents are texts without their line's end. What is laid beside and backed up is told of
    this step alone.
    """

    user: Mapping[str, str | None]
    second: Mapping[str, str]
    after: Mapping[str, str]
    incoming: Mapping[str, str] = dataclasses.field(default_factory=dict)
    backed_up: Mapping[str, str] = dataclasses.field(default_factory=dict)
    replace: bool = False


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One row."""

    first: Mapping[str, str]
    steps: tuple[Step, ...]
    theirs: str = ""


def row(first: Mapping[str, str], *steps: Step, theirs: str = "") -> Scenario:
    return Scenario(first, steps, theirs)


T, M, NEXT = "tests/a", "milestones/a", "tests/another-file"
MARKERS = "writes conflict markers into the file"
EMOJI = "tests/unicode🙂.txt"

NBGITPULLER = {
    "simple_push_pull": row(
        {T: "1"},
        Step({}, {T: "2"}, {T: "2"}, backed_up={T: "1"}),
        Step({}, {T: "2", NEXT: "3"}, {T: "2", NEXT: "3"}),
        Step({}, {T: "2"}, {T: "2"}, backed_up={NEXT: "3"}),
    ),
    "merging_simple": row(
        {T: "1"},
        Step({T: "2"}, {T: "3"}, {T: "2"}, incoming={T: "3"}),
        Step({}, {T: "3", NEXT: "4"}, {T: "2", NEXT: "4"}, incoming={T: "3"}),
        Step({}, {T: "5", NEXT: "4"}, {T: "2", NEXT: "4"}, incoming={T: "5"}),
        theirs="merges with -Xours, which loses upstream's lines without a word",
    ),
    "untracked_puller": row(
        {},
        Step({NEXT: "3"}, {NEXT: "2"}, {NEXT: "3"}, incoming={NEXT: "2"}),
        Step({}, {NEXT: "2"}, {NEXT: "2"}, backed_up={NEXT: "3"}, replace=True),
        theirs="renames the user's file and installs its own; ours does so when it is asked to",
    ),
    "reset_file": row(
        {T: "1", EMOJI: "2"},
        Step({T: GONE, EMOJI: GONE}, {T: "1", EMOJI: "2"}, {T: "1", EMOJI: "2"}),
    ),
    "reset_file_after_changes": row(
        {T: "original"},
        Step({T: "local"}, {T: "remote"}, {T: "local"}, incoming={T: "remote"}),
        Step({T: GONE}, {T: "remote"}, {T: "remote"}),
    ),
    "delete_conflicted_file": row(
        {T: "hello"},
        Step({T: "student changed"}, {T: "hello"}, {T: "student changed"}),
        Step({T: GONE}, {T: "hello", NEXT: "hello world"}, {T: "hello", NEXT: "hello world"}),
    ),
    "delete_conflicted_file, a milestone": row(
        {M: "hello"},
        Step({M: "student changed"}, {M: "2"}, {M: "student changed"}, incoming={M: "2"}),
        Step({M: GONE}, {M: "2", NEXT: "hello world"}, {NEXT: "hello world"}),
        theirs="brings the file back; ours does where the policy says deleted = 'restore'",
    ),
    "delete_remotely_modify_locally": row({T: "new"}, Step({T: "HELLO"}, {}, {T: "HELLO"})),
    "diverged": row(
        {T: "new"},
        Step({T: "conflict"}, {NEXT: "1"}, {T: "conflict", NEXT: "1"}),
        Step({}, {T: "again", NEXT: "1"}, {T: "conflict", NEXT: "1"}, incoming={T: "again"}),
    ),
    "diverged_reverse": row({T: "new"}, Step({T: GONE}, {T: "changed"}, {T: "changed"})),
    "diverged_multiple": row(
        {T: "new", NEXT: "new"},
        Step(
            {T: "edited", NEXT: "edited"},
            {T: "changed remotely"},
            {T: "edited", NEXT: "edited"},
            incoming={T: "changed remotely"},
        ),
    ),
    "delete_locally_and_remotely": row({T: "1"}, Step({T: GONE}, {NEXT: "2"}, {NEXT: "2"})),
    "backup_on_merge_conflict": row(
        {T: "1", NEXT: "1"},
        Step(
            {T: "2", "tests/mine": "mine"},
            {T: "rewritten", NEXT: "1"},
            {T: "rewritten", NEXT: "1", "tests/mine": "mine"},
            backed_up={T: "2"},
            replace=True,
        ),
        theirs="renames the whole folder and clones anew: what is not git's is in the old one",
    ),
    "a file name with an emoji": row(
        {"tests/🌱 ä": "1"},
        Step(
            {"tests/notes 🌳": "mine"},
            {"tests/🌱 ä": "2"},
            {"tests/🌱 ä": "2", "tests/notes 🌳": "mine"},
            backed_up={"tests/🌱 ä": "1"},
        ),
    ),
}

# Of copier's names those that Windows can have; the others are refused, below.
NAMES = [
    f"milestones/{name}"
    for name in (
        *("normal_file", "unicode_âñ", "file with whitespace", " leading_whitespace"),
        *("!special", "dont_wildmatc[h]", "README.md", "spa ces", "m4â4ñ4a"),
    )
]
WILD, DEEP = "milestones/dont_wildmatch", "milestones/foo/bar/test.txt"

COPIER = {
    "skip_update": row({"once/a": "1"}, Step({"once/a": "2"}, {"once/a": "3"}, {"once/a": "2"})),
    "skip_update, not changed": row({"once/a": "1"}, Step({}, {"once/a": "2"}, {"once/a": "1"})),
    "skip_update_deleted": row(
        {"once/a": "1"}, Step({"once/a": GONE}, {"once/a": "1"}, {}), theirs="brings the file back"
    ),
    "update_deleted_path": row(
        {**dict.fromkeys(NAMES, "foo"), WILD: "bar"},
        Step(
            dict.fromkeys(NAMES, GONE),
            {**dict.fromkeys(NAMES, "bar"), WILD: "baz"},
            {WILD: "baz"},
            backed_up={WILD: "bar"},
        ),
    ),
    "update_deleted_path_not_used_as_pattern": row(
        {"milestones/test.txt": "remove", "milestones/foo/test.txt": "keep", DEEP: "keep"},
        Step(
            {"milestones/test.txt": GONE},
            {"milestones/test.txt": "remove", "milestones/foo/test.txt": "keep", DEEP: "keep"},
            {"milestones/foo/test.txt": "keep", DEEP: "keep"},
        ),
    ),
    "file_removed, the user changed it": row(
        {M: "1"}, Step({M: "2"}, {}, {M: "2"}), theirs="deletes the file"
    ),
    "update_with_new_file_in_template_and_project": row(
        {},
        Step({M: "mine"}, {M: "theirs"}, {M: "mine"}, incoming={M: "theirs"}),
        theirs=MARKERS,
    ),
    "the same new file in template and project": row({}, Step({M: "x"}, {M: "x"}, {M: "x"})),
    "conflicted_files_are_marked_unmerged": row(
        dict.fromkeys(NAMES, "upstream version 1"),
        Step(
            dict.fromkeys(NAMES, "upstream version 1 + downstream"),
            dict.fromkeys(NAMES, "upstream version 2"),
            dict.fromkeys(NAMES, "upstream version 1 + downstream"),
            incoming=dict.fromkeys(NAMES, "upstream version 2"),
        ),
        theirs=MARKERS,
    ),
    "3way_merged_files_without_conflicts_are_not_marked_unmerged": row(
        {M: "1"}, Step({M: "2"}, {M: "2"}, {M: "2"}), Step({}, {M: "3"}, {M: "3"}, {}, {M: "2"})
    ),
    "conflict_on_update_with_unicode_in_content": row(
        {M: "aaa🐍\nzzz🐍"},
        Step(
            {M: "aaa🐍\njjj🐍\nzzz🐍"},
            {M: "aaa🐍\nccc🐍\nzzz🐍"},
            {M: "aaa🐍\njjj🐍\nzzz🐍"},
            incoming={M: "aaa🐍\nccc🐍\nzzz🐍"},
        ),
        theirs=MARKERS,
    ),
    "protected, not started": row(
        {"modules/a": "1"},
        Step({}, {"modules/a": "2"}, {"modules/a": "1"}),
        theirs="updates it; ours says that an update is there",
    ),
    "protected, half done": row(
        {"modules/a": "1"}, Step({"modules/a": "mine"}, {"modules/a": "2"}, {"modules/a": "mine"})
    ),
    "protected, retired": row({"modules/a": "1"}, Step({}, {}, {"modules/a": "1"})),
    "generated": row(
        {"generated/a": "1"},
        Step(
            {"generated/a": "mine"},
            {"generated/a": "1"},
            {"generated/a": "1"},
            backed_up={"generated/a": "mine"},
        ),
    ),
}


def lines(files: Mapping[str, str]) -> dict[str, str | bytes]:
    return {path: f"{content}\n" for path, content in files.items()}


def texts(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: content.decode().removesuffix("\n") for path, content in files.items()}


@pytest.mark.parametrize("name", [*NBGITPULLER, *COPIER])
def test_scenarios(name: str, tmp_path: Path) -> None:
    scenario = (NBGITPULLER | COPIER)[name]
    root = tmp_path / "course"
    old = write_template(tmp_path / "1.0.0", "1.0.0", lines(scenario.first))
    workspace, _ = Workspace.init(root, old, clock=Clock())
    for minor, step in enumerate(scenario.steps, 1):
        version = f"1.{minor}.0"
        new = write_template(tmp_path / version, version, lines(step.second))
        for path, content in step.user.items():
            if content is GONE:
                (root / path).unlink()
            else:
                write_files(root, {path: f"{content}\n"})
        outcome = workspace.update(new, UpdateRequest(replace=step.replace))
        assert texts(user_files(root)) == step.after
        assert texts(own_files(root, f"incoming/{version}")) == step.incoming
        assert set(outcome.incoming) == set(step.incoming)
        saved = {} if outcome.backup is None else own_files(root, f"backups/{outcome.backup}/files")
        assert texts(saved) == step.backed_up
        # A second update has nothing left to do, and says the same of what is in conflict.
        again = workspace.update(new, UpdateRequest(replace=step.replace))
        assert again.plan.updates == ()
        assert again.backup is None
        assert set(again.incoming) == set(step.incoming)
        assert texts(user_files(root)) == step.after


def test_git_lock(tmp_path: Path) -> None:
    """nbgitpuller waits until a lock that was left behind is ten minutes old.

    Ours is the system's, which lets go of it when its holder dies: the file that stays means
    nothing.
    """
    old = write_template(tmp_path / "old", "1.0.0", {T: "1\n"})
    new = write_template(tmp_path / "new", "1.1.0", {T: "2\n"})
    workspace, _ = Workspace.init(tmp_path / "course", old)
    lock = workspace.root / ".course/lock"
    program = (
        "import sys; from pathlib import Path\n"
        "from sapwood.errors import Busy; from sapwood.files.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1]), Busy('held')):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(lock)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(WorkspaceBusy):
            workspace.update(new)
        assert user_files(workspace.root) == {T: b"1\n"}
        holder.kill()
    assert lock.exists()
    workspace.update(new)
    assert user_files(workspace.root) == {T: b"2\n"}


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
    """Asked for of nbgitpuller in #279."""
    template = write_template(tmp_path / "old", "1.0.0", {"tests/a": "1\n"})
    workspace, _ = Workspace.init(tmp_path / "course", template)
    file = workspace.root / "tests/a"
    file.unlink()
    workspace.update(template)
    assert file.read_text() == "1\n"
