"""Fuzzes the reader of journals with atheris.

    python fuzz/fuzz_journal.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/journal

Whatever lies beside a file as its journal: only errors of sapwood.errors come out, and where
going on or going back says that it worked, the file is the target or the base.
"""

from __future__ import annotations

import functools
import importlib
import io
import sys
import tempfile
from pathlib import Path

import numpy as np

from sapwood import models
from sapwood.errors import SapwoodError
from sapwood.models.applying.in_place.journal_place import journal_path

sys.path.append(str(Path(__file__).parent.parent / "tests"))
resealed = importlib.import_module("support.journal_writer").resealed

BASE = np.random.default_rng(1).integers(0x3000, 0x3400, 3000, dtype=np.uint16).tobytes()
TARGET = BASE[2000:] + BASE[:1500] + b"new"


class Half(BaseException):
    """Ends an update half-way."""


@functools.cache
def good(undo: bool = True) -> tuple[bytes, bytes, bytes]:
    """A patch, and a half updated file with its journal."""
    out = io.BytesIO()
    models.create_patch(BASE, TARGET, out, chunk_size=1024)

    def stop(done: int, total: int) -> None:
        # Without undo the patch is tried first; then the journal is not there yet.
        if 2 * done > total and journal_path(model).exists():
            raise Half

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        model.write_bytes(BASE)
        try:
            models.in_place.apply(
                model,
                out.getvalue(),
                undo=undo,
                step=2048,
                receiving=models.Receiving(progress=stop),
            )
        except Half:
            return out.getvalue(), model.read_bytes(), journal_path(model).read_bytes()
    raise AssertionError("the update was not stopped")


def one_input(data: bytes) -> None:
    """One run: `data` as a journal, and as a change to a good one whose digests are then right."""
    attempt(data)
    if len(data) > 2:
        _, _, journal = good()
        at = int.from_bytes(data[:2], "little") % len(journal)
        attempt(resealed(journal[:at] + data[2:] + journal[at + len(data) - 2 :]))


def attempt(journal: bytes) -> None:
    """Goes on and goes back with a journal; wrong bytes are a finding."""
    patch, half, _ = good()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        for call, content in (
            (
                lambda: models.in_place.apply(
                    model, patch, step=2048, receiving=models.Receiving(threads=1)
                ),
                TARGET,
            ),
            (lambda: models.in_place.roll_back(model, receiving=models.Receiving(threads=1)), BASE),
        ):
            model.write_bytes(half)
            journal_path(model).write_bytes(journal)
            try:
                call()
            except SapwoodError:
                continue
            if model.read_bytes() != content:
                raise AssertionError("wrong bytes, and no error")


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
