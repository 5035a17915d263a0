"""Whether a change is unfinished or waits, and whether there is room for one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from packaging.version import Version

from sapwood.errors import InvalidWorkspace, WorkspaceBusy
from sapwood.files.locks import check_free
from sapwood.files.paths import is_there
from sapwood.workspace.doctor.findings import UPDATE, Finding, Remedy, noted, ok, problem
from sapwood.workspace.doctor.look import Look
from sapwood.workspace.record.journal import read_journal

LOW = 100_000_000  # bytes free; an update stages all that it changes


def rights(look: Look) -> Iterator[Finding]:
    """Whether the workspace may be written to."""
    places = look.places
    for folder in (places.root, places.own):
        name = "the workspace" if folder == places.root else f".{places.name}/"
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            message = f"{folder}: no right to write"
            yield problem("writable", name, message, Remedy("give yourself the right to write"))


def room(look: Look) -> Iterator[Finding]:
    """Whether there is room."""
    yield space(shutil.disk_usage(look.places.root).free)


def unfinished(look: Look) -> Iterator[Finding]:
    """Changes that were interrupted, or are being made now."""
    places = look.places
    try:
        if os.access(places.lock, os.W_OK):
            check_free(places.lock, places.busy)
    except WorkspaceBusy as e:
        remedy = Remedy("wait for it to end, and look again")
        yield noted("busy", f".{places.name}/lock", str(e), remedy)
        return  # whatever is half done is its
    subject = f".{places.name}/{places.journal.name}"
    try:
        journal = read_journal(places)
    except InvalidWorkspace as e:
        remedy = Remedy(f"move {subject} away; a backup of what was replaced is in backups/")
        yield problem("unfinished", subject, str(e), remedy)
        return
    if journal is not None:
        count = len(journal.steps)
        message = f"a change of {count} file{'s' * (count != 1)} was interrupted"
        yield problem("unfinished", subject, message, UPDATE)
    elif is_there(places.staging):
        message = "a change was interrupted before it began; the next one clears this away"
        yield noted("unfinished", f".{places.name}/{places.staging.name}/", message, UPDATE)


def waiting_update(look: Look) -> Iterator[Finding]:
    """Which of workspace and template is the newer one."""
    if look.record is None or look.template is None:
        return
    have, installed = Version(look.record.template_version), look.template.manifest.version
    if have < installed:
        message = f"update waits: {installed} is installed, the workspace has {have}"
        yield noted("update", look.places.name, message, UPDATE)
    elif have > installed:
        message = f"{installed} is installed, and the workspace has the later {have}"
        remedy = Remedy(f"install {look.places.name} {have} or later")
        yield problem("update", look.places.name, message, remedy)


def space(free: int) -> Finding:
    """Whether so much room is enough.

    Args:
        free: bytes that are free on the workspace's file system.
    """
    message = f"{free / 1e9:.1f} GB free"
    if free >= LOW:
        return ok("space", "disk", message)
    return problem("space", "disk", message, Remedy("free some space: updates may need it"))
