"""Laws of courses: each path has one place, and no change of a course loses what was written."""

from __future__ import annotations

import shutil
from pathlib import Path

from hypothesis import HealthCheck, given, settings, strategies as st

from sapwood.workspace import Course, Workspace, open_package
from sapwood.workspace.course.configured import configured
from sapwood.workspace.record.course import renamed_path
from support.course_folders import NAMES, course, template
from support.template_folders import user_files, write_files

WORDS = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)


def test_all_modules_in_their_order_are_the_template_as_it_is(tmp_path: Path) -> None:
    template(tmp_path / "t")
    plain = open_package(tmp_path / "t")
    same = configured(plain, Course(None, NAMES), {})
    assert same.files == plain.files
    assert same.manifest.modules == plain.manifest.modules
    assert (same.manifest.notes, same.manifest.patches) == ((), ())
    for path in plain.files:
        assert same.manifest.rules.rule(path) == plain.manifest.rules.rule(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=WORDS, first=st.integers(0, 9990))
def test_each_path_has_one_place_and_leads_back(
    tmp_path: Path, chosen: list[str], first: int
) -> None:
    if not (tmp_path / "t").exists():
        template(tmp_path / "t")
    plain = open_package(tmp_path / "t")
    made = Course(None, tuple(chosen), first)
    mapped = configured(plain, made, {})
    back = {new: old for old, new in made.names().items()}
    for path, file in mapped.files.items():
        assert renamed_path(path, back) == file.path
    left_out = set(NAMES) - set(chosen)
    kept = {one for one in plain.files if not left_out & set(one.split("/"))}
    assert {one.path for one in mapped.files.values()} == kept
    assert [one.short_name for one in mapped.manifest.modules] == [one[3:] for one in chosen]


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=WORDS, second=WORDS)
def test_any_course_after_any_other_keeps_what_the_user_wrote(
    tmp_path: Path, first: list[str], second: list[str]
) -> None:
    for name in ("t", "w"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    template(tmp_path / "t")
    manifest = (tmp_path / "t/sapwood-template.toml").read_text()
    manifest = "".join(x for x in manifest.splitlines(True) if not x.startswith("needs"))
    (tmp_path / "t/sapwood-template.toml").write_text(manifest)
    course(tmp_path / "c", *first)
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "t", config=tmp_path / "c")
    names = Course(None, tuple(first)).names()
    for name, place in names.items():
        write_files(workspace.root, {f"modules/{place}/{place}.py": f"mine of {name}\n"})
    course(tmp_path / "c", *second)
    workspace.update(tmp_path / "t", config=tmp_path / "c")
    again = Course(None, tuple(second)).names()
    for name, place in names.items():
        now = again.get(name, place)
        file = workspace.root / f"modules/{now}/{now if name in again else place}.py"
        assert file.read_text() == f"mine of {name}\n"
    assert workspace.plan_update(tmp_path / "t").updates == ()
    tests = {path for path in user_files(workspace.root) if path.startswith("tests/0")}
    assert tests == {f"tests/{now}/test_{now[3:]}.py" for now in again.values()}
