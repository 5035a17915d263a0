"""Courses: an instructor's course.yml chooses modules, their order and what comes beside them.

Updates respect it: of the template's later versions a workspace gets what its course has, where
its course has it, and what the user wrote goes along.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from sapwood.cli import main
from sapwood.errors import InputError, InvalidWorkspace, IoError, UnsupportedWorkspace
from sapwood.workspace import Course, Extra, UpdateRequest, Workspace, parse_course
from sapwood.workspace.record.record import parse_record
from support.course_folders import BESIDE, NAMES, course, files_of, template, text_of
from support.template_folders import own_files, user_files, write_files


@pytest.fixture
def chosen(tmp_path: Path) -> Workspace:
    """A workspace with tensors, losses and a project."""
    template(tmp_path / "t")
    course(tmp_path / "c", "tensors", "04", project="project 1\n")
    return Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")[0]


CHOSEN = {
    **BESIDE,
    "modules/01_tensors/01_tensors.py": "tensors 1\n",
    "modules/02_losses/02_losses.py": "losses 1\n",
    "modules/90_project/project.py": "project 1\n",
    "tests/01_tensors/test_tensors.py": "tests of tensors 1\n",
    "tests/02_losses/test_losses.py": "tests of losses 1\n",
}


def test_chosen_modules_come_in_the_order_of_the_course(chosen: Workspace) -> None:
    assert text_of(chosen.root) == CHOSEN
    kept = chosen.record().course
    assert kept == Course(
        "CS 101, spring",
        ("01_tensors", "04_losses"),
        extras=(Extra("assignments/project", "modules/90_project"),),
    )
    assert kept.workspace_names() == ["01_tensors", "02_losses", "90_project"]


def test_nothing_is_to_be_done_about_a_course_that_has_not_changed(
    chosen: Workspace, tmp_path: Path
) -> None:
    before = (chosen.root / ".course/version.json").read_bytes()
    for config in (None, tmp_path / "c", tmp_path / "c/course.yml"):
        plan = chosen.plan_update(tmp_path / "t", config=config)
        assert (plan.updates, plan.conflicts, plan.course) == ((), (), chosen.record().course)
        chosen.update(tmp_path / "t", config=config)
    assert (chosen.root / ".course/version.json").read_bytes() == before
    assert text_of(chosen.root) == CHOSEN


def test_a_new_title_is_taken_down(chosen: Workspace, tmp_path: Path) -> None:
    text = (tmp_path / "c/course.yml").read_text()
    (tmp_path / "c/course.yml").write_text(text.replace("spring", "autumn"))
    assert chosen.update(tmp_path / "t", config=tmp_path / "c").plan.updates == ()
    kept = chosen.record().course
    assert kept is not None
    assert kept.title == "CS 101, autumn"


def test_a_course_may_be_handed_out_as_an_archive(tmp_path: Path) -> None:
    template(tmp_path / "t")
    course(tmp_path / "c", "tensors", "04", project="project 1\n")
    with zipfile.ZipFile(tmp_path / "course.zip", "w") as archive:
        for file in sorted((tmp_path / "c").rglob("*")):
            archive.write(file, f"spring/{file.relative_to(tmp_path / 'c').as_posix()}")
    Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "course.zip")
    assert text_of(tmp_path / "w") == CHOSEN


def test_a_fix_of_the_template_arrives_where_the_course_has_the_module(
    chosen: Workspace, tmp_path: Path
) -> None:
    write_files(chosen.root, {"modules/02_losses/02_losses.py": "mine\n"})
    note = '[[notes]]\npath = "tests/04_losses/test_losses.py"\ntext = "bug fix"\n'
    template(tmp_path / "t", "1.1.0", files=files_of(NAMES, "2"), more=note)
    outcome = chosen.update(tmp_path / "t")
    fixed = {one.path: one.note for one in outcome.plan.updates}
    assert fixed == {
        "tests/01_tensors/test_tensors.py": None,
        "tests/02_losses/test_losses.py": "bug fix",
    }
    assert text_of(chosen.root) == {
        **CHOSEN,
        "modules/02_losses/02_losses.py": "mine\n",
        "tests/01_tensors/test_tensors.py": "tests of tensors 2\n",
        "tests/02_losses/test_losses.py": "tests of losses 2\n",
    }


def test_a_module_that_the_course_did_not_choose_stays_out(
    chosen: Workspace, tmp_path: Path
) -> None:
    names = (*NAMES, "05_autograd")
    template(tmp_path / "t", "1.1.0", names)
    assert chosen.plan_update(tmp_path / "t").updates == ()
    chosen.update(tmp_path / "t")
    assert text_of(chosen.root) == CHOSEN
    assert chosen.record().template_version == "1.1.0"


RENAMES = """
[[migrations]]
version = "1.1.0"
renames = [
  { from = "modules/04_losses/04_losses.py", to = "modules/05_objectives/05_objectives.py" },
  { from = "tests/04_losses/test_losses.py", to = "tests/05_objectives/test_losses.py" },
]
"""


@pytest.mark.parametrize("listed", [True, False], ids=["in migrations", "by its number alone"])
def test_a_module_that_the_template_renamed_is_still_chosen(
    chosen: Workspace, tmp_path: Path, listed: bool
) -> None:
    write_files(chosen.root, {"modules/02_losses/02_losses.py": "mine\n"})
    now = "05_objectives" if listed else "05_losses"
    names = ("01_tensors", "02_activations", "03_layers", "04_more", now)
    files = files_of(names, "2")
    if listed:
        files["tests/05_objectives/test_losses.py"] = "tests of losses 2\n"
        del files["tests/05_objectives/test_objectives.py"]
    template(tmp_path / "t", "1.1.0", names, files, more=RENAMES if listed else "")
    chosen.update(tmp_path / "t")
    short = now[3:]
    expected = {
        **CHOSEN,
        "tests/01_tensors/test_tensors.py": "tests of tensors 2\n",
        f"modules/02_{short}/02_{short}.py": "mine\n",
        f"tests/02_{short}/test_losses.py": "tests of losses 2\n",
    }
    if listed:
        del expected["modules/02_losses/02_losses.py"], expected["tests/02_losses/test_losses.py"]
    assert text_of(chosen.root) == expected
    assert dataclasses.replace(chosen.record().course or Course(None, ()), title=None) == Course(
        None, ("01_tensors", now), extras=(Extra("assignments/project", "modules/90_project"),)
    )


def test_a_module_that_the_template_dropped_leaves_its_place_to_nobody(
    chosen: Workspace, tmp_path: Path
) -> None:
    template(tmp_path / "t", "1.1.0", NAMES[1:])
    chosen.update(tmp_path / "t")
    left = {**CHOSEN}
    del left["tests/01_tensors/test_tensors.py"]  # policy: update; what is protected stays
    assert text_of(chosen.root) == left


def test_what_a_policy_says_of_a_module_holds_wherever_the_course_has_it(tmp_path: Path) -> None:
    rules = '[[policies]]\npattern = "exercises/04_losses/**"\npolicy = "update"\n'
    retired = '[[migrations]]\nversion = "1.1.0"\nretired = ["modules/04_losses/**"]\n'
    files = {**files_of(NAMES), "exercises/04_losses/a.py": "a 1\n"}
    template(tmp_path / "t", files=files, more=rules)
    course(tmp_path / "c", "tensors", "losses")
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    files["exercises/04_losses/a.py"] = "a 2\n"
    del files["modules/04_losses/04_losses.py"]
    template(tmp_path / "t", "1.1.0", files=files, more=rules + retired)
    workspace.update(tmp_path / "t")
    found = text_of(workspace.root)
    assert found["exercises/02_losses/a.py"] == "a 2\n"
    assert "modules/02_losses/02_losses.py" not in found


def test_a_new_order_moves_files_with_what_the_user_wrote(
    chosen: Workspace, tmp_path: Path
) -> None:
    write_files(
        chosen.root,
        {
            "modules/01_tensors/01_tensors.py": "mine\n",
            "tests/02_losses/test_losses.py": "my tests\n",
        },
    )
    # needs say that losses come after tensors; another version of the template may not.
    template(tmp_path / "t", "1.1.0", files=files_of(NAMES, "2"))
    manifest = (tmp_path / "t/sapwood-template.toml").read_text()
    (tmp_path / "t/sapwood-template.toml").write_text(manifest.replace('["01_tensors"]', "[]"))
    course(tmp_path / "c", "losses", "tensors", project="project 2\n")
    outcome = chosen.update(tmp_path / "t", config=tmp_path / "c")
    assert text_of(chosen.root) == {
        **BESIDE,
        "modules/01_losses/01_losses.py": "losses 1\n",  # protected, as it was
        "modules/02_tensors/02_tensors.py": "mine\n",
        "modules/90_project/project.py": "project 1\n",  # protected too
        "tests/01_losses/test_losses.py": "my tests\n",
        "tests/02_tensors/test_tensors.py": "tests of tensors 2\n",
    }
    assert dict(outcome.incoming) == {
        "tests/01_losses/test_losses.py": ".course/incoming/1.1.0/tests/01_losses/test_losses.py"
    }
    assert chosen.plan_update(tmp_path / "t").updates == ()


def test_modules_come_and_go_with_the_course(chosen: Workspace, tmp_path: Path) -> None:
    write_files(chosen.root, {"modules/02_losses/02_losses.py": "mine\n"})
    course(tmp_path / "c", "tensors", "activations", "layers")
    chosen.update(tmp_path / "t", config=tmp_path / "c")
    without = {
        **files_of(NAMES[:3]),
        "modules/02_losses/02_losses.py": "mine\n",  # what the user wrote stays
    }
    assert text_of(chosen.root) == without
    backup = chosen.backups()[-1]
    assert {"modules/90_project/project.py", "tests/02_losses/test_losses.py"} <= set(backup.files)
    # Once the module is chosen again, what the user wrote is a part of it.
    course(tmp_path / "c", *(one[3:] for one in NAMES))
    chosen.update(tmp_path / "t", config=tmp_path / "c")
    assert text_of(chosen.root) == {
        **files_of(NAMES),
        "modules/04_losses/04_losses.py": "mine\n",
    }


def test_a_workspace_may_get_its_course_later(tmp_path: Path) -> None:
    template(tmp_path / "t")
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t")
    write_files(workspace.root, {"modules/04_losses/04_losses.py": "mine\n"})
    course(tmp_path / "c", "tensors", "04", project="project 1\n")
    workspace.update(tmp_path / "t", config=tmp_path / "c")
    assert text_of(workspace.root) == {**CHOSEN, "modules/02_losses/02_losses.py": "mine\n"}


@pytest.mark.parametrize(
    ("policy", "mine", "expected"),
    [
        ("update", None, "project 2\n"),
        ("update", "mine\n", "mine\n"),
        ("protect", None, "project 1\n"),
        ("generated", "mine\n", "project 2\n"),
    ],
)
def test_extras_are_updated_as_their_policy_says(
    tmp_path: Path, policy: str, mine: str | None, expected: str
) -> None:
    template(tmp_path / "t")
    extra = f"    policy: {policy}\n"
    course(tmp_path / "c", "tensors", project="project 1\n")
    with (tmp_path / "c/course.yml").open("a") as file:
        file.write(extra)
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    project = workspace.root / "modules/90_project/project.py"
    if mine is not None:
        project.write_text(mine)
    write_files(tmp_path / "c", {"assignments/project/project.py": "project 2\n"})
    workspace.update(tmp_path / "t", config=tmp_path / "c")
    assert project.read_text() == expected


def test_extras_move_with_what_the_user_wrote(chosen: Workspace, tmp_path: Path) -> None:
    write_files(chosen.root, {"modules/90_project/project.py": "mine\n"})
    text = (tmp_path / "c/course.yml").read_text()
    (tmp_path / "c/course.yml").write_text(text.replace("90_project", "80_project"))
    chosen.update(tmp_path / "t", config=tmp_path / "c")
    found = text_of(chosen.root)
    assert found["modules/80_project/project.py"] == "mine\n"
    assert "modules/90_project/project.py" not in found


def test_extras_come_back_without_their_instructor(tmp_path: Path) -> None:
    template(tmp_path / "t")
    course(tmp_path / "c", "tensors", project="project 1\n")
    with (tmp_path / "c/course.yml").open("a") as file:
        file.write("    policy: generated\n")
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    shutil.rmtree(tmp_path / "c")
    (workspace.root / "modules/90_project/project.py").unlink()
    workspace.update(tmp_path / "t")
    assert (workspace.root / "modules/90_project/project.py").read_text() == "project 1\n"


def test_an_extra_may_have_a_place_in_the_order(tmp_path: Path) -> None:
    template(tmp_path / "t")
    course(tmp_path / "c", "tensors", "project", "losses", project="project 1\n")
    with pytest.raises(InputError, match="install it to 02_project"):
        Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    assert not (tmp_path / "w").exists()
    text = (tmp_path / "c/course.yml").read_text()
    (tmp_path / "c/course.yml").write_text(text.replace("90_project", "02_project"))
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    kept = workspace.record().course
    assert kept is not None
    assert kept.workspace_names() == ["01_tensors", "02_project", "03_losses"]
    assert (workspace.root / "modules/03_losses/03_losses.py").exists()


def test_extras_may_add_to_a_chosen_module(tmp_path: Path) -> None:
    template(tmp_path / "t")
    course(tmp_path / "c", "tensors", "losses")
    extra = "extra: [{ from: more.py, to: tests/02_losses/test_more.py }]\n"
    with (tmp_path / "c/course.yml").open("a") as file:
        file.write(extra)
    write_files(tmp_path / "c", {"more.py": "more\n"})
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    assert {one.name for one in (workspace.root / "tests/02_losses").iterdir()} == {
        "test_losses.py",
        "test_more.py",
    }


def test_an_extra_that_was_mended_twice_lies_beside_as_it_is_now(
    chosen: Workspace, tmp_path: Path
) -> None:
    """In one version of the template: an instructor's files have none of their own."""
    path = "modules/90_project/project.py"
    write_files(chosen.root, {path: "mine\n"})
    backups = []
    for text in ("project 2\n", "project 3\n", "project 3\n"):
        config = course(tmp_path / "c", "tensors", "04", project=text)
        with (config / "course.yml").open("a") as file:
            file.write("    policy: update\n")
        outcome = chosen.update(tmp_path / "t", config=config)
        assert (chosen.root / outcome.incoming[path]).read_text() == text
        backups.append(outcome.backup is not None)
    assert backups == [False, True, False]  # the user may have written into what lay there
    assert text_of(chosen.root)[path] == "mine\n"


def test_extras_whose_installed_content_is_lost(chosen: Workspace, tmp_path: Path) -> None:
    path = "modules/90_project/project.py"
    shutil.rmtree(chosen.root / ".course/base")
    chosen.update(tmp_path / "t")
    write_files(chosen.root, {path: "mine\n"})
    with pytest.raises(InvalidWorkspace, match="update with --config"):
        chosen.reset(tmp_path / "t", "project")
    assert text_of(chosen.root)[path] == "mine\n"
    chosen.update(tmp_path / "t", config=tmp_path / "c")
    chosen.reset(tmp_path / "t", "project")
    assert text_of(chosen.root)[path] == "project 1\n"


def test_an_extra_may_be_a_folder_that_the_template_has_too(tmp_path: Path) -> None:
    manifest = template(tmp_path / "t") / "sapwood-template.toml"
    course(tmp_path / "c", "tensors", "losses")
    with (tmp_path / "c/course.yml").open("a") as file:
        file.write("extra: [{ from: x, to: tests/02_losses, policy: once }]\n")
    write_files(tmp_path / "c", {"x/more.py": "more\n"})
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    assert workspace.plan_update(tmp_path / "t").updates == ()

    manifest.write_text(manifest.read_text().replace('"1.0.0"', '"1.1.0"'))
    write_files(tmp_path / "t", {"tests/04_losses/test_losses.py": "a fix\n"})
    workspace.update(tmp_path / "t")
    fixed, more = (workspace.root / "tests/02_losses" / x for x in ("test_losses.py", "more.py"))
    assert fixed.read_text() == "a fix\n"  # the extra's policy is not for the template's files

    write_files(workspace.root, {"tests/02_losses/test_losses.py": "mine\n"})
    course(tmp_path / "c", "tensors", "activations", "losses")
    workspace.update(tmp_path / "t", config=tmp_path / "c")
    assert not fixed.exists()
    assert not more.exists()  # the course has the extra no more
    assert (workspace.root / "tests/03_losses/test_losses.py").read_text() == "mine\n"


def test_a_file_is_retired_by_the_numbers_that_modules_have_now(tmp_path: Path) -> None:
    """Back from a version that has renumbered a module, at once and not the next time."""
    renames = 'renames = [{ from = "modules/04_losses/04_losses.py", to = "%s" }]\n'
    retired = '[[migrations]]\nversion = "1.0.0"\nretired = ["modules/04_losses/old.py"]\n'
    later = '[[migrations]]\nversion = "1.1.0"\n' + renames % "modules/05_losses/05_losses.py"
    files = files_of((*NAMES[:3], "05_losses")) | {"modules/05_losses/old.py": "old\n"}
    template(tmp_path / "old", more=retired)
    template(tmp_path / "new", "1.1.0", (*NAMES[:3], "05_losses"), files, more=later)
    course(tmp_path / "c", "tensors", "losses")
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "new", config=tmp_path / "c")
    workspace.update(tmp_path / "old", UpdateRequest(allow_downgrade=True))
    assert "modules/02_losses/old.py" not in user_files(workspace.root)
    assert workspace.plan_update(tmp_path / "old").updates == ()


def test_numbers_begin_where_the_course_says(tmp_path: Path) -> None:
    template(tmp_path / "t")
    course(tmp_path / "c", "tensors", "losses", more="first: 0\n")
    Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    assert "modules/00_tensors/00_tensors.py" in user_files(tmp_path / "w")


def test_the_commands_name_the_course(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template(tmp_path / "t")
    course(tmp_path / "c", "tensors", "losses")
    words = [str(tmp_path / "t"), str(tmp_path / "w"), "--config", str(tmp_path / "c")]
    assert main(["workspace", "init", *words]) == 0
    assert "from course 1.0.0 (CS 101, spring): 6 files" in capsys.readouterr().out
    folder = ["--folder", str(tmp_path / "w")]
    assert main(["workspace", "status", *folder]) == 0
    assert ": course 1.0.0 (CS 101, spring), 6 files" in capsys.readouterr().out
    assert main(["workspace", "update", str(tmp_path / "t"), *folder, "--check"]) == 0
    assert "Course: CS 101, spring, 2 modules\n" in capsys.readouterr().out
    assert main(["workspace", "status", *folder, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["course"]
    assert shown == {
        "title": "CS 101, spring",
        "modules": ["01_tensors", "02_losses"],
        "extra": [],
    }
    course(tmp_path / "c", "tensors", "activations", "losses")
    words = [str(tmp_path / "t"), *folder, "--config", str(tmp_path / "c")]
    assert main(["workspace", "update", *words, "--check", "--json"]) == 20
    facts = json.loads(capsys.readouterr().out)
    assert facts["course"]["modules"] == ["01_tensors", "02_activations", "03_losses"]
    assert main(["workspace", "update", *words, "--check"]) == 20
    assert f"--config {tmp_path / 'c'} --dry-run'" in capsys.readouterr().out


def test_a_record_without_a_course_is_written_as_before(tmp_path: Path) -> None:
    template(tmp_path / "t")
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t")
    assert b'"course": {' not in (workspace.root / ".course/version.json").read_bytes()


def test_a_course_of_a_newer_program_is_not_lost(chosen: Workspace, tmp_path: Path) -> None:
    file = chosen.root / ".course/version.json"
    text = file.read_text()
    assert parse_record(text.encode(), "r").to_bytes().decode() == text
    value = json.loads(text)
    value["course"]["groups"] = 3
    file.write_text(json.dumps(value))
    for operation in (chosen.status, lambda: chosen.update(tmp_path / "t")):
        with pytest.raises(UnsupportedWorkspace, match=r"groups.*newer program"):
            operation()
    assert json.loads(file.read_text()) == value


def test_installed_extras_are_kept_like_other_files(chosen: Workspace) -> None:
    write_files(chosen.root, {"modules/90_project/project.py": "project 1\nmine\n"})
    changes = chosen.line_changes("modules/90_project/project.py")
    assert changes is not None
    assert (changes.added, changes.removed) == (1, 0)
    assert len(own_files(chosen.root, "base")) == len(CHOSEN)


def test_a_course_that_is_not_there(tmp_path: Path) -> None:
    template(tmp_path / "t")
    with pytest.raises(IoError, match="nowhere"):
        Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "nowhere.yml")
    assert not (tmp_path / "w").exists()


def test_a_course_is_parsed_alone() -> None:
    config = parse_course(b"modules: [01, tensors]\nextra: [{from: a/, to: b/}]\n")
    assert config.modules == ("01", "tensors")  # as they are written: no octal numbers
    assert config.extras == (Extra("a", "b"),)
