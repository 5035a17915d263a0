"""Workspaces that doctor looks at, and what it says of them."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest

from sapwood.cli import workspace_cli
from sapwood.workspace import Finding, Severity, Workspace
from sapwood.workspace.doctor.findings import TEMPLATE
from support.export_templates import write_course
from support.template_folders import Clock

OK, NOTE, PROBLEM = Severity.OK, Severity.NOTE, Severity.PROBLEM


@dataclasses.dataclass(frozen=True)
class Case:
    """A workspace of 1.0.0, the template 1.1.0, and folders that are in Python's path."""

    folder: Path
    course: Workspace

    @property
    def root(self) -> Path:
        return self.course.root

    def template(self, version: str = "1.0.0") -> Path:
        return self.folder / version

    def found(self, version: str = "1.0.0") -> list[Finding]:
        """What is no order."""
        findings = self.course.examine(self.template(version))
        return [one for one in findings if one.severity is not OK]

    def kinds(self, version: str = "1.0.0") -> list[str]:
        return [one.kind for one in self.found(version)]

    def run(self, finding: Finding, version: str = "1.0.0") -> int:
        """Runs the command that a finding names."""
        assert finding.remedy is not None
        words = [one for one in finding.remedy.command if one != TEMPLATE]
        assert words
        if "reset" in words:
            words.append("--yes")
        with contextlib.chdir(self.root):
            return workspace_cli("tito", self.template(version))([*words, "--quiet"])


def new_case(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A workspace in which nothing is wrong."""
    for version in ("1.0.0", "1.1.0"):
        write_course(folder / version, version)
    (folder / "site").mkdir()
    monkeypatch.syspath_prepend(folder / "site")
    course, _ = Workspace.init(folder / "course", folder / "1.0.0", clock=Clock())
    course.export(folder / "1.0.0")
    made = Case(folder, course)
    assert made.found() == []
    return made


def one(findings: list[Finding], kind: str) -> Finding:
    (found,) = (finding for finding in findings if finding.kind == kind)
    return found
