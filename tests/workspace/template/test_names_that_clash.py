"""Names that cannot both be files everywhere, in two versions of a template.

A workspace keeps what the first version installed, so both come to be in it. The record names
one of them: a record that names both is damaged.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sapwood.documents.paths import clash_among, clashing
from sapwood.workspace import UpdateRequest, Workspace
from support.template_folders import user_files, write_files, write_template

PATHS = st.sampled_from(["a", "A", "a/b", "A/B", "a/b/c", "d", "d.x", "d/e", "\u00e9", "e\u0301"])


@pytest.mark.parametrize(
    ("old", "new"),
    [("Readme.md", "README.md"), ("e\u0301.md", "\u00e9.md"), ("x", "x/y.md"), ("x/y.md", "x")],
    ids=["case", "normalisation", "a folder where a file was", "a file where a folder was"],
)
@pytest.mark.parametrize("folder", ["modules", "tests", "generated"])
def test_a_workspace_that_got_both_goes_on(old: str, new: str, folder: str, tmp_path: Path) -> None:
    old, new = f"{folder}/{old}", f"{folder}/{new}"
    write_template(tmp_path / "old", "1.0.0", {old: "first\n"})
    write_template(tmp_path / "new", "1.1.0", {new: "second\n"})
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "old")
    write_files(workspace.root, {old: "mine\n"})
    if old.count("/") != new.count("/"):
        (workspace.root / old).unlink()  # the user has made room, by hand
        if "y.md" in new:
            (workspace.root / old).mkdir()
        else:
            (workspace.root / old).parent.rmdir()
    before = user_files(workspace.root)
    workspace.update(tmp_path / "new")
    assert clash_among(workspace.record().files) is None
    assert new in workspace.record().files
    assert workspace.plan_update(tmp_path / "new").updates == ()
    if folder != "generated":
        assert user_files(workspace.root) == {**before, new: b"second\n"}
    workspace.update(tmp_path / "old", UpdateRequest(allow_downgrade=True))
    workspace.update(tmp_path / "new")


@pytest.mark.parametrize("folder", ["modules", "tests", "generated", "once"])
@pytest.mark.parametrize("renames", [True, False])
def test_a_file_that_is_only_spelled_anew_is_not_removed_where_case_is_folded(
    folder: str, renames: bool, tmp_path: Path
) -> None:
    """Where both names lead to one file, as two names of one file do here."""
    old, new = f"{folder}/Readme.md", f"{folder}/README.md"
    more = f'[[migrations]]\nversion = "1.1.0"\nrenames = [{{ from = "{old}", to = "{new}" }}]\n'
    write_template(tmp_path / "old", "1.0.0", {old: "first\n"})
    write_template(tmp_path / "new", "1.1.0", {new: "second\n"}, more=more if renames else "")
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "old")
    (workspace.root / new).hardlink_to(workspace.root / old)
    workspace.update(tmp_path / "new")
    there = b"second\n" if folder in {"tests", "generated"} else b"first\n"
    assert user_files(workspace.root)[new] == there
    assert (workspace.root / old).exists()
    assert len(workspace.record().files) == 1
    assert workspace.plan_update(tmp_path / "new").updates == ()


@given(st.lists(PATHS, unique=True), st.lists(PATHS, unique=True))
def test_those_that_clash_are_those_that_clash_alone(paths: list[str], others: list[str]) -> None:
    held: list[str] = []
    for other in others:
        if clash_among([*held, other]) is None:
            held.append(other)
    paths = [one for one in paths if one not in held]
    expected = {one for one in paths if clash_among([*held, one]) is not None}
    assert clashing(paths, held) == expected
