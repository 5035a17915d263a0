"""`sapwood completion` makes a shell offer commands, options, values and files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sapwood.cli.completion import SHELLS, every_action
from sapwood.cli.program import COMMANDS, parser
from support.cli_session import Session

# What bash does when somebody presses the tab key behind the words.
COMPLETE = """
source /dev/stdin <<< "$1"
shift
complete -p sapwood > /dev/null || exit 3
function=$(complete -p sapwood | sed 's/.* -F \\([^ ]*\\).*/\\1/')
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
"$function" sapwood "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2> /dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script for bash."""
    session = Session(tmp_path_factory.mktemp("completion"))
    return session.succeed("completion bash").decode()


def offered(script: str, folder: Path, *words: str) -> set[str]:
    """What bash offers for the last of these words."""
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", script, "sapwood", *words],
        cwd=folder,
        capture_output=True,
        check=True,
        text=True,
    )
    return {line.strip() for line in done.stdout.splitlines()} - {""}


def test_commands(script: str, tmp_path: Path) -> None:
    every = {command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS}
    assert offered(script, tmp_path, "") == every
    assert offered(script, tmp_path, "ver") == {"verify"}
    assert offered(script, tmp_path, "nothing") == set()


def test_options_of_a_command(script: str, tmp_path: Path) -> None:
    assert {"--base", "--target", "--keep-going"} <= offered(script, tmp_path, "create", "--")
    assert offered(script, tmp_path, "apply", "--pu") == {"--public-key"}
    assert offered(script, tmp_path, "apply", "--tar") == set()


def test_values(script: str, tmp_path: Path) -> None:
    assert offered(script, tmp_path, "completion", "") == set(SHELLS)
    words = ("extract-adapter", "--dtype", "")
    assert offered(script, tmp_path, *words) == {"f32", "f16", "bf16"}


def test_files(script: str, tmp_path: Path) -> None:
    for name in ("v1.bin", "v2.bin", "other"):
        (tmp_path / name).write_bytes(b"")
    for words in (["create", "--base", "v"], ["inspect", "v"], ["fingerprint", "v"]):
        assert offered(script, tmp_path, *words) == {"v1.bin", "v2.bin"}


def test_every_option_that_takes_a_file_says_so() -> None:
    named = [one for one in every_action(parser()) if one.metavar == "FILE"]
    assert len(named) > 20


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell(shell: str, tmp_path: Path) -> None:
    session = Session(tmp_path)
    script = session.succeed(f"completion {shell}").decode()
    assert "keep-going" in script
    told = session.json(f"completion {shell}")
    assert (told["shell"], f"{told['script'].rstrip()}\n") == (shell, script)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, check=True, text=True)


def test_other_shells_are_refused(tmp_path: Path) -> None:
    assert "invalid choice: 'cmd'" in Session(tmp_path).fail("completion cmd", 2)


def test_without_shtab_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert "pip install 'sapwood[completion]'" in Session(tmp_path).fail("completion bash", 2)
