"""What a terminal sees: a bar while work takes long, a table, no binary data."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from sapwood.cli.progress import PATIENCE
from support.cli_session import PROGRAM, Session, write_pairs
from support.export_templates import write_course
from support.watched_terminal import Terminal

SHOW_CURSOR = "\x1b[?25h"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A folder with pairs and a patch."""
    session = Session(tmp_path_factory.mktemp("terminal"))
    write_pairs(session.folder)
    session.succeed("create --base a.safetensors --target b.safetensors --out p")
    return session


# A base that does not come makes work as long as one likes.
VERIFY = "verify --base - --patch p"


def test_long_work_shows_a_bar_and_removes_it(here: Session) -> None:
    terminal = Terminal(here, VERIFY)
    while "verifying" not in terminal.shown:
        assert terminal.read()
    code, shown = terminal.finish(here.bytes("a.safetensors"))
    assert code == 0
    assert SHOW_CURSOR in shown
    assert shown.endswith("\x1b[2K")  # the line is empty again


def test_an_error_comes_after_the_bar(here: Session) -> None:
    terminal = Terminal(here, VERIFY)
    while "verifying" not in terminal.shown:
        assert terminal.read()
    code, shown = terminal.finish(here.bytes("b.safetensors"))
    assert code == 4
    assert "sapwood: error: <stdin>: wrong base" in shown.rpartition(SHOW_CURSOR)[2]


def test_neither_a_pipe_nor_who_asked_for_silence_gets_a_bar(here: Session) -> None:
    terminals = [Terminal(here, f"{VERIFY} {option}") for option in ("--quiet", "--json")]
    with subprocess.Popen(
        [*PROGRAM, *VERIFY.split()],
        cwd=here.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as piped:
        time.sleep(PATIENCE + 1)
        stdout, stderr = piped.communicate(here.bytes("a.safetensors"))
    assert (piped.returncode, stdout, stderr) == (0, b"p: intact, and made for -\n", b"")
    for terminal in terminals:
        assert terminal.finish(here.bytes("a.safetensors")) == (0, "")


def test_a_table_is_drawn_and_names_are_no_markup(here: Session) -> None:
    code, shown = Terminal(here, "inspect p", stdout=True).finish()
    assert code == 0
    assert "layer" in shown
    assert "\x1b[1m" in shown  # the head of the table is bold


def test_short_work_shows_its_result_only(here: Session, tmp_path: Path) -> None:
    command = f"apply --base a.safetensors --patch p --out {tmp_path / 'out'}"
    code, shown = Terminal(here, command, stdout=True).finish()
    assert code == 0
    assert shown.endswith(", checked\r\n")
    assert shown.count("\n") == 1


def test_binary_data_does_not_go_to_a_terminal(here: Session) -> None:
    command = "create --base a.bin --target b.bin --out -"
    code, shown = Terminal(here, command, stdout=True).finish()
    assert code == 2
    assert "refused to write binary data to a terminal" in shown
    assert shown.count("\n") == 1


def test_doctor_shows_signs(tmp_path: Path) -> None:
    write_course(tmp_path / "1.0.0", "1.0.0")
    session = Session(tmp_path)
    session.succeed("workspace init 1.0.0 mine")
    (tmp_path / "mine/random.py").write_text("")
    terminal = Terminal(session, "workspace doctor 1.0.0 --folder mine", stdout=True)
    code, shown = terminal.finish()
    assert code == 22
    assert {one in shown for one in ("✅ ok", "💡 note", "❌ problem", "-> rename it")} == {True}
