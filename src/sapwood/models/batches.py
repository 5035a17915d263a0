"""Many pairs of files at once: which files of two folders belong together, and the work on them."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Generic, TypeVar

from sapwood.documents.file_selection import FileSelection
from sapwood.errors import InputError
from sapwood.files.refusals import os_errors
from sapwood.files.walking import walk, walk_selected
from sapwood.limits import thread_count
from sapwood.prediction.blas import one_thread
from sapwood.progress import Progress, silent

PATCH_SUFFIX = ".ttp"

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Two files that belong together.

    Attributes:
        name: the path of both in their folders, with `/` between its parts; of a patch
            without its suffix.
        base: the file of the receiver.
        other: the target, or the patch.
        size: bytes of `base` and `other` together.
    """

    name: str
    base: Path
    other: Path
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Pairing:
    """What two folders have in common.

    Attributes:
        pairs: files that both folders have, by name.
        without_base: names of files that only the other folder has.
        only_base: names of files that only the folder of bases has.
        left_out: paths in one of the folders that were not selected, of folders with "/" at the
            end.
    """

    pairs: tuple[Pair, ...]
    without_base: tuple[str, ...]
    only_base: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def pair_files(
    bases: Path, targets: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Pairing:
    """Bases and targets of one path in two folders.

    Args:
        bases: a folder; files in folders below it count too. Links to files are followed,
            links to folders are not.
        targets: likewise.
        include, exclude: as of `create_patch`, of both.

    Raises:
        InputError: one of them is no folder, or no file of one is in the other; a pattern is none.
        IoError: one cannot be looked at.
    """
    selection = FileSelection.of(include, exclude)
    left_out: set[str] = set()
    old, new = (_files_by_name(one, selection, left_out) for one in (bases, targets))
    return dataclasses.replace(_paired(bases, old, targets, new), left_out=tuple(sorted(left_out)))


def pair_patches(bases: Path, patches: Path) -> Pairing:
    """Bases and the patches that `PATH.ttp` names for `PATH`; other files are passed over.

    Args:
        bases: a folder, as of `pair_files`.
        patches: likewise.

    Raises:
        InputError: one of them is no folder, or no patch is of a file of `bases`.
        IoError: one cannot be looked at.
    """
    found = {
        name.removesuffix(PATCH_SUFFIX): path
        for name, path in _files_by_name(patches, None, set()).items()
        if name.endswith(PATCH_SUFFIX)
    }
    return _paired(bases, _files_by_name(bases, None, set()), patches, found)


def _paired(bases: Path, old: dict[str, Path], others: Path, new: dict[str, Path]) -> Pairing:
    """Files by name, of two folders, that have a name in common.

    Raises:
        InputError: none has.
        IoError: a file cannot be looked at.
    """
    common = sorted(old.keys() & new.keys())
    if not common:
        raise InputError(
            f"no file of {bases} has its like in {others}: the paths in both folders must be "
            f"the same, and those of patches end in {PATCH_SUFFIX}"
        )
    pairs = []
    for name in common:
        with os_errors(name):
            size = old[name].stat().st_size + new[name].stat().st_size
        pairs.append(Pair(name, old[name], new[name], size))
    without_base, only_base = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    return Pairing(tuple(pairs), tuple(without_base), tuple(only_base))


def _files_by_name(
    folder: Path, selection: FileSelection | None, left_out: set[str]
) -> dict[str, Path]:
    """The regular files below a folder, by their paths in it.

    Args:
        folder: the path of the folder.
        selection: which of them are taken; None for all.
        left_out: takes the paths of the others.

    Raises:
        InputError: it is no folder.
        IoError: it cannot be looked at.
    """
    with os_errors(folder):
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise InputError(f"{folder}: expected a folder, found a file; name folders")
        if selection is None:
            found = walk(folder, following=True, refused=_unless_gone)
        else:
            found = walk_selected(folder, selection, left_out, refused=_unless_gone)
        return {one.path: folder / one.path for one in found if one.is_file}


def _unless_gone(error: OSError) -> None:
    """Passes over links that lead nowhere, and raises what else is refused."""
    if not isinstance(error, FileNotFoundError):
        raise error


class Stopped(BaseException):
    """The batch ends before this file is done. No error: whoever began the batch knows why."""


class Batch(Generic[Result]):
    """Works on pairs with a pool of threads, the largest first, and goes on after failures."""

    def __init__(
        self,
        work: Callable[[Pair, int, Progress], Result],
        jobs: int | None = None,
        threads: int | None = None,
        progress: Progress = silent,
    ) -> None:
        """Takes what to do; nothing begins yet.

        Args:
            work: does the work on a pair, with as many threads as it is given, and tells the
                progress that it is given: that is what ends it early. What it raises ends the
                batch.
            jobs: how many pairs at once, at most as many as threads; by default as many as threads.
            threads: how many threads in all; by default one for each processor.
            progress: is told how many bytes of all pairs are done.

        Raises:
            InputError: a number below 1.
        """
        self.threads = thread_count(threads)
        self.jobs = min(self.threads, thread_count(jobs if jobs is not None else threads))
        self._work = work
        self._progress = progress
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}

    def run(self, pairs: Sequence[Pair]) -> list[Result]:
        """What `work` gave for each pair, in their order.

        Whatever ends it early, a signal or an error that is none of a file, first lets every
        file that is in work end and tidy up.

        Args:
            pairs: with names of their own.
        """
        total = sum(pair.size for pair in pairs)
        shares: queue.SimpleQueue[int] = queue.SimpleQueue()
        jobs = max(1, min(self.jobs, len(pairs)))
        for share in divided(self.threads, jobs):
            shares.put(share)

        def one(pair: Pair) -> Result:
            share = shares.get()
            try:
                if self._stop.is_set():
                    raise Stopped
                return self._work(pair, share, self._watch(pair, total))
            except BaseException:
                self._stop.set()  # before this thread takes the next pair
                raise
            finally:
                shares.put(share)
                self._tell(pair, pair.size, total)

        largest_first = sorted(pairs, key=lambda pair: -pair.size)
        with one_thread(), ThreadPoolExecutor(jobs, "sapwood-batch") as pool:
            futures = {pair.name: pool.submit(one, pair) for pair in largest_first}
            try:
                over, _ = wait(futures.values(), return_when="FIRST_EXCEPTION")
                for error in [future.exception() for future in over]:
                    if error is not None and not isinstance(error, Stopped):
                        raise error
                return [futures[pair.name].result() for pair in pairs]
            finally:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _watch(self, pair: Pair, every: int) -> Progress:
        """What tells the progress of one pair as a part of all, and ends it if it is to end."""

        def watch(done: int, total: int) -> None:
            if self._stop.is_set():
                raise Stopped
            self._tell(pair, pair.size * done // max(total, 1), every)

        return watch

    def _tell(self, pair: Pair, done: int, total: int) -> None:
        with self._lock:
            self._done[pair.name] = done
            self._progress(sum(self._done.values()), total)


def divided(threads: int, jobs: int) -> list[int]:
    """As even shares of threads as there are, each at least one."""
    each, more = divmod(threads, jobs)
    return [max(1, each + (i < more)) for i in range(jobs)]


@contextlib.contextmanager
def folders_for(paths: Sequence[Path]) -> Iterator[None]:
    """Folders to write files into, made where they are missing; those that stay empty go again.

    Args:
        paths: the paths of the files.

    Raises:
        IoError: one cannot be made.
    """
    wanted = {parent for path in paths for parent in path.parents}
    missing = sorted((one for one in wanted if not one.exists()), key=lambda one: len(one.parts))
    try:
        for folder in missing:
            with os_errors(folder):
                folder.mkdir(exist_ok=True)
        yield
    finally:
        for folder in reversed(missing):
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()
