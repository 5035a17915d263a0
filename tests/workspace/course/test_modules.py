"""One module of a course, updated or reset alone: it is named as the workspace has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sapwood.errors import InputError
from sapwood.workspace import UpdateRequest, Workspace
from support.course_folders import NAMES, course, files_of, template, text_of
from support.template_folders import notebook, write_files

LOSSES = "modules/02_losses/02_losses.py"


@pytest.fixture
def chosen(tmp_path: Path) -> Workspace:
    """A workspace with tensors and losses, of a template of which there is a later version."""
    template(tmp_path / "t")
    course(tmp_path / "c", "tensors", "losses")
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    template(tmp_path / "t", "1.1.0", files=files_of(NAMES, "2"))
    return workspace


@pytest.mark.parametrize("word", ["2", "02", "losses", "02_losses"])
def test_an_update_of_one_module(chosen: Workspace, tmp_path: Path, word: str) -> None:
    before, made = text_of(chosen.root), chosen.record()
    chosen.update(tmp_path / "t", UpdateRequest(word))
    assert text_of(chosen.root) == {
        **before,
        LOSSES: "losses 2\n",
        "tests/02_losses/test_losses.py": "tests of losses 2\n",
    }
    after = chosen.record()
    assert (after.course, after.template_version) == (made.course, "1.0.0")


def test_a_reset_of_one_module(chosen: Workspace, tmp_path: Path) -> None:
    write_files(chosen.root, {LOSSES: "mine\n"})
    shown = {one.path: one.lines for one in chosen.differences(tmp_path / "t", "losses")}
    assert shown.keys() == {LOSSES, "tests/02_losses/test_losses.py"}
    assert {"-mine", "+losses 2"} <= set(shown[LOSSES] or ())
    outcome = chosen.reset(tmp_path / "t", "02")
    assert text_of(chosen.root)[LOSSES] == "losses 2\n"
    assert outcome.backup is not None
    assert outcome.backup.startswith("02_losses")


def test_modules_that_the_course_has_not(chosen: Workspace, tmp_path: Path) -> None:
    for word in ("layers", "4", "04_losses"):
        with pytest.raises(InputError, match="expected one of 01_tensors, 02_losses"):
            chosen.plan_update(tmp_path / "t", UpdateRequest(word))


def test_exports_of_a_course(tmp_path: Path) -> None:
    home = "modules/{0}/{0}.ipynb"
    files = {home.format(one): notebook(f"#| export\nname = {one!r}\n") for one in NAMES}
    exports = "".join(
        f'[[exports]]\nnotebook = "{home.format(one)}"\nto = "own/{one[3:]}.py"\n' for one in NAMES
    )
    template(tmp_path / "t", files=files, more=exports)
    course(tmp_path / "c", "tensors", "losses")
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    looks = workspace.export(tmp_path / "t").exports
    assert [one.export.notebook for one in looks] == [
        home.format(one) for one in ("01_tensors", "02_losses")
    ]
    assert "'04_losses'" in (workspace.root / "own/losses.py").read_text()
    assert not (workspace.root / "own/layers.py").exists()
    found = [one for one in workspace.examine(tmp_path / "t") if one.severity.value == "problem"]
    assert found == []


def test_a_course_is_for_all_modules(chosen: Workspace, tmp_path: Path) -> None:
    for operation in (chosen.plan_update, chosen.update):
        with pytest.raises(InputError, match="a course is for all modules"):
            operation(tmp_path / "t", UpdateRequest("2"), config=tmp_path / "c")
