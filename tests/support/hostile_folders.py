"""Hostile patches of folders: changes to the lists of files of an honest one."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sapwood import models
from sapwood.files.trees import MOST_FILES
from support.folder_trees import write_tree
from support.patch_writer import Parts

BASE = {"a": b"one" * 100, "b/c": b"two" * 100}
TARGET = {"a": b"one" * 99 + b"1", "b/c": b"two" * 100, "d": b""}
SIZE = sum(map(len, TARGET.values()))

Change = Callable[[Parts], None]


def patch_of(folder: Path) -> bytes:
    """An honest patch between two folders."""
    out = io.BytesIO()
    models.create_patch(write_tree(folder / "v1", BASE), write_tree(folder / "v2", TARGET), out)
    return out.getvalue()


def files(*listed: Any) -> Change:
    """Other files of the target; a path alone is that of a file with all the bytes."""

    def change(parts: Parts) -> None:
        parts.header["target"]["files"] = [
            {"path": one, "size": SIZE if i == 0 else 0} if isinstance(one, str) else one
            for i, one in enumerate(listed)
        ]

    return change


def base_files(*listed: Any) -> Change:
    """Other files of the base."""
    return lambda parts: parts.header["bases"][0].update(files=list(listed))


def of_kind(kind: str) -> Change:
    """Another kind."""
    return lambda parts: parts.header.update(kind=kind)


def no_folders(parts: Parts) -> None:
    for one in (parts.header["target"], *parts.header["bases"]):
        del one["files"]


def one(path: Any, size: Any = SIZE, **more: Any) -> dict[str, Any]:
    return {"path": path, "size": size, **more}


def many(count: int) -> Change:
    return files(*(one(f"{i:07d}", SIZE if i == 0 else 0) for i in range(count)))


HOSTILE: dict[str, Change] = {
    "up": files("../evil"),
    "up inside": files("a/../../evil"),
    "up alone": files(".."),
    "the folder itself": files("."),
    "absolute": files("/tmp/evil"),
    "no name": files(""),
    "an empty part": files("a//b"),
    "a folder's name": files("a/"),
    "a part that is a point": files("a/./b"),
    "a backslash": files("a\\..\\evil"),
    "a drive": files("C:evil"),
    "a drive inside": files("a/c:evil"),
    "a NUL": files("a\0b"),
    "a line feed": files("a\nb"),
    "an escape": files("a\x1b[2J"),
    "a delete": files("a\x7f"),
    "half a surrogate pair": files("\ud800"),
    "a long path": files("/".join(["x" * 250] * 17)),
    "a long part": files("x" * 256),
    "a long part of few letters": files("é" * 128),
    "deep folders": files("/".join("x" * 65)),
    "a path twice": files("a", "a"),
    "out of order": files("b", "a"),
    "a file in a file": files("a", "a/b"),
    "a file in a file, apart": files("a", "a-b", "a/b"),
    "too few bytes": files(one("a", SIZE - 1)),
    "too many bytes": files(one("a", SIZE), one("b", 1)),
    "sizes that overflow": files(one("a", 2**63 - 1), one("b", 2**63 - 1)),
    "a size of 2^63": files(one("a", 2**63)),
    "a negative size": files(one("a", SIZE + 1), one("b", -1)),
    "a size that is no number": files(one("a", "300")),
    "a size that is true": files(one("a", True)),
    "a path that is no text": files(one(7)),
    "a file without a path": files({"size": SIZE}),
    "a file that is no object": lambda parts: parts.header["target"].update(files=["a"]),
    "a list that is none": lambda parts: parts.header["target"].update(files={"a": SIZE}),
    "a list that is null": lambda parts: parts.header["target"].update(files=None),
    "executable by number": files(one("a", executable=1)),
    "no files at all": files(),
    "more files than allowed": many(MOST_FILES + 1),
    "a million files": many(1_000_000),
    "a base out of the folder": base_files(one("../v1/a", 600)),
    "a base's file twice": base_files(one("a", 300), one("a", 300)),
    "no folders": no_folders,
}

UNPORTABLE: dict[str, Change] = {
    "a repository": files(".git/config"),
    "a repository inside": files("sub/.GIT/hooks/post-checkout"),
    "a repository by its short name": files("GIT~1/config"),
    "a repository to HFS+": files(".g\u200cit/config"),
    "a repository of Mercurial": files(".hg/hgrc"),
    "a repository of Subversion": files(".svn/wc.db"),
    "a device": files("nul.txt"),
    "a device inside": files("a/CON"),
    "a stream of NTFS": files("a.txt:stream"),
    "a dot at the end": files("x."),
    "a space at the end": files("name /x"),
    "a question mark": files("a?b"),
    "more letters than Windows takes": files("/".join(["x" * 200] * 6)),
    "names that differ in case": files("A", "a"),
    "names that differ in normalisation": files("e\u0301", "\u00e9"),
    "a file and a folder that differ in case": files("A", "a/b"),
}
"""What the format lets a list say, and no folder is made of."""
