"""What became of the files that were installed, and of those that were laid beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sapwood.documents.paths import portable
from sapwood.files.paths import is_folder
from sapwood.files.walking import passed_over, walk
from sapwood.package import FileIdentity, Policy
from sapwood.workspace.change.results import FileStatus
from sapwood.workspace.change.status import file_statuses
from sapwood.workspace.disk.scanning import UNREADABLE, file_hash
from sapwood.workspace.disk.states import State
from sapwood.workspace.doctor.findings import TEMPLATE, UPDATE, Finding, Remedy, noted, ok, problem
from sapwood.workspace.doctor.look import Look

MOST = 20  # files of one kind that are named; the others are counted


def file_findings(look: Look) -> Iterator[Finding]:
    """What became of the files that were installed."""
    if look.record is None:
        return
    statuses = list(file_statuses(look.places, look.record, look.stamps))
    counts = Counter(one.state for one in statuses)
    message = (
        f"{counts[State.IDENTICAL]} as installed, {counts[State.MODIFIED]} modified, "
        f"{counts[State.DELETED]} missing, {counts[State.BLOCKED]} blocked"
    )
    yield ok("files", "installed files", message)
    yield from _shortened([_blocked(one) for one in statuses if one.state is State.BLOCKED])
    known = None if look.template is None else look.template.files
    missing = [one.path for one in statuses if one.state is State.DELETED]
    yield from _shortened([_deleted(look, one) for one in missing if known is None or one in known])
    yield from _left_over(look, [one.path for one in statuses if one.state is not State.DELETED])


def _shortened(findings: list[Finding]) -> Iterator[Finding]:
    """Some findings of one kind, and how many more there are."""
    yield from findings[:MOST]
    if len(findings) > MOST:
        last = findings[-1]
        message = "as the ones above; look again when those are done"
        yield Finding(last.kind, last.severity, f"{len(findings) - MOST} more", message)


def _blocked(status: FileStatus) -> Finding:
    """Something is in a file's place."""
    remedy = Remedy("move it away", ("update", TEMPLATE))
    if status.reason == UNREADABLE.reason:
        remedy = Remedy("give yourself the right to read it")
    return problem("blocked", status.path, f"{status.reason} is in its place", remedy)


def _deleted(look: Look, path: str) -> Finding:
    """A file that is not there; the user may want it so."""
    word = look.module_word(path)
    rule = None if look.template is None else look.template.manifest.rules.rule(path)
    if rule is not None and rule.restore:
        return noted("missing", path, "deleted; an update brings it back", UPDATE)
    if rule is not None and rule.policy is Policy.PROTECT and word is not None:
        remedy = Remedy(command=("module", "reset", TEMPLATE, word))
        return noted("missing", path, "deleted; a reset brings it back", remedy)
    return noted("missing", path, "deleted; updates leave it so")


def _left_over(look: Look, there: list[str]) -> Iterator[Finding]:
    """Files that the template once had."""
    if look.template is None or look.record is None:
        return
    if look.template.version != look.record.template_version:
        return  # an update sees to them
    old = [path for path in there if path not in look.template.files]
    if old:
        named = ", ".join(old[:3]) + (", ..." if len(old) > 3 else "")
        remedy = Remedy("delete what you do not need; nothing does it for you")
        yield noted(
            "retired",
            "1 file" if len(old) == 1 else f"{len(old)} files",
            f"no longer in the template: {named}",
            remedy,
        )


def laid_beside(look: Look) -> Iterator[Finding]:
    """Files that an update laid beside the user's, and whose content is not in the workspace."""
    yield from _shortened(list(_incoming(look)))


def _incoming(look: Look) -> Iterator[Finding]:
    """The same, however many."""
    root, top = look.places.root, look.places.own / "incoming"
    if not is_folder(top):
        return
    for version in sorted(one for one in top.iterdir() if is_folder(one)):
        found = walk(version, following=False, refused=passed_over)
        for laid in sorted(version / one.path for one in found if one.is_file):
            path = laid.relative_to(version).as_posix()
            there = look.found(path) if portable(path) is None else None
            if isinstance(there, FileIdentity) and there.hash == file_hash(str(version), path):
                continue
            beside = laid.relative_to(root).as_posix()
            remedy = Remedy(f"take over what you want of {beside}, and delete it")
            yield noted("incoming", path, f"{version.name} has another one, laid beside", remedy)
