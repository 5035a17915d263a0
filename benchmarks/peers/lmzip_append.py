"""lmzip: the target appended to an archive that holds the base.

Its delta lives inside one archive. Both sides can make the archive of the base
(the same bytes each time), so the patch is the tail that appending the target
writes behind the chunks of the base, and the header, which holds the new total
size. The archive of the base is not counted.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import lmz
from lmz.format import HEADER_SIZE, ArchiveReader

from peers.peer import Peer

LENGTH = struct.Struct("<Q")  # bytes of the base's archive that stay, with its header


class Lmzip(Peer):
    name = "lmzip append"
    package = "lmzip"
    threaded = True

    @property
    def archive(self) -> Path:
        return self.work / "base.lmz"

    def prepare(self, base: Path) -> None:
        # The member's name must not depend on where the base lies.
        source = self.work / f"base{base.suffix}"
        source.unlink(missing_ok=True)
        source.symlink_to(base.resolve())
        self.archive.unlink(missing_ok=True)
        lmz.compress(str(source), str(self.archive), workers=self.threads)

    def create(self, base: Path, target: Path, patch: Path) -> None:  # noqa: ARG002
        grown = self.work / "grown.lmz"
        shutil.copyfile(self.archive, grown)
        member = self.work / f"target{target.suffix}"
        member.unlink(missing_ok=True)
        member.symlink_to(target.resolve())
        lmz.append(str(grown), str(member), workers=self.threads)
        with self.archive.open("rb") as file:
            kept = ArchiveReader(file).table_off  # the table and all behind it are rewritten
        data = grown.read_bytes()
        patch.write_bytes(LENGTH.pack(kept) + data[:HEADER_SIZE] + data[kept:])
        grown.unlink()

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        data = patch.read_bytes()
        (kept,) = LENGTH.unpack_from(data)
        tail = LENGTH.size + HEADER_SIZE
        grown = self.work / "received.lmz"
        with self.archive.open("rb") as archive, grown.open("wb") as file:
            file.write(data[LENGTH.size : tail])
            file.write(archive.read(kept)[HEADER_SIZE:])
            file.write(data[tail:])
        lmz.extract(str(grown), f"target{base.suffix}", str(out))
        grown.unlink()
