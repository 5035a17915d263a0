"""Fuzzes what workspaces read: manifests, records, journals, notebooks, artifacts and so on.

    python fuzz/fuzz_workspace.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/workspace

The first byte chooses the reader. Whatever the others are, only the reader's own errors are
raised, and what was accepted has no path that leads outside.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sapwood.documents.paths import portable
from sapwood.errors import InputError, InvalidPackage, InvalidStore, InvalidWorkspace
from sapwood.package import (
    FileIdentity,
    UnreadableNotebook,
    content_hash,
    open_package,
    parse_manifest,
)
from sapwood.workspace import (
    Course,
    Extra,
    Record,
    RecordedFile,
    parse_course,
)
from sapwood.workspace.change.texts import shown_text, unified_lines
from sapwood.workspace.exporting.code import exported_module, is_untouched
from sapwood.workspace.notebooks.merging import merge_notebook
from sapwood.workspace.record.journal import ChangeJournal, ChangeStep, StepKind, parse_journal
from sapwood.workspace.record.record import parse_record

MANIFEST = b"""schema = 1
name = "course"
version = "1.0"
[[policies]]
pattern = "tests/**"
policy = "update"
[[policies]]
pattern = "weights/**"
policy = "weights"
[[patches]]
path = "weights/m"
base = "0.9"
patch = "p"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
size = 3
[[migrations]]
version = "1.0"
renames = [{ from = "a", to = "b" }]
retired = ["old/*"]
[[notes]]
path = "b"
text = "fix"
[[data]]
name = "digits"
file = "d.gz"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
size = 3
urls = ["https://a/d.gz"]
[[exports]]
notebook = "m.ipynb"
to = "leaf/m.py"
[environment]
python = ">=3.11"
packages = ["numpy>=1.26; python_version > '3'"]
imports = ["leaf"]
"""
IMAGE = "application/vnd.oci.image.manifest.v1+json"
GAP = b"\0\0"
HASH = "sha256:" + "0" * 64
TIME = datetime(2025, 1, 15, tzinfo=UTC)
COURSE = b"""title: CS 101
modules: [02, m1]
provided:
  - 03_m3
extra:
  - { from: a, to: modules/90_b, policy: update }
"""
RECORD = Record(
    "course",
    "1.0",
    "1.0",
    TIME,
    TIME,
    {"a": RecordedFile("1.0", FileIdentity(HASH), 3, "0" * 64)},
    Course("CS 101", ("02_losses", None), extras=(Extra("a", "modules/02_b"),)),
)
MODULES = parse_manifest(
    MANIFEST + b"".join(b'[[modules]]\nname = "0%d_m%d"\n' % (n, n) for n in range(1, 10))
)
JOURNAL = ChangeJournal("0" * 16, (ChangeStep(StepKind.WRITE, "a", None, HASH, "1", "b"),), RECORD)
EXPORT = {"nbformat": 4, "cells": [{"cell_type": "code", "source": "#| export\nx = 1"}]}
NOTEBOOK = {"nbformat": 4, "cells": [{"cell_type": "code", "source": ["x\n"], "metadata": {}}]}


def archive_seed() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("top/sapwood-template.toml", MANIFEST)
        archive.writestr("top/b", "b\n")
        archive.writestr("top/m.ipynb", json.dumps(NOTEBOOK))
    return file.getvalue()


def layout_seed() -> bytes:
    """An artifact's manifest, and behind a gap a blob, which is one layer and another."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        notebook = json.dumps(NOTEBOOK).encode()
        files = {"sapwood-template.toml": MANIFEST, "b": b"b\n", "m.ipynb": notebook}
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    blob = {"digest": "@digest", "size": "@size"}
    layers = [
        {**blob, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"},
        {
            **blob,
            "mediaType": "application/vnd.cncf.model.code.v1.raw",
            "annotations": {
                "org.cncf.model.filepath": "c",
                "org.cncf.model.file.metadata+json": '{"mode": 493}',
            },
        },
        {
            **blob,
            "mediaType": "text/plain",
            "annotations": {"org.opencontainers.image.title": "d"},
        },
    ]
    document = {"schemaVersion": 2, "mediaType": IMAGE, "layers": layers}
    return json.dumps(document).encode() + GAP + gzip.compress(file.getvalue(), mtime=0)


def read_manifest(data: bytes) -> None:
    manifest = parse_manifest(data)
    for path in (*manifest.rules.renames.values(), *(one.to for one in manifest.exports)):
        assert portable(path) is None
    for dataset in manifest.data:
        for file in dataset.files:
            assert portable(file.name) is None
            assert file.name[0] != "."
            assert file.size > 0
            assert all(url.lower().startswith(("http://", "https://")) for url in file.urls)


def read_record(data: bytes) -> None:
    record = parse_record(data, "record")
    assert all(portable(path) is None for path in record.files)
    assert parse_record(record.to_bytes(), "record") == record


def read_journal(data: bytes) -> None:
    journal = parse_journal(data, "journal")
    assert all(portable(step.path) is None for step in journal.steps)
    assert parse_journal(journal.to_bytes(), "journal") == journal


def read_notebook(data: bytes) -> None:
    assert content_hash(data, "m.ipynb").partition(":")[0] in {"notebook", "sha256"}
    unified_lines(shown_text(data, "m.ipynb"), shown_text(data, "m.py"), ("a", "b"))


def merge_seed() -> bytes:
    """A notebook as it was installed, as its user has it and as the template has it now."""
    books = []
    for user, test in (("", "1"), ("mine\n", "1"), ("", "2")):
        marks = {"grade": True, "grade_id": "t", "locked": True, "solution": False}
        cells = [
            {
                "cell_type": "code",
                "id": "a",
                "metadata": {},
                "outputs": [],
                "source": ["x\n", user],
            },
            {"cell_type": "raw", "id": "b", "metadata": {"nbgrader": marks}, "source": test},
        ]
        book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        books.append(json.dumps(book).encode())
    return b"\0".join(books)


def read_merge(data: bytes) -> None:
    base, ours, theirs = (*data.split(b"\0", 2), b"", b"")[:3]
    with contextlib.suppress(UnreadableNotebook):
        done = merge_notebook(base, ours, theirs)
        book = json.loads(done.data.decode("utf-8-sig"))
        ids = [one.get("id") for one in book["cells"]]
        assert book["nbformat_minor"] < 5 or len(set(ids)) == len(ids)
        try:
            merge_notebook(theirs, done.data, theirs)
        except UnreadableNotebook as e:
            raise AssertionError("a merge cannot be merged") from e


def read_export(data: bytes) -> None:
    try:
        module = exported_module(data, "m.ipynb")
    except InputError:
        return
    assert is_untouched(module)
    assert exported_module(data, "m.ipynb") == module


def read_archive(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template")
        path.write_bytes(data)
        with open_package(path) as template:
            for name, file in template.files.items():
                assert portable(name) is None
                if file.size < 1 << 20:
                    file.read()


def read_layout(data: bytes) -> None:
    """A layout with whatever manifest and whatever layer, whose digests are right."""
    document, _, blob = data.partition(GAP)
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    document = document.replace(b"@digest", digest.encode())
    document = document.replace(b'"@size"', str(len(blob)).encode())
    named = hashlib.sha256(document).hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        blobs = Path(folder, "blobs", "sha256")
        blobs.mkdir(parents=True)
        (blobs / digest.removeprefix("sha256:")).write_bytes(blob)
        (blobs / named).write_bytes(document)
        Path(folder, "oci-layout").write_bytes(b'{"imageLayoutVersion": "1.0.0"}')
        # The same bytes as the index that leads to everything, and as a manifest.
        Path(folder, "index.json").write_bytes(document)
        refused = contextlib.suppress(InvalidPackage, InvalidStore, InputError)
        for source in (f"oci:{folder}", f"oci:{folder}@sha256:{named}"):
            with refused, open_package(source) as found:
                for name, file in found.files.items():
                    assert portable(name) is None
                    if file.size < 1 << 20:
                        file.read()


def read_course(data: bytes) -> None:
    with contextlib.suppress(InputError):
        config = parse_course(data)
        for extra in config.extras:
            assert portable(extra.to) is None
            assert portable(extra.origin) is None
        names = config.course_for(MODULES).names()
        assert len(set(names.values())) == len(names) <= len(config.modules)


READERS: tuple[tuple[Callable[[bytes], None], bytes], ...] = (
    (read_manifest, MANIFEST),
    (read_record, RECORD.to_bytes()),
    (read_journal, JOURNAL.to_bytes()),
    (read_notebook, json.dumps(NOTEBOOK).encode()),
    (read_archive, archive_seed()),
    (read_layout, layout_seed()),
    (read_merge, merge_seed()),
    (read_export, json.dumps(EXPORT).encode()),
    (read_course, COURSE),
)


def one_input(data: bytes) -> None:
    read, _ = READERS[data[0] % len(READERS) if data else 0]
    with contextlib.suppress(InvalidPackage, InvalidWorkspace):
        read(data[1:])


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
