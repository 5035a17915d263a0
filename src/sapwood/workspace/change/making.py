"""Makes a workspace, in a new folder or in one that holds files already."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from sapwood.errors import InputError, InvalidWorkspace
from sapwood.files.folders import make_folder
from sapwood.package import Package
from sapwood.workspace.change.applying import changing
from sapwood.workspace.change.opening import check_whole
from sapwood.workspace.change.results import Outcome
from sapwood.workspace.change.updating import UpdateRequest, make_update
from sapwood.workspace.course.configured import for_workspace
from sapwood.workspace.course.sources import OpenCourse
from sapwood.workspace.record.journal import read_journal
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import read_record


def make_workspace(
    places: Places, package: Package, course: OpenCourse | None, now: datetime
) -> Outcome:
    """Makes a workspace, or finishes one that was not made to the end.

    Args:
        places: places of the workspace; its folder need not be there.
        package: package to make it from, as its author made it.
        course: course that configures it, None for none.
        now: the time.

    Raises:
        InputError: it is there already, the course does not fit, or the package has files
            only as patches.
        InvalidPackage: the package breaks the rules.
        InvalidWorkspace, UnsupportedWorkspace: something else is in the way of the record.
        WorkspaceBusy: another program is changing it.
        IoError, OSError: the system refused; calling again goes on.
    """
    chosen = for_workspace(package, None, course, places)
    if read_record(places) is None and read_journal(places) is None:
        check_whole(chosen, places.root)
    make_folder(places.own, InvalidWorkspace)
    with changing(places) as begun:
        if not begun.is_new:
            raise InputError(f"{places.root}: is a workspace of {places.name} already; update it")
        if begun.record is not None:
            chosen = for_workspace(package, begun.record, course, places)
        # What was begun with a later version may be finished with this one.
        request = UpdateRequest(allow_downgrade=True)
        outcome = make_update(places, begun.record, chosen, "init", now, request)
    return dataclasses.replace(outcome, recovered=begun.recovered)
