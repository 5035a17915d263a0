"""Two slots for a model: the next version is made in one while the other is in use.

    FOLDER/current      a symbolic link to the slot in use: a rename replaces it as a whole
    FOLDER/a/NAME       the model, and in FOLDER/a/slot.json what it should be
    FOLDER/b/NAME       likewise

Programs open `FOLDER/current/NAME`. One that has it open or mapped keeps what it has through a
switch; its file is removed by the update after that. A kill or a power cut at any instant leaves
`current` on a slot that is whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from sapwood.documents.canonical_json import parse
from sapwood.documents.fields import Fields
from sapwood.documents.paths import folded, portable_name
from sapwood.errors import Busy, InputError, IoError, SourceHashMismatch
from sapwood.files.folders import make_folder
from sapwood.files.holes import SparseWriter
from sapwood.files.locks import take_lock
from sapwood.files.outputs import atomic_output
from sapwood.files.paths import path_name
from sapwood.files.refusals import os_errors
from sapwood.files.sources import Source, read_source
from sapwood.files.syncing import rename_durably, sync_folder
from sapwood.models.applying.bases import matched_sources
from sapwood.models.applying.in_place.applying import check_files
from sapwood.models.applying.whole import application, write_target
from sapwood.models.receiving.opening import Received, receive
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.models.results import PatchApplication

CURRENT = "current"
NOTE = "slot.json"
LETTERS = ("a", "b")
LARGEST_NOTE = 4096  # bytes
DIGEST = 32  # bytes of a SHA-256


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """A slot and the model that should be in it.

    Attributes:
        letter: "a" or "b".
        path: the path of the model.
        size: bytes of the model.
        sha256: its SHA-256, 32 bytes.
        serial: its number; each version that is made has the next one.
    """

    letter: str
    path: Path
    size: int
    sha256: bytes
    serial: int

    def to_json(self) -> dict[str, Any]:
        """The slot as JSON values."""
        return {
            "letter": self.letter,
            "path": str(self.path),
            "size": self.size,
            "sha256": self.sha256.hex(),
            "serial": self.serial,
        }

    def check(self) -> None:
        """Reads the whole model.

        Raises:
            SourceHashMismatch: it is not what it should be.
            IoError: it cannot be read.
        """
        data = read_source(self.path)
        if len(data) != self.size or hashlib.sha256(data.data).digest() != self.sha256:
            raise SourceHashMismatch(
                f"{self.path}: expected {self.size} bytes with SHA-256 {self.sha256.hex()}, found "
                "others; install a whole model"
            )


class Slots:
    """A folder with two slots. It holds no state of its own: several may be open."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Names the folder, which `install` makes where it is missing."""
        self.folder = Path(path_name(folder))

    @property
    def active(self) -> Slot | None:
        """The slot in use, or None before the first model was installed.

        Raises:
            IoError: the folder cannot be read, or `current` leads elsewhere.
        """
        link = self.folder / CURRENT
        with os_errors(link):
            if not os.path.lexists(link):
                return None
            letter = str(link.readlink())
        found = self._slot(letter) if letter in LETTERS else None
        if found is None:
            raise IoError(f"{link}: expected a link to a slot, found {letter!r}; install a model")
        return found

    @property
    def spare(self) -> Slot | None:
        """The slot that is not in use, or None where no whole model was ever put into it."""
        return self._slot(self._spare_letter())

    def install(self, model: Source, name: str) -> Slot:
        """Puts a whole model into the spare slot and switches to it.

        Args:
            model: a path, bytes or a file object.
            name: the name of the file that programs will open, such as `model.safetensors`.

        Raises:
            InputError: the name is none of a file, or a link is in the place of the slot.
            IoError: something cannot be read or written, or another process is at it. The slot
                in use is as it was.
        """
        fault = portable_name(name)
        if fault is not None or folded(name) == NOTE:  # before the slot is emptied for it
            raise InputError(
                f"expected the name of a file, found {name!r:.80}: "
                f"{fault or 'the slot keeps its note under it'}; choose another"
            )
        data = read_source(model)

        def write(out: IO[bytes]) -> bytes:
            writer = SparseWriter(out)
            writer.write(data)
            writer.finish()
            return hashlib.sha256(data.data).digest()

        with os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._fill(name, len(data), write)
            return self._switch(later=True)

    def prepare(
        self,
        patch: Source | Received,
        *,
        signature: Source | Sequence[Source] | None = None,
        receiving: Receiving = ANYBODY,
    ) -> PatchApplication:
        """Makes the next version in the spare slot, from the one in use.

        What was in the spare slot is removed when patch and base are checked, so that the disk
        need never hold more than two models.

        Args:
            patch, signature, receiving: as of `apply_patch`.

        Raises:
            InputError: no model was installed, the patch is of a folder, or a link is in the place
                of the slot.
            SignatureError, SourceHashMismatch, InvalidPatch, TruncatedPatch, UnsupportedPatch,
                TargetHashMismatch, LimitExceeded, IoError: as `apply_patch`. The slot in use is
                as it was.
        """
        with self._locked(), receive(patch, receiving, signature=signature) as received:
            active = self._needed()
            opened = received.opened
            check_files(opened)
            count = receiving.fitting(opened)
            bases = matched_sources(opened, active.path, count)
            target = opened.front.header.target

            def write(out: IO[bytes]) -> bytes:
                return write_target(opened, bases, count, out, receiving.progress)

            self._fill(active.path.name, target.size, write)
            return application(received, target.sha256 or b"")

    def switch(self) -> Slot:
        """Goes over to the version that was prepared, if every byte of it is right.

        Raises:
            InputError: none was prepared.
            SourceHashMismatch: it is damaged.
            IoError: something cannot be read or written. The slot in use is the same as before.
        """
        with self._locked():
            return self._switch(later=True)

    def roll_back(self) -> Slot:
        """Goes back to the version before, if every byte of it is right.

        Raises:
            InputError: there is none.
            SourceHashMismatch: it is damaged.
            IoError: something cannot be read or written. The slot in use is the same as before.
        """
        with self._locked():
            return self._switch(later=False)

    def _needed(self) -> Slot:
        active = self.active
        if active is None:
            raise InputError(f"{self.folder}: no model is installed; install one")
        return active

    def _spare_letter(self) -> str:
        """The letter of the slot that `current` does not lead to."""
        link = self.folder / CURRENT
        with os_errors(link):
            used = str(link.readlink()) if os.path.lexists(link) else LETTERS[1]
        return LETTERS[used == LETTERS[0]]

    def _slot(self, letter: str) -> Slot | None:
        """What the note of a slot says, or None where it has none that can be read."""
        note = self.folder / letter / NOTE
        with os_errors(note):
            if not note.exists():
                return None
            with note.open("rb") as file:
                text = file.read(LARGEST_NOTE)
        return _parsed_note(letter, note, text)

    def _fill(self, name: str, size: int, write: Callable[[IO[bytes]], bytes]) -> None:
        """Makes a model in the spare slot; its note is written last."""
        letter = self._spare_letter()
        known = [slot.serial for slot in map(self._slot, LETTERS) if slot is not None]
        folder = self.folder / letter
        with os_errors(folder):
            make_folder(folder)  # of a link to one, what it leads to would be emptied
            (folder / NOTE).unlink(missing_ok=True)
            sync_folder(folder)  # from here on there is nothing to go back to
            for path in folder.iterdir():
                path.unlink()
        with atomic_output(folder / name) as out:
            digest = write(out)
        facts: dict[str, Any] = {
            "name": name,
            "size": size,
            "sha256": digest.hex(),
            "serial": max(known, default=0) + 1,
        }
        with atomic_output(folder / NOTE) as out:
            out.write(json.dumps(facts).encode())

    def _switch(self, *, later: bool) -> Slot:
        """Goes over to the spare slot, which must have a later or an earlier version."""
        spare = self.spare
        # Without its note the slot in use can be left, but not come back to.
        active = self._slot(LETTERS[self._spare_letter() == LETTERS[0]])
        serial = 0 if active is None else active.serial
        if spare is None or (spare.serial > serial) is not later:
            raise InputError(
                f"{self.folder}: " + ("nothing was prepared" if later else "no version before")
            )
        spare.check()
        link, new = self.folder / CURRENT, self.folder / f".{CURRENT}.new"
        with os_errors(link, hidden=True):
            new.unlink(missing_ok=True)
            new.symlink_to(spare.letter)
            rename_durably(new, link)
        return spare

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other processes from updating the folder meanwhile."""
        busy = Busy(f"{self.folder}: another process updates it; wait for that, nothing was done")
        with os_errors(self.folder):
            handle = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with os_errors(self.folder):
                take_lock(handle, busy)
            yield
        finally:
            os.close(handle)


def _parsed_note(letter: str, note: Path, text: bytes) -> Slot | None:
    """The slot that a note tells of, or None where it is damaged."""
    try:
        fields = Fields(parse(text, NOTE, InputError), NOTE, InputError)
        name = fields.text("name")
        size, serial = fields.size("size"), fields.size("serial")
        digest = fields.hex("sha256", DIGEST)
    except InputError:
        return None
    if portable_name(name) is not None:
        return None
    return Slot(letter, note.with_name(name), size, digest, serial)
