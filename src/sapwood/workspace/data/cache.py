"""The cache that data is downloaded to: outside of workspaces, so that no update touches it.

pooch checks hashes and puts files into place; `downloading` is what brings them.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from sapwood.errors import InputError
from sapwood.fetching.openers import DEFAULT_FETCHING, Fetching
from sapwood.files.locks import exclusive_in_turn
from sapwood.files.refusals import os_errors
from sapwood.package import Dataset, read_manifest
from sapwood.progress import Notes, Progress, Stages, silent, unheard
from sapwood.workspace.data.downloading import is_right, part_of, size_of
from sapwood.workspace.data.mirrors import FileFetch

VARIABLE = "SAPWOOD_DATA"  # the environment's name for the cache's folder
LOCK = ".lock"
TEMPORARY = re.compile(r"tmp[a-z0-9_]{8}")  # what pooch leaves when it is killed


@dataclasses.dataclass(frozen=True, slots=True)
class Fetched:
    """Data that is there.

    Attributes:
        path: path of the file, or of the folder that holds several.
        downloaded: URLs of the files that were not there before, by name.
    """

    path: Path
    downloaded: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Where the data is, and what was downloaded of it, as JSON values."""
        return {"path": str(self.path), "downloaded": self.downloaded}


@dataclasses.dataclass(frozen=True, slots=True)
class DataStatus:
    """How much of some data is there, by sizes; its hashes are not compared.

    Attributes:
        path: path that it has, or is going to have.
        size: bytes of all files.
        have: bytes that are there, those of downloads that were cut short among them.
        whole: whether all files are there.
    """

    path: Path
    size: int
    have: int
    whole: bool

    def to_json(self) -> dict[str, Any]:
        """How much is there, as JSON values."""
        return {
            "size": self.size,
            "have": self.have,
            "whole": self.whole,
            "path": str(self.path),
        }


def fetch_data(
    template: str | os.PathLike[str],
    name: str,
    *,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress = silent,
    notes: Notes = unheard,
) -> Path:
    """Data that a template names, downloaded unless it is there; for scripts of a template.

        from sapwood.workspace import fetch_data

        path = fetch_data("dist:our-course", "digits")

    Needs `pip install "sapwood[data]"`, and no network when the data is there. Its hash is
    compared each time.

    Args:
        template: template, as `open_package` takes it; only its manifest is read.
        name: name of the data.
        cache: folder to keep it in; by default `$SAPWOOD_DATA`, else `sapwood/data` in the
            user's cache folder.
        progress: hears how many bytes of the data are there.
        notes: hears in words what a user may want to know, as that a server failed.

    Returns:
        The path of the file, or of data of several files that of the folder with them.

    Raises:
        InputError: there is no such template or data, an extra is not installed, or the
            environment has settings of proxies or certificates that are of no use.
        InvalidPackage: the manifest breaks its rules.
        IoError: it cannot be downloaded or written. What came is kept, and the next call
            goes on from there.
    """
    manifest = read_manifest(template)
    dataset = find_dataset(manifest.data, name)
    return DataCache(cache).fetch(manifest.name, dataset, progress, notes).path


def find_dataset(datasets: Sequence[Dataset], name: str) -> Dataset:
    """The data of a name.

    Args:
        datasets: all data that a template names.
        name: name of the one.

    Raises:
        InputError: there is none.
    """
    for dataset in datasets:
        if dataset.name == name:
            return dataset
    known = ", ".join(one.name for one in datasets)
    expected = f"one of {known}" if known else "none, for the template names no data"
    raise InputError(f"{name!r:.80}: expected {expected}; 'data list' shows them")


def _libraries() -> ModuleType:
    """The library that keeps caches, pooch.

    Raises:
        InputError: it, or the library that downloads, is not installed.
    """
    try:
        import httpx2  # noqa: F401 (asked for here, where the advice fits)
        import pooch
    except ImportError as e:
        raise InputError(
            f"data on demand needs {e.name}, which is not installed; pip install 'sapwood[data]'"
        ) from e
    library: ModuleType = pooch
    return library


class DataCache:
    """A folder of downloaded data, for all templates.

    Attributes:
        folder: absolute path of the folder.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        fetching: Fetching = DEFAULT_FETCHING,
    ) -> None:
        """Makes nothing yet.

        Args:
            folder: path of the folder; by default that of `fetch_data`.
            fetching: openers by scheme, and how patient they are.

        Raises:
            InputError: an extra is not installed.
        """
        self._pooch = _libraries()
        chosen = folder or os.environ.get(VARIABLE) or self._pooch.os_cache("sapwood") / "data"
        self.folder = Path(chosen).absolute()
        self._fetching = fetching

    def place(self, template: str, dataset: Dataset) -> Path:
        """The folder of some data.

        Args:
            template: name of the template.
            dataset: data that it names.
        """
        return self.folder / template / dataset.name / dataset.key

    def status(self, template: str, dataset: Dataset) -> DataStatus:
        """Says how much of some data is there.

        Args:
            template: name of the template.
            dataset: data that it names.

        Raises:
            IoError: the cache cannot be read.
        """
        folder = self.place(template, dataset)
        with os_errors(folder):
            sizes = [size_of(folder / one.name) for one in dataset.files]
            whole = sizes == [one.size for one in dataset.files]
            have = sum(
                max(size, size_of(part_of(folder, one)))
                for size, one in zip(sizes, dataset.files, strict=True)
            )
        return DataStatus(_path_in(folder, dataset), dataset.size, min(have, dataset.size), whole)

    def fetch(
        self,
        template: str,
        dataset: Dataset,
        progress: Progress = silent,
        notes: Notes = unheard,
    ) -> Fetched:
        """Sees to it that some data is there and right: what is not is downloaded.

        One process at a time downloads some data, others wait for it.

        Args:
            template: name of the template.
            dataset: data that it names.
            progress: hears how many bytes of the data are there.
            notes: hears in words what a user may want to know, as that a server failed.

        Raises:
            InputError: a URL cannot be opened, or the environment has settings of proxies or
                certificates that are of no use.
            IoError: it cannot be downloaded or written.
        """
        folder = self.place(template, dataset)
        done = Fetched(_path_in(folder, dataset), {})
        with os_errors(folder):
            if all(is_right(folder / one.name, one) for one in dataset.files):
                return done  # without a lock: the cache may be read-only
            folder.mkdir(parents=True, exist_ok=True)
            busy = f"waiting for another program that downloads {dataset.name}"
            with exclusive_in_turn(folder / LOCK, lambda: notes(busy)):
                _tidy(folder, dataset)
                stages = Stages(dataset.size, progress)
                for file in dataset.files:
                    stage = stages.stage(file.size)
                    if not is_right(folder / file.name, file):
                        fetch = FileFetch(self._pooch, folder, file, self._fetching, notes)
                        done.downloaded[file.name] = fetch.run(stage)
        return done


def _path_in(folder: Path, dataset: Dataset) -> Path:
    """What is handed out: the one file, or the folder of several."""
    return folder / dataset.files[0].name if len(dataset.files) == 1 else folder


def _tidy(folder: Path, dataset: Dataset) -> None:
    """Removes what a program that was killed has left, but for beginnings of downloads."""
    named = {one.name for one in dataset.files}
    for path in folder.iterdir():
        if TEMPORARY.fullmatch(path.name) and path.name not in named:
            path.unlink()
