"""The program `phloem`."""

from __future__ import annotations

from sapwood.cli import workspace_cli

main = workspace_cli("phloem", "dist:phloem-course")
