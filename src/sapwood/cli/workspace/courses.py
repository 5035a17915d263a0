"""What the commands of workspaces take and tell of courses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sapwood.cli.reports import count, printable
from sapwood.cli.workspace.options import sign

if TYPE_CHECKING:
    from sapwood.cli.arguments import Parser
    from sapwood.workspace import Course


def add_config(parser: Parser) -> None:
    """The course that configures a workspace."""
    parser.add_argument(
        "--config", metavar="COURSE", help="course.yml, or a folder or archive with one"
    )


def in_brackets(course: Course | None) -> str:
    """A course's title behind a version, for people."""
    return "" if course is None or course.title is None else f" ({printable(course.title)})"


def course_lines(course: Course | None) -> list[str]:
    """The line that names a course."""
    if course is None:
        return []
    title = course.title or "without a title"
    return [f"{sign('🎓')}Course: {printable(title)}, {count(len(course.modules), 'module')}"]
