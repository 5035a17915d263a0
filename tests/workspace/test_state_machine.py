"""Whatever users and the program do to a workspace, in any order: what was written is kept.

A user writes, deletes, renames, runs notebooks and puts links and folders in the way. The
program updates to any of four versions (renames, retirements, renumbered modules, names that
differ in case, other policies), with or without a course, as a whole or by module; resets,
restores, and runs out of space. Every byte that the user wrote and did not himself overwrite or
delete is then in the workspace or in a backup, plans are what is done, and nothing is done twice.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from sapwood.errors import InputError, InvalidWorkspace, IoError
from sapwood.package.canonical import content_hash
from sapwood.workspace import (
    Action,
    Change,
    FileIdentity,
    Severity,
    UpdateRequest,
    Workspace,
    open_package,
)
from support.failing_calls import CHANGING, failing_at
from support.template_folders import (
    Clock,
    notebook,
    own_files,
    user_files,
    write_files,
    write_template,
)

ALPHA, BETA, GAMMA = "01_alpha", "02_beta", "03_gamma"
EARLIER = """
[[migrations]]
version = "1.1.0"
renames = [{ from = "milestones/m.py", to = "milestones/01_m.py" }]
retired = ["modules/02_beta/help.py"]
"""
RENUMBERED = [
    (f"modules/{BETA}/{BETA}.ipynb", "modules/03_beta/03_beta.ipynb"),
    (f"tests/{BETA}/test.py", "tests/03_beta/test.py"),
    (f"modules/{GAMMA}/{GAMMA}.ipynb", "modules/02_gamma/02_gamma.ipynb"),
    (f"tests/{GAMMA}/test.py", "tests/02_gamma/test.py"),
]
LATER = f"""{EARLIER}
[[migrations]]
version = "1.2.0"
renames = [{", ".join(f'{{ from = "{a}", to = "{b}" }}' for a, b in RENUMBERED)}]
"""
COURSES = {
    "both": ["alpha", "beta"],
    "turned": ["gamma", "beta", "alpha"],
    "less": ["gamma"],
}
VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
WORDS = ("alpha", "beta", "gamma", "90_project")


def files_of(version: str, *names: str) -> dict[str, str | bytes]:
    """What a version holds of some modules, and of none."""
    files: dict[str, str | bytes] = {
        "once/settings.toml": f"settings {version}\n",
        "generated/index.md": f"index {version}\n",
        "weights/w.bin": b"\0weights" + version[:3].encode(),
    }
    for name in names:
        short = name.partition("_")[2]
        files[f"modules/{name}/{name}.ipynb"] = notebook("import x\n", f"{short} = {version!r}\n")
        files[f"tests/{name}/test.py"] = f"test of {short} {version}\n"
    return files


def write_versions(folder: Path) -> None:
    """Writes the templates and the courses."""
    holds = {
        VERSIONS[0]: {
            **files_of("1.0.0", ALPHA, BETA, GAMMA),
            "milestones/m.py": "m 1\n",
            "modules/02_beta/help.py": "help\n",
            "Readme.md": "read me\n",
        },
        VERSIONS[1]: {
            **files_of("1.1.0", ALPHA, BETA, GAMMA),
            "milestones/01_m.py": "m 2\n",
            "README.md": "read me, please\n",
        },
        VERSIONS[2]: {
            **files_of("1.1.0", ALPHA, "03_beta", "02_gamma"),
            "milestones/01_m.py": "m 2\n",
            "once/more.toml": "more\n",
            "README.md": "read me now\n",
        },
        VERSIONS[3]: {
            **files_of("1.3.0", ALPHA, "03_beta"),
            "milestones/02_n.py": "n\n",
            "README.md/index.md": "a folder now\n",
        },
    }
    migrations = dict(zip(VERSIONS, ("", EARLIER, LATER, LATER), strict=True))
    for version, files in holds.items():
        found = {path.split("/")[1] for path in files if path.startswith("modules/")}
        modules = "".join(f'\n[[modules]]\nname = "{one}"\n' for one in sorted(found))
        more = migrations[version] + modules
        write_template(folder / version, version, files, more=more)
        if version == VERSIONS[3]:  # what was generated is the user's own, tests are installed once
            manifest = folder / version / "sapwood-template.toml"
            text = manifest.read_text()
            text = text.replace('policy = "generated"', 'policy = "protect"')
            manifest.write_text(text.replace('"milestones/**"', '"tests/02*/**"'))
    for number, (name, modules_of_it) in enumerate(COURSES.items()):
        extra = "extra: [{ from: x, to: modules/90_project, policy: update }]\n" if number else ""
        write_files(
            folder / name,
            {
                "course.yml": f"modules: {json.dumps(modules_of_it)}\n{extra}",
                "x/x.py": f"project {number}\n",
            },
        )


def every_path() -> list[str]:
    """Paths that a version has, or a course makes of them, and some of the user's own."""
    paths = {"notes.md", "README.md", "Readme.md", "milestones/m.py", "milestones/01_m.py"}
    paths |= {"modules/90_project/x.py", "modules/90_project/mine.py", "README.md/index.md"}
    paths |= {"generated/index.md", "once/settings.toml", "weights/w.bin"}
    for short in ("alpha", "beta", "gamma"):
        for number in (1, 2, 3):
            name = f"0{number}_{short}"
            paths |= {f"modules/{name}/{name}.ipynb", f"tests/{name}/test.py"}
    return sorted(paths)


ALL_PATHS = every_path()
PATHS = st.sampled_from(ALL_PATHS)


class Life(RuleBasedStateMachine):
    """One workspace, and all that happens to it."""

    folder: Path  # of the templates and courses

    def __init__(self) -> None:
        super().__init__()
        self._own = Path(tempfile.mkdtemp(dir=self.folder))
        self._root = self._own / "w"
        self._clock = Clock()
        self._written: set[bytes] = set()  # by the user, who neither replaced nor deleted it
        self._count = 0
        self._lost = False  # what was installed, from base/

    def teardown(self) -> None:
        shutil.rmtree(self._own)

    @initialize(version=st.sampled_from(VERSIONS), course=st.sampled_from([None, *COURSES]))
    def begin(self, version: str, course: str | None) -> None:
        """Makes the workspace."""
        config = None if course is None else self.folder / course
        if course is not None and version == VERSIONS[3]:
            config = None  # which has no gamma
        template = self.folder / version
        self._workspace, _ = Workspace.init(self._root, template, config=config, clock=self._clock)

    def _forget(self, file: Path) -> None:
        """The user replaces or deletes what is there."""
        if file.is_dir() and not file.is_symlink():
            for one in file.rglob("*"):
                if one.is_file():
                    self._written.discard(one.read_bytes())
            shutil.rmtree(file)
        elif file.is_symlink() or file.exists():
            if file.is_file():
                self._written.discard(file.read_bytes())
            file.unlink()

    def _make_room(self, path: str) -> Path:
        """Removes what is in the way of a file."""
        file = self._root / path
        for parent in reversed(file.relative_to(self._root).parents):
            place = self._root / parent
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                self._forget(place)
        self._forget(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    @rule(path=PATHS, here=st.booleans())
    def write(self, path: str, here: bool) -> None:
        """The user writes a file; if `here`, one of those that are there."""
        there = sorted(one for one in user_files(self._root) if not (self._root / one).is_symlink())
        if here and there:
            path = there[hash_of(path) % len(there)]
        self._count += 1
        text = f"mine = {self._count}\n"
        data = notebook("import x\n", text) if path.endswith(".ipynb") else text.encode()
        self._make_room(path).write_bytes(data)
        self._written.add(data)

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        self._forget(self._root / path)

    @rule(path=PATHS, to=PATHS)
    def rename(self, path: str, to: str) -> None:
        source = self._root / path
        if not source.is_file() or source.is_symlink() or path == to or f"{to}/" in f"{path}/":
            return
        if f"{path}/" in f"{to}/":
            return
        data = source.read_bytes()
        source.unlink()
        self._make_room(to).write_bytes(data)

    @rule(path=PATHS, what=st.sampled_from(["link", "folder", "pipe"]))
    def block(self, path: str, what: str) -> None:
        """The user puts something in a file's place."""
        place = self._make_room(path)
        if what == "link":
            place.symlink_to(self._own / "elsewhere")
        elif what == "folder":
            place.mkdir()
        else:
            os.mkfifo(place)

    @rule(path=PATHS)
    def run(self, path: str) -> None:
        """The user runs a notebook, or an editor turns the line ends."""
        file = self._root / path
        if not file.is_file() or file.is_symlink():
            return
        data = file.read_bytes()
        if path.endswith(".ipynb"):
            cells = json.loads(data)["cells"] if data[:1] == b"{" else []
            ran = notebook(*("".join(one["source"]) for one in cells), outputs=True)
            ran = ran if cells else data
        else:
            ran = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if data in self._written:
            self._written.add(ran)
        self._written.discard(data) if ran != data else None
        file.write_bytes(ran)

    @rule(what=st.sampled_from(["base", "stamps.json", "incoming", "lock"]))
    def lose(self, what: str) -> None:
        """The user deletes what the program can do without."""
        self._lost |= what == "base"
        path = self._root / ".course" / what
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    @rule(
        version=st.sampled_from(VERSIONS),
        replace=st.booleans(),
        merge=st.booleans(),
        back=st.booleans(),
        module=st.sampled_from([None, None, *WORDS]),
        course=st.sampled_from([None, None, *COURSES]),
        reset=st.booleans(),
    )
    def update(
        self,
        version: str,
        replace: bool,
        merge: bool,
        back: bool,
        module: str | None,
        course: str | None,
        reset: bool,
    ) -> None:
        """The program brings a version, of all or of a module, or resets the module."""
        source, workspace = self.folder / version, self._workspace
        config = None if course is None or module is not None else self.folder / course
        request = UpdateRequest(module, replace=replace, merge=merge, allow_downgrade=back)
        with open_package(source) as template:
            try:
                if reset and module is not None:
                    plan = workspace.plan_reset(template, module, allow_downgrade=back)
                else:
                    plan = workspace.plan_update(template, request, config=config)
            except InputError:
                return
            if workspace.status().unfinished:  # the plan was of what is half made
                with contextlib.suppress(InputError, InvalidWorkspace):
                    workspace.update(template)
                return
            before = user_files(self._root)
            try:
                if reset and module is not None:
                    outcome = workspace.reset(template, module, allow_downgrade=back)
                else:
                    outcome = workspace.update(template, request, config=config)
            except InvalidWorkspace:  # an extra was to come back
                assert self._lost
                assert user_files(self._root) == before
                return
            assert outcome.missed == ()
            made = [one for one in outcome.plan.changes if one.unmerged is None]
            told = [one for one in plan.changes if one in made]
            if all(one.otherwise is None for one in plan.changes):
                assert outcome.plan.changes == plan.changes
            assert made == told
            after = user_files(self._root)
            for change in outcome.plan.changes:
                check_change(change, before, after)
            touched = {one.path for one in outcome.plan.updates}
            touched |= {one.moved_from for one in outcome.plan.updates if one.moved_from}
            for path in before.keys() | after.keys():
                if path not in touched:
                    assert before.get(path) == after.get(path), path
        self._nothing_is_done_twice(source, replace, merge, module if reset else None)

    def _nothing_is_done_twice(
        self, source: Path, replace: bool, merge: bool, reset: str | None
    ) -> None:
        workspace = self._workspace
        files = user_files(self._root)
        if reset is not None:
            assert workspace.plan_reset(source, reset, allow_downgrade=True).updates == ()
            return
        try:
            workspace.update(
                source, UpdateRequest(replace=replace, merge=merge, allow_downgrade=True)
            )
        except InvalidWorkspace:
            assert self._lost
            return
        files = user_files(self._root)
        record = workspace.record()
        backups = len(workspace.backups())
        again = workspace.update(
            source, UpdateRequest(replace=replace, merge=merge, allow_downgrade=True)
        )
        assert again.plan.updates == ()
        assert (user_files(self._root), workspace.record()) == (files, record)
        assert len(workspace.backups()) == backups

    @rule(
        version=st.sampled_from(VERSIONS),
        at=st.integers(1, 120),
        replace=st.booleans(),
        course=st.sampled_from([None, *COURSES]),
    )
    def run_out_of_space(self, version: str, at: int, replace: bool, course: str | None) -> None:
        """An update fails at one of its calls."""
        config = None if course is None else self.folder / course
        with (
            failing_at(at, errno.ENOSPC, CHANGING),
            contextlib.suppress(IoError, InputError, InvalidWorkspace),
        ):
            self._workspace.update(
                self.folder / version,
                UpdateRequest(replace=replace, allow_downgrade=True),
                config=config,
            )

    @rule(which=st.integers(0, 20))
    def restore(self, which: int) -> None:
        """The program puts a backup back."""
        backups = self._workspace.backups()
        if not backups:
            return
        backup = backups[which % len(backups)]
        try:
            restored = self._workspace.restore(backup.name)
        except InvalidWorkspace:  # a link or a folder is in the way
            assert not (self._root / ".course/staging").exists()
            return
        assert restored.missed == ()
        held = own_files(self._root, f"backups/{backup.name}/files")
        assert held.items() <= user_files(self._root).items()

    @invariant()
    def what_the_user_wrote_is_there(self) -> None:
        backups = own_files(self._root, "backups")
        kept = {
            *user_files(self._root).values(),
            *(one for path, one in backups.items() if "/files/" in path),
        }
        assert self._written <= kept

    @invariant()
    def the_record_can_be_read(self) -> None:
        self._workspace.record()
        found = self._workspace.examine()
        assert not [
            one for one in found if one.kind == "record" and one.severity is Severity.PROBLEM
        ]


def check_change(change: Change, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """That a change was made as it was planned."""
    source = change.moved_from or change.path
    match change.action:
        case Action.INSTALL | Action.REPLACE:
            assert change.new is not None
            assert content_hash(after[change.path], change.path) == change.new.hash
        case Action.REMOVE:
            assert change.path not in after
        case Action.MERGE:
            assert change.path in after
        case _ if isinstance(change.found, FileIdentity):
            assert after[change.path] == before[source]
    if change.moved_from is not None:
        assert change.moved_from not in after


def hash_of(path: str) -> int:
    """A number for a path, the same in each run."""
    return sum(path.encode())


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # adds nothing that could be seen
    write_versions(tmp_path)
    return tmp_path


def test_lives_of_workspaces(templates: Path) -> None:
    life = type("Life", (Life,), {"folder": templates})
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=25,
            stateful_step_count=15,
            suppress_health_check=list(HealthCheck),
        ),
    )
