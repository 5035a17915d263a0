"""What the checks of a workspace look at."""

from __future__ import annotations

import dataclasses

from sapwood.files.stamps import Stamps
from sapwood.workspace.course.template import Template
from sapwood.workspace.disk.scanning import Disk
from sapwood.workspace.disk.states import OnDisk
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import Record, RecordedFile


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """A workspace as it is looked at.

    Attributes:
        places: places of the workspace.
        record: record of the workspace; None where it is missing or cannot be read.
        template: template that is at hand, None where there is none or it cannot be read.
        stamps: hashes of files that were not written to; nothing is added to them.
    """

    places: Places
    record: Record | None
    template: Template | None
    stamps: Stamps

    def entry(self, path: str) -> RecordedFile | None:
        """What the record says of a file, None for nothing."""
        return None if self.record is None else self.record.files.get(path)

    def found(self, path: str) -> OnDisk:
        """What is on disk under the path of a file."""
        return Disk(self.places.root).found(path, self.stamps)

    def module_word(self, path: str) -> str | None:
        """What a command calls the module that a file is of, None for no module's."""
        modules = () if self.template is None else self.template.manifest.modules
        names = (one.name.partition("_")[0] for one in modules if one.holds(path))
        return next(names, None)
