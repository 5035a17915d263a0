"""`data download` and `data list`, as commands and as processes that meet or are killed."""

from __future__ import annotations

import itertools
import json
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sapwood.cli import workspace_cli
from sapwood.fetching.pace import DEFAULT_PACE
from support.cli_session import PROGRAM, Session
from support.data_templates import CONTENT, entry, kept, template_with
from support.http_servers import (
    Exchange,
    FileServer,
    ScriptedServer,
    answer,
    part,
    scripted,
    wanted,
)
from support.watched_terminal import Terminal

SIZE = len(CONTENT)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    """A server with the data."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served/digits.bin").write_bytes(CONTENT)
    with FileServer(tmp_path / "served") as server:
        yield server


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("SAPWOOD_DATA", str(tmp_path / "cache"))
    return Session(tmp_path)


def test_data_is_downloaded_and_listed(session: Session, server: FileServer) -> None:
    template_with(
        session / "course",
        [entry(server.url("digits.bin")), entry("http://127.0.0.1:1/x", name="more")],
    )
    before = session.succeed("workspace data list course").decode().splitlines()
    assert [line.split()[:4] for line in before] == [
        ["data", "size", "here", "where"],
        ["digits", "300.0", "kB", "no"],
        ["more", "300.0", "kB", "no"],
    ]
    done = session.run("workspace data download course digits")
    assert (done.returncode, done.stderr) == (0, b"")
    path = done.stdout.decode().rstrip("\n")
    assert Path(path).read_bytes() == CONTENT
    listed = json.loads(session.succeed("workspace data list course --json"))
    assert listed["data"][0] == {
        "name": "digits", "size": SIZE, "have": SIZE, "whole": True, "path": path,
    }  # fmt: skip
    assert [one["whole"] for one in listed["data"]] == [True, False]
    again = json.loads(session.succeed("workspace data download course digits --json"))
    assert again == {
        "command": "workspace data download",
        "name": "digits",
        "path": path,
        "size": SIZE,
        "downloaded": {},
    }
    assert session.succeed("workspace data download course digits --quiet") == b""
    assert server.sent == SIZE


def test_what_goes_wrong_is_told(session: Session, server: FileServer) -> None:
    template_with(session / "course", [entry(server.url("none"), server.url("digits.bin"))])
    line = session.fail("workspace data download course iris", 2)
    assert line == "'iris': expected one of digits; 'data list' shows them"
    done = session.run("workspace data download course digits --cache other")
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)
    assert kept(session / "other") == {"digits.bin": SIZE}
    assert not (session / "cache").exists()
    note = done.stderr.decode()
    assert note.startswith(f"sapwood: note: {server.url('none')}: expected a part (206)")
    assert note.endswith("; trying the next\n")
    template_with(session / "course", [entry(server.url("none"))])
    (session / "cache").mkdir()
    assert "answers 404" in session.fail("workspace data download course digits", 7)
    template_with(session / "bare", [])
    assert session.succeed("workspace data list bare") == b"the template names no data\n"


def test_a_program_of_an_author_has_the_commands(
    session: Session, server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    template_with(session / "course", [entry(server.url("digits.bin"))])
    tito = workspace_cli("tito", session / "course")
    assert tito(["data", "download", "digits"]) == 0
    assert Path(capsys.readouterr().out.rstrip("\n")).read_bytes() == CONTENT
    assert tito(["data", "list"]) == 0
    assert "digits" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        tito(["data", "download", "--help"])
    assert "  tito data download cifar10\n" in capsys.readouterr().out


class Held:
    """Gives the beginning, then half of the rest, then nothing until it is let go."""

    def __init__(self) -> None:
        self.waits = threading.Event()
        self.go = threading.Event()
        self._numbers = itertools.count()

    def __call__(self, request: Exchange) -> bytes:
        number = next(self._numbers)
        begin, end = wanted(request, SIZE)
        whole = part(CONTENT, request)
        if number == 1:
            return whole[: -(end - begin) // 2]
        if number == 2:
            self.waits.set()
            self.go.wait(20)
        return whole


def started(session: Session, server: ScriptedServer) -> subprocess.Popen[str]:
    """A process that downloads."""
    template_with(session / "course", [entry(server.url())])
    command = [*PROGRAM, "workspace", "data", "download", "course", "digits"]
    return subprocess.Popen(
        command, cwd=session.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_what_was_killed_in_the_middle_goes_on(session: Session, ending: signal.Signals) -> None:
    held = Held()
    with scripted(held) as server:
        process = started(session, server)
        assert held.waits.wait(20)
        process.send_signal(ending)
        _, told = process.communicate(timeout=20)
        held.go.set()
        assert process.returncode == (130 if ending == signal.SIGINT else -signal.SIGKILL)
        assert told == (
            "sapwood: error: interrupted by signal 2\n" if process.returncode > 0 else ""
        )
        there = kept(session / "cache")[".digits.bin.part"]
        assert DEFAULT_PACE.head < there < SIZE
        asked = len(server.exchanges)
        done = session.run("workspace data download course digits")
        assert Path(done.stdout.decode().rstrip("\n")).read_bytes() == CONTENT
        begins = [wanted(one, SIZE)[0] for one in server.exchanges[asked:]]
        assert begins == [0, there]
    assert kept(session / "cache") == {"digits.bin": SIZE}


def test_of_two_at_once_one_downloads_and_the_other_waits(session: Session) -> None:
    held = Held()
    with scripted(held) as server:
        first = started(session, server)
        assert held.waits.wait(20)
        second = started(session, server)
        assert second.stderr is not None
        assert second.stderr.readline() == (
            "sapwood: note: waiting for another program that downloads digits\n"
        )
        held.go.set()
        paths = {process.communicate(timeout=20)[0] for process in (first, second)}
        assert (first.returncode, second.returncode, len(paths)) == (0, 0, 1)
        assert len(server.exchanges) == 3  # of the first alone
    assert kept(session / "cache") == {"digits.bin": SIZE}


def test_a_terminal_sees_a_bar_and_notes_above_it(session: Session) -> None:
    go = threading.Event()

    def failing(request: Exchange) -> bytes:
        if request is bad.exchanges[0]:
            return part(CONTENT, request)
        go.wait(20)
        return answer(404)

    def good(request: Exchange) -> bytes:
        return part(CONTENT, request)

    with scripted(failing) as bad, scripted(good) as server:
        template_with(session / "course", [entry(bad.url("a"), server.url("b"))])
        terminal = Terminal(session, "workspace data download course digits")
        while "Downloading digits" not in terminal.shown:
            assert terminal.read()
        go.set()
        code, shown = terminal.finish()
        assert code == 0
        assert f"\x1b[2Ksapwood: note: {bad.url('a')}: " in shown  # on a line of its own
        assert "; trying the next\r\n" in shown
        assert "0/? bytes" not in shown  # of how much is known before anything comes
        assert shown.endswith("\x1b[2K")  # the line is empty again


def test_a_disk_that_is_full_is_told_and_no_other_server_asked(
    session: Session, server: FileServer
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    template_with(session / "course", [entry(server.url("digits.bin"), server.url("digits.bin"))])
    done = session.spawn("workspace data download course digits", preexec_fn=limit)
    assert done.returncode == 7
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("sapwood: error: ")
    assert "raise the limit" in line
    assert kept(session / "cache") == {".digits.bin.part": 100_000}
    session.succeed("workspace data download course digits")
    assert kept(session / "cache") == {"digits.bin": SIZE}


def test_a_cache_that_cannot_be_written_is_told_and_one_that_is_full_of_data_serves(
    session: Session, server: FileServer
) -> None:
    template_with(session / "course", [entry(server.url("digits.bin"))])
    line = session.fail("workspace data download course digits --cache /proc/new", 7)
    assert line.startswith("/proc/new")
    session.succeed("workspace data download course digits")
    folders = [path for path in (session / "cache").rglob("*") if path.is_dir()]
    for path in session.folder.rglob("cache/**/.lock"):
        path.unlink()
    for folder in folders:
        folder.chmod(0o555)
    server.__exit__()
    session.succeed("workspace data download course digits")
    for folder in folders:
        assert not (folder / ".lock").exists()  # nobody needed it
        folder.chmod(0o755)


def test_something_else_in_the_place_of_the_data_is_told(
    session: Session, server: FileServer
) -> None:
    template_with(session / "course", [entry(server.url("digits.bin"))])
    path = Path(session.succeed("workspace data download course digits").decode().rstrip("\n"))
    path.unlink()
    (path / "mine").mkdir(parents=True)
    assert str(path) in session.fail("workspace data download course digits", 7)
    assert (path / "mine").is_dir()
