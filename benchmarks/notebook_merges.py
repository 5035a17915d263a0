"""How often merges of notebooks lose what somebody wrote, without a word.

    python benchmarks/notebook_merges.py [--merges 150] [--seed 0]

Random three-way edits of a course's notebook: a template fixes tests, stubs and texts, adds,
removes and moves cells; its user solves exercises, writes notes, runs, deletes and moves cells.
Every edit writes a line that occurs nowhere else. A line is lost if it is not in the result;
without a word if the tool does not name a conflict either: `git merge-file --ours`, nbdime with
`use-local`, both as tools are run that may not stop at a conflict, and Sapwood.
Needs git, nbformat and nbdime.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import json
import random
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbdime
import nbformat
from nbdime.merging.notebooks import merge_notebooks
from nbdime.nbmergeapp import _build_arg_parser

from sapwood.workspace.notebooks.merging import merge_notebook

CELLS = 12
IDS = ("carried", "random")  # from one build to the next
Notebook = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Three:
    """A notebook as it was installed, as its user has it, as the template has it now."""

    base: bytes
    ours: bytes
    theirs: bytes
    mine: frozenset[str]
    new: frozenset[str]


@dataclasses.dataclass
class Score:
    """What a tool came to over many merges.

    Attributes:
        lines: that the two sides wrote.
        merges: in which a line of the template's was lost without a word.
        template, user: lines that each lost so.
        told: lines that are not in the result, and are told.
        invalid: results that are no notebooks.
    """

    lines: int = 0
    merges: int = 0
    template: int = 0
    user: int = 0
    told: int = 0
    invalid: int = 0


def course(rng: random.Random) -> list[Notebook]:
    """Cells of a notebook as nbgrader's releases are: texts, exercises, tests."""
    cells = []
    for number in range(CELLS):
        kind = ("text", "solution", "test", "code")[number % 4]
        cell: Notebook = {
            "cell_type": "markdown" if kind == "text" else "code",
            "id": new_id(rng),
            "metadata": {},
            "source": f"# part {number}: {kind}\nstep_{number} = {number}\nreturn step_{number}\n",
        }
        if kind in {"solution", "test"}:
            solution = kind == "solution"
            cell["metadata"]["nbgrader"] = {
                "grade": not solution,
                "grade_id": f"{kind}-{number}",
                "locked": not solution,
                "schema_version": 3,
                "solution": solution,
                "task": False,
                **({} if solution else {"points": 5}),
            }
        cells.append(runnable(cell))
    return cells


def runnable(cell: Notebook) -> Notebook:
    """A cell with the fields that code has."""
    if cell["cell_type"] == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell


def new_id(rng: random.Random) -> str:
    return f"{rng.getrandbits(32):08x}"


def edited(cells: Sequence[Notebook], who: str, rng: random.Random) -> list[Notebook]:
    """What one side makes of the cells."""
    out = copy.deepcopy(list(cells))
    for number in range(rng.randint(2, 6)):
        line = f"{who}_{number}_{rng.getrandbits(24)} = {number}\n"
        what = rng.choices(("change", "add", "remove", "move"), (6, 2, 1, 1))[0]
        place = rng.randrange(len(out))
        locked = out[place]["metadata"].get("nbgrader", {}).get("locked", False)
        if what == "add":
            source = f"# added by {who}\n{line}"
            added = {"cell_type": "code", "id": new_id(rng), "metadata": {}, "source": source}
            out.insert(place, runnable(added))
        elif what == "remove" and len(out) > 4:
            out.pop(place)
        elif what == "move":
            out.insert(rng.randrange(len(out)), out.pop(place))
        elif who == "theirs" or not locked:
            lines = out[place]["source"].splitlines(keepends=True)
            lines[rng.randrange(len(lines)) :: len(lines)] = [line]
            out[place]["source"] = "".join(lines)
    if who == "mine":
        for count, cell in enumerate(one for one in out if one["cell_type"] == "code"):
            stream = {"name": "stdout", "output_type": "stream", "text": f"{count}\n"}
            cell |= {"execution_count": count, "outputs": [stream]}
    return out


def three(rng: random.Random, ids: str) -> Three:
    """One random merge."""
    base = course(rng)
    ours, theirs = edited(base, "mine", rng), edited(base, "theirs", rng)
    if ids == "random":
        for cell in theirs:
            cell["id"] = new_id(rng)
    old = lines_of(base)
    return Three(
        *(written(one) for one in (base, ours, theirs)),
        frozenset(lines_of(ours) - old),
        frozenset(lines_of(theirs) - old),
    )


def lines_of(cells: Sequence[Notebook]) -> set[str]:
    return {line for cell in cells for line in "".join(cell["source"]).splitlines()}


def written(cells: Sequence[Notebook]) -> bytes:
    """A notebook as nbformat writes it."""
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return (str(nbformat.writes(nbformat.from_dict(book))) + "\n").encode()


def with_git(books: Three, folder: Path) -> tuple[bytes, str]:
    """What git makes of them where conflicts go to the user, and what it says."""
    names = []
    for name, data in (("ours", books.ours), ("base", books.base), ("theirs", books.theirs)):
        (folder / name).write_bytes(data)
        names.append(folder / name)
    command = ["git", "merge-file", "-p", "--ours", *names]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout, done.stderr.decode()


def with_nbdime(books: Three, _: Path) -> tuple[bytes, str]:
    """What nbdime makes of them with use-local, and the conflicts that it names."""
    arguments = _build_arg_parser().parse_args(["--merge-strategy", "use-local", "b", "l", "r"])
    read = [nbformat.reads(one.decode(), 4) for one in (books.base, books.ours, books.theirs)]
    merged, decisions = merge_notebooks(*read, arguments)
    told = [json.dumps(one) for one in decisions if one.conflict]
    return str(nbformat.writes(merged)).encode(), "\n".join(told)


def with_sapwood(books: Three, _: Path) -> tuple[bytes, str]:
    """What Sapwood makes of them, and its report."""
    merged = merge_notebook(books.base, books.ours, books.theirs)
    return merged.data, "\n".join(one.text for one in merged.reports)


TOOLS: dict[str, Callable[[Three, Path], tuple[bytes, str]]] = {
    "git merge-file --ours": with_git,
    f"nbdime {nbdime.__version__} use-local": with_nbdime,
    "sapwood": with_sapwood,
}


def judge(score: Score, books: Three, data: bytes, told: str) -> None:
    """Counts what one merge lost."""
    score.lines += len(books.new) + len(books.mine)
    try:
        read = json.loads(data)
        nbformat.validate(read)
        found = lines_of(read["cells"])
    except (ValueError, nbformat.ValidationError):
        score.invalid += 1
        return
    lost = [side - found for side in (books.new, books.mine)]
    silent = [{line for line in one if line not in told} for one in lost]
    score.merges += bool(silent[0])
    score.template += len(silent[0])
    score.user += len(silent[1])
    score.told += sum(map(len, lost)) - sum(map(len, silent))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--merges", type=int, default=150, help="for each way of giving ids")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    row = "{:8} {:24} {:>6} {:>7} {:>9} {:>6} {:>6} {:>8}"
    print(row.format("ids", "tool", "lines", "merges", "template", "user", "told", "invalid"))
    for ids in IDS:
        scores = {name: Score() for name in TOOLS}
        rng = random.Random(arguments.seed)
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(None):
            for _ in range(arguments.merges):
                books = three(rng, ids)
                for name, tool in TOOLS.items():
                    judge(scores[name], books, *tool(books, Path(folder)))
        for name, score in scores.items():
            print(row.format(ids, name, *dataclasses.astuple(score)))


if __name__ == "__main__":
    main()
