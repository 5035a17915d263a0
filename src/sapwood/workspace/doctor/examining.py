"""Looks for what is wrong with a workspace, and says what to do about it. Writes nothing.

Each module has the checks of one part: `state` and `files` the workspace itself, `environment`
Python and what is installed, `imports` which packages are found, `exports` what was exported.
None of the user's code runs, and one check that fails leaves the others be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from sapwood.errors import IoError, SapwoodError, UnsupportedWorkspace
from sapwood.files.refusals import os_errors
from sapwood.files.stamps import Stamps
from sapwood.workspace.change.opening import TemplateSource, opened_package
from sapwood.workspace.course.configured import for_workspace
from sapwood.workspace.course.template import Template
from sapwood.workspace.doctor.environment import environment_findings
from sapwood.workspace.doctor.exports import export_findings
from sapwood.workspace.doctor.files import file_findings, laid_beside
from sapwood.workspace.doctor.findings import TEMPLATE, Finding, Remedy, ok, problem
from sapwood.workspace.doctor.imports import own_packages, shadows
from sapwood.workspace.doctor.look import Look
from sapwood.workspace.doctor.state import rights, room, unfinished, waiting_update
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import Record, read_record

CHECKS: tuple[tuple[str, Callable[[Look], Iterable[Finding]]], ...] = (
    ("writable", rights),
    ("unfinished", unfinished),
    ("update", waiting_update),
    ("space", room),
    ("files", file_findings),
    ("incoming", laid_beside),
    ("environment", environment_findings),
    ("import", own_packages),
    ("shadow", shadows),
    ("export", export_findings),
)


def examine(places: Places, template: TemplateSource | None) -> tuple[Finding, ...]:
    """Looks at everything.

    Args:
        places: places of the workspace, which may be damaged.
        template: template that it was made from; None to go without what only that can tell.

    Returns:
        What was found, what is in order among it.
    """
    findings: list[Finding] = []
    with contextlib.ExitStack() as stack:
        record = _examined_record(places, findings)
        chosen = _examined_template(template, places, record, stack, findings)
        look = Look(places, record, chosen, Stamps(places.stamps, learns=False))
        for kind, check in CHECKS:
            findings += _surviving(kind, places, check(look))
    return tuple(findings)


def _surviving(kind: str, places: Places, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings of a check, up to where it fails, and why it did."""
    try:
        with os_errors(places.root):
            yield from findings
    except SapwoodError as e:
        yield problem(kind, places.root.name, str(e), Remedy("see to this, and look again"))


def _examined_record(places: Places, findings: list[Finding]) -> Record | None:
    """The record, if it can be read."""
    subject = f".{places.name}/{places.record.name}"
    try:
        with os_errors(places.record):
            record = read_record(places)
    except UnsupportedWorkspace as e:
        remedy = Remedy("pip install --upgrade sapwood")
        findings.append(problem("record", subject, str(e), remedy))
        return None
    except IoError as e:
        remedy = Remedy("give yourself the right to read it")
        findings.append(problem("record", subject, str(e), remedy))
        return None
    except SapwoodError as e:
        findings.append(problem("record", subject, str(e), _anew(places, f"move {subject} away")))
        return None
    if record is None:
        findings.append(problem("record", subject, "missing", _anew(places, "")))
        return None
    count = len(record.files)
    message = f"{record.template} {record.template_version}, {count} files were installed"
    findings.append(ok("record", subject, message))
    return record


def _anew(places: Places, first: str) -> Remedy:
    """Makes a record anew. `init` keeps what is there, and lays beside what differs."""
    return Remedy(first, ("init", TEMPLATE, str(places.root)))


def _examined_template(
    template: TemplateSource | None,
    places: Places,
    record: Record | None,
    stack: contextlib.ExitStack,
    findings: list[Finding],
) -> Template | None:
    """The workspace's template, open and as its course has it, if it can be opened."""
    if template is None:
        return None
    try:
        package = stack.enter_context(opened_package(template))
        with os_errors(places.root):
            chosen = for_workspace(package, record, None, places)
    except SapwoodError as e:
        remedy = Remedy("check where the template lies, or install it again")
        findings.append(problem("template", places.name, str(e), remedy))
        return None
    if chosen.manifest.name != places.name:
        message = f"expected the template {places.name}, found {chosen.manifest.name}"
        remedy = Remedy(f"name the template {places.name}")
        findings.append(problem("template", places.name, message, remedy))
        return None
    findings.append(ok("template", places.name, f"version {chosen.version} is installed"))
    return chosen
