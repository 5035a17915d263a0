"""The benchmark that counts what merges of notebooks lose, git's and nbdime's and ours."""

from __future__ import annotations

import subprocess
import sys

from support.places import BENCHMARKS

SCRIPT = BENCHMARKS / "notebook_merges.py"


def test_ours_loses_nothing_where_the_others_do() -> None:
    command = [sys.executable, str(SCRIPT), "--merges", "12"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    heading, *rows = (line.split() for line in done.stdout.splitlines())
    assert heading[-5:] == ["merges", "template", "user", "told", "invalid"]
    silent = {(row[0], row[1]): [int(one) for one in row[-5:-2]] for row in rows}
    for ids in ("carried", "random"):
        assert silent[ids, "sapwood"] == [0, 0, 0]
        assert silent[ids, "git"][0] > 0
        assert silent[ids, "nbdime"][0] > 0
