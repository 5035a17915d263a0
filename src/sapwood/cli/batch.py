"""A command for each file of two folders: finds the files, runs it, collects what it tells."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sapwood.cli import batch_summary
from sapwood.cli.arguments import STDIO
from sapwood.cli.failures import from_os_error, report
from sapwood.cli.progress import progress_bar
from sapwood.cli.reports import note, tell_json
from sapwood.errors import BatchFailed, InputError, LimitExceeded, SapwoodError
from sapwood.models import (
    PATCH_SUFFIX,
    Batch,
    Pair,
    Pairing,
    folders_for,
    pair_files,
    pair_patches,
)
from sapwood.progress import Progress

WORDS = {"create": "creating", "apply": "applying", "verify": "verifying"}


@dataclasses.dataclass(frozen=True, slots=True)
class Folders:
    """The folders of a batch.

    Attributes:
        base: folder of the files of the receiver.
        other: folder of the targets, or of the patches.
        out: folder for the results, or None.
        command: name of the command that is run for each file.
        include, exclude: patterns of the files that are taken and left out, of create.
    """

    base: Path
    other: Path
    out: Path | None
    command: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Folders:
        """The folders that the options name.

        Raises:
            InputError: they name what is no folder, or options that are of one file alone.
        """
        command = arguments.batch
        other = arguments.target if command == "create" else arguments.patch
        out = getattr(arguments, "out", None)
        if getattr(arguments, "in_place", None) is not None:
            raise InputError("--in-place is of one file; with --keep-going use --out")
        if len(arguments.base or ()) != 1:
            raise InputError("--keep-going takes one folder as --base; name one")
        if STDIO in (arguments.base[0], other, out):
            raise InputError("--keep-going takes folders, and no pipes; name folders")
        if getattr(arguments, "signature", None):
            raise InputError(
                "--signature is of one patch; with --keep-going use signatures inside of patches"
            )
        if getattr(arguments, "reverse", None) is not None:
            raise InputError("--reverse is of one patch; swap --base and --target in a second run")
        results = None if out is None else Path(out)
        patterns = [getattr(arguments, name, ()) for name in ("include", "exclude")]
        return cls(Path(arguments.base[0]), Path(other), results, command, *patterns)

    def pairing(self) -> Pairing:
        """The files that belong together.

        Raises:
            InputError, IoError: as `pair_files`.
        """
        if self.command == "create":
            return pair_files(self.base, self.other, include=self.include, exclude=self.exclude)
        return pair_patches(self.base, self.other)

    def output(self, pair: Pair) -> Path | None:
        """Where the result for a pair goes."""
        if self.out is None:
            return None
        suffix = PATCH_SUFFIX if self.command == "create" else ""
        return self.out / f"{pair.name}{suffix}"


def run(arguments: argparse.Namespace) -> int:
    """Runs a command for every pair of files, and sums up.

    Raises:
        InputError: the options do not fit, or no files belong together.
        IoError: a folder cannot be read, or one for the results not be made.
    """
    started = time.monotonic()
    folders = Folders.of(arguments)
    pairing = folders.pairing()
    paths = [path for pair in pairing.pairs if (path := folders.output(pair)) is not None]
    with progress_bar(arguments, WORDS[folders.command]) as progress:
        batch = Batch(_worker(arguments, folders), arguments.jobs, arguments.threads, progress)
        with folders_for(paths):
            files = batch.run(pairing.pairs)
    facts = _summary(folders, pairing, files)
    facts |= {"jobs": batch.jobs, "threads": batch.threads, "seconds": time.monotonic() - started}
    failed = facts["failed"]
    if not arguments.json:
        for one in batch_summary.notes(files):
            note(arguments, one)
        batch_summary.show(arguments, facts)
    if failed:
        return report(
            BatchFailed(f"{failed} of {len(files)} files failed; the others are done"),
            arguments,
            facts,
        )
    if arguments.json:
        tell_json(arguments, facts)
    return 0


def _worker(
    arguments: argparse.Namespace, folders: Folders
) -> Callable[[Pair, int, Progress], dict[str, Any]]:
    """What does one pair, and gives the facts that the command tells of it, errors included."""
    command = arguments.run

    def work(pair: Pair, threads: int, progress: Progress) -> dict[str, Any]:
        kept: dict[str, Any] = {"file": pair.name}
        own = {
            **vars(arguments),
            **_named_files(pair, folders),
            "threads": threads,
            "progress": progress,
            "kept": kept,
            "quiet": True,
            "json": False,
        }
        one = argparse.Namespace(**own)
        try:
            command(one)
        except SapwoodError as e:
            report(e, one)
        except OSError as e:
            report(from_os_error(e), one)
        except MemoryError:
            report(LimitExceeded("out of memory; use fewer --jobs"), one)
        return kept

    return work


def _named_files(pair: Pair, folders: Folders) -> dict[str, Any]:
    """The options that name files, for one pair."""
    named: dict[str, Any] = {"base": [str(pair.base)]}
    named["target" if folders.command == "create" else "patch"] = str(pair.other)
    out = folders.output(pair)
    if out is not None:
        named["out"] = str(out)
    return named


def _summary(folders: Folders, pairing: Pairing, files: list[dict[str, Any]]) -> dict[str, Any]:
    """What the whole batch tells with --json."""
    failed = sum("error" in one for one in files)
    return {
        "command": folders.command,
        "base": str(folders.base),
        "target" if folders.command == "create" else "patch": str(folders.other),
        "out": None if folders.out is None else str(folders.out),
        "files": files,
        "skipped": list(_skipped(folders, pairing)),
        "done": len(files) - failed,
        "failed": failed,
    }


def _skipped(folders: Folders, pairing: Pairing) -> Iterator[dict[str, str]]:
    """The files that have no like, with the reason."""
    for name in pairing.without_base:
        yield {"file": name, "reason": "no base"}
    if folders.command == "create":
        for name in pairing.only_base:
            yield {"file": name, "reason": "no target"}
    for name in pairing.left_out:
        yield {"file": name, "reason": "left out"}
