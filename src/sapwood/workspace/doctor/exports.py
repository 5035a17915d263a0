"""Whether the modules that were exported are what their notebooks hold, fixes among that."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from sapwood.errors import InputError, InvalidWorkspace
from sapwood.files.reading import read_whole
from sapwood.package import LARGEST_READ, FileIdentity, PackageFile
from sapwood.workspace.course.template import Template
from sapwood.workspace.doctor.findings import TEMPLATE, UPDATE, Finding, Remedy, noted, ok, problem
from sapwood.workspace.doctor.look import Look
from sapwood.workspace.exporting.code import export_cells, without_directive
from sapwood.workspace.exporting.status import ExportState, ExportStatus, look_at_export
from sapwood.workspace.record.record import RecordedFile

WORDS = {
    ExportState.STALE: "{notebook} was changed since",
    ExportState.EDITED: "edited by hand; what is to last belongs into {notebook}",
    ExportState.FOREIGN: "not exported from {notebook}, and in the way of what is",
}


def export_findings(look: Look) -> Iterator[Finding]:
    """What there is to say of each export."""
    if look.template is None:
        return
    for export in look.template.manifest.exports:
        status = look_at_export(look.places, export)
        yield _of_export(look, status)
        if status.is_exported:
            yield from _missing_fix(look, look.template, status)


def _exporting(look: Look, status: ExportStatus, text: str = "", *options: str) -> Remedy:
    """The command that exports one module anew."""
    word = look.module_word(status.export.notebook) or "--all"
    return Remedy(text, ("module", "export", TEMPLATE, word, *options))


def _of_export(look: Look, status: ExportStatus) -> Finding:
    """How a module relates to its notebook."""
    state, path, notebook = status.state, status.export.to, status.export.notebook
    if state is ExportState.FRESH:
        return ok("export", path, f"exported from {notebook} as it is")
    if state is ExportState.NEVER:
        return _never(look, status)
    if state is ExportState.GONE:
        word = look.module_word(notebook)
        remedy = UPDATE  # which installs what is new
        if look.entry(notebook) is not None and word is not None:
            remedy = Remedy(command=("module", "reset", TEMPLATE, word))
        return noted("export", path, f"{notebook} is not there", remedy)
    if state is ExportState.BROKEN:
        remedy = _exporting(look, status, "mend the cell")
        return problem("export", path, f"cannot be exported: {status.reason}", remedy)
    if state is ExportState.BLOCKED:
        remedy = _exporting(look, status, "move it away")
        return problem("export", path, f"{status.reason} is in its place", remedy)
    message = WORDS[state].format(notebook=notebook)
    options = () if state is ExportState.STALE else ("--replace",)
    return problem("export", path, message, _exporting(look, status, "", *options))


def _never(look: Look, status: ExportStatus) -> Finding:
    """A module that was not exported yet, which is as it should be until it is worked on."""
    path, notebook = status.export.to, status.export.notebook
    entry, there = look.entry(notebook), look.found(notebook)
    if entry is not None and isinstance(there, FileIdentity) and there.hash == entry.identity.hash:
        return ok("export", path, f"never exported; {notebook} is as it was installed")
    return noted("export", path, f"never exported from {notebook}", _exporting(look, status))


def _missing_fix(look: Look, template: Template, status: ExportStatus) -> Iterator[Finding]:
    """Whether a later version of the template changes code that was exported."""
    notebook = status.export.notebook
    entry = look.entry(notebook)
    file = template.files.get(notebook)
    if entry is None or file is None or template.manifest.version <= Version(entry.version):
        return
    there = look.found(notebook)
    new = file.canonical_hash()
    if not isinstance(there, FileIdentity) or new in {there.hash, entry.identity.hash}:
        return
    if not _lacks_change(look, notebook, entry, file):
        return
    note = template.manifest.note_for(notebook, entry.version)
    message = (
        f"exported code comes from version {entry.version} of the module; {template.version} "
        f"{'changes it' if note is None else f'fixes it ({note})'}"
    )
    command: tuple[str, ...] = ("update", TEMPLATE, "--merge")
    word = look.module_word(notebook)
    if there.hash == entry.identity.hash and word is not None:
        command = ("update", TEMPLATE, "--module", word)
    yield problem("fix", status.export.to, message, Remedy(command=command))


def _lacks_change(look: Look, notebook: str, entry: RecordedFile, file: PackageFile) -> bool:
    """Whether marked cells that a release changed are not yet so in the user's notebook.

    A user who took them over by hand has them, whatever the rest of the notebook is.

    Args:
        look: the workspace.
        notebook: path of the notebook there.
        entry: what the record says of it.
        file: the notebook in the template.
    """
    if entry.blob is None or file.size > LARGEST_READ:
        return True
    try:
        old = _codes(look.places.blobs.get(entry.blob, entry.size), notebook)
        new = _codes(file.read(), notebook)
        mine = _codes(read_whole(look.places.root / notebook, LARGEST_READ) or b"", notebook)
    except (InputError, InvalidWorkspace):
        return True  # what was installed is lost, or one of them cannot be exported
    return not new - old <= mine or not mine.isdisjoint(old - new)


def _codes(data: bytes, path: str) -> set[str]:
    """The marked cells of a notebook."""
    return {without_directive(source) for _, source in export_cells(data, path)}
