"""Of copier's and dpkg's cases those that texts cannot tell: modes, folders, links, names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood.errors import InvalidPackage
from sapwood.workspace import Workspace
from support.template_folders import own_files, user_files, write_files, write_template

SCRIPT = "tests/run"


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


def may_run(file: Path) -> bool:
    """Whether all who may read a file may run it; False for one that nobody may run."""
    mode = file.stat().st_mode
    assert mode & 0o111 in {0, (mode >> 2) & 0o111}
    return mode & 0o111 != 0


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
@pytest.mark.parametrize("in_conflict", [False, True])
def test_update_propagates_the_executable_bit(
    before: bool, after: bool, in_conflict: bool, tmp_path: Path
) -> None:
    """Set and removed by the template, beside an unchanged file and one in conflict."""
    old = write_template(tmp_path / "old", "1.0.0", {SCRIPT: "1\n"}, executable=[SCRIPT] * before)
    second: dict[str, str | bytes] = {SCRIPT: "2\n" if in_conflict else "1\n"}
    new = write_template(tmp_path / "new", "1.1.0", second, executable=[SCRIPT] * after)
    workspace, _ = Workspace.init(tmp_path / "course", old)
    script = workspace.root / SCRIPT
    assert may_run(script) is before
    if in_conflict:
        script.write_text("1, mine\n")
    outcome = workspace.update(new)
    if in_conflict:  # the user's file stays the user's, its mode too
        assert (script.read_text(), may_run(script)) == ("1, mine\n", before)
        beside = workspace.root / outcome.incoming[SCRIPT]
        assert (beside.read_text(), may_run(beside)) == ("2\n", after)
    else:
        assert may_run(script) is after
    assert workspace.update(new).plan.updates == ()


def test_file_removed(tmp_path: Path) -> None:
    """Folders that an update empties go; those in which the user has something stay."""
    theirs = ("1", "2/2", "3/sub 3/3", "4/sub 4/4", "5/sub 5/5")
    mine = ("I", "II/II", "3/sub III/III", "4/sub 4/IV")
    at = "milestones"
    old = write_template(tmp_path / "old", "1", {f"{at}/{one}": f"{one}\n" for one in theirs})
    new = write_template(tmp_path / "new", "2", {f"{at}/6": "6\n"})
    workspace, _ = Workspace.init(tmp_path / "course", old)
    root = workspace.root
    write_files(root, {f"{at}/{one}": f"{one}\n" for one in mine})
    outcome = workspace.update(new)
    assert user_files(root).keys() == {f"{at}/{one}" for one in (*mine, "6")}
    folders = {str(one.relative_to(root / at)) for one in (root / at).rglob("*") if one.is_dir()}
    assert folders == {"II", "3", "3/sub III", "4", "4/sub 4"}
    saved = own_files(root, f"backups/{outcome.backup}/files")
    assert saved == {f"{at}/{one}": f"{one}\n".encode() for one in theirs}


Link = Callable[[Path], object]
LINKS: dict[str, Link] = {
    "update_symlink": lambda place: place.symlink_to("b"),
    "symlinked_to_outside_destination_absolute": lambda place: place.symlink_to(
        place.parents[2] / "outside/secret"
    ),
    "symlinked_to_outside_destination_relative": lambda place: place.symlink_to(
        "../../outside/secret"
    ),
    "symlinked_dir_expanded": lambda place: place.symlink_to("../../outside"),
    "recursive_symlink": lambda place: place.symlink_to(".."),
    "copy_symlink_missing_target": lambda place: place.symlink_to("nowhere"),
}


@pytest.mark.parametrize("case", LINKS)
def test_links_in_templates(case: str, tmp_path: Path) -> None:
    """copier keeps those that stay inside, and some that lead outside; ours refuses all."""
    write_files(tmp_path / "outside", {"secret": "secret\n"})
    old = write_template(tmp_path / "old", "1.0.0", {"tests/a": "1\n", "tests/b": "1\n"})
    new = write_template(tmp_path / "new", "1.1.0", {"tests/b": "2\n"})
    LINKS[case](new / "tests/a")
    workspace, _ = Workspace.init(tmp_path / "course", old)
    with pytest.raises(InvalidPackage, match="tests/a"):
        workspace.update(new)
    assert user_files(workspace.root) == {"tests/a": b"1\n", "tests/b": b"1\n"}
    assert workspace.backups() == []
    with pytest.raises(InvalidPackage, match="tests/a"):
        Workspace.init(tmp_path / "other", new)
    assert not (tmp_path / "other").exists()
    assert user_files(tmp_path / "outside") == {"secret": b"secret\n"}


@pytest.mark.parametrize(
    "name",
    [
        *("trailing_whitespace ", "   multi_whitespace   ", "\tother_whitespace\t\\t"),
        *("\a\f\n\t\vcontrol", "back\\slash", "dont_wildmatch*", 'qu`o"tes'),
    ],
)
def test_names_that_copier_has_and_windows_has_not(name: str, tmp_path: Path) -> None:
    template = write_template(tmp_path / "old", "1.0.0", {f"tests/{name}": "1\n"})
    with pytest.raises(InvalidPackage):
        Workspace.init(tmp_path / "course", template)
    assert not (tmp_path / "course").exists()
