"""What an update does about files of a workspace whose course or package has changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from sapwood.package import DEFAULT_RULE, MODULE_NAME, Package, PolicyRule, Rules
from sapwood.workspace.course.successors import Successors
from sapwood.workspace.record.course import Course, Extra, renamed_path, stems_of
from sapwood.workspace.record.record import RecordedFile


@dataclasses.dataclass(frozen=True, slots=True)
class CourseRules(Rules):
    """Rules of a package, asked by paths of a workspace.

    Policies and retirements are looked up by a file's path in the package: their patterns
    are written for that one. Renames are of paths in the workspace already.

    Attributes:
        origins: paths in the package by paths in the workspace, where they differ.
        extras: extras of the course, and after them those that it had before.
        extra_files: paths of the files that they have or had.
        dropped: paths of files of modules and extras that the course had before, and of
            retired ones.
    """

    origins: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extras: tuple[Extra, ...] = ()
    extra_files: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()

    def placed(self, path: str) -> tuple[int, PolicyRule]:
        """The rule for a path, and its place among the rules; those of extras come last.

        It is an extra's own, or that of the file's path in the package.
        """
        holding = self.extras if path in self.extra_files else ()
        extra = next((one for one in holding if one.holds(path)), None)
        if extra is not None and extra.policy is not None:
            return len(self.policies), PolicyRule(DEFAULT_RULE.pattern, extra.policy)
        return Rules.placed(self, self.origins.get(path, path))

    def is_retired(self, path: str) -> bool:
        """Whether the course or the package says that a file is to leave."""
        return path in self.dropped or Rules.is_retired(self, self.origins.get(path, path))


class Passage:
    """The way of a workspace's files to where its course has them in a version of a package."""

    def __init__(
        self, package: Package, before: Course, after: Course, extras: Collection[str]
    ) -> None:
        """Takes nothing but what is given.

        Args:
            package: package, as its author made it.
            before: course that the workspace has.
            after: course that it gets.
            extras: paths of the files of extras that it has.
        """
        self._package = package
        self._before = before
        self._after = after
        self._extras = extras
        self._names = after.names()
        self._back = {new: old for old, new in before.names().items()}
        self._left_out = {one.name for one in package.manifest.modules} - self._names.keys()
        self._successors = Successors(package.manifest)
        self._called: dict[str, str] = {}  # by each stem that was looked at

    def way_of(self, path: str) -> tuple[str, str | None]:
        """Where a file of the workspace came from, and where it goes.

        Args:
            path: path of the file in the record.

        Returns:
            The path in the package that it was installed from, and the one in the workspace
            that it gets; None for that if the course has it no longer.
        """
        extra = self._before.extra_of(path) if path in self._extras else None
        if extra is not None:
            same = (one.to for one in self._after.extras if one.origin == extra.origin)
            folder = next(same, None)
            return path, None if folder is None else folder + path.removeprefix(extra.to)
        old = self._origin(path)
        now = self._package.manifest.rules.renames.get(old, old)
        if now not in self._package.files:
            now = renamed_path(now, self._now_called(now))
        gone = not stems_of(now).isdisjoint(self._left_out)
        return old, None if gone else renamed_path(now, self._names)

    def is_retired(self, origin: str) -> bool:
        """Whether a file is to leave, by the names that modules have in this version.

        Those that it was installed under may be of another: a later one, after a downgrade.

        Args:
            origin: path in the package that the file was installed from.
        """
        now = renamed_path(origin, self._now_called(origin))
        return self._package.manifest.rules.is_retired(now)

    def _origin(self, path: str) -> str:
        """The path in the package that a file was installed from.

        A module may lie under a number that it has no more: the course has dropped it, or
        something was in the way when it moved. Then the rest of its name tells which it is.
        """
        old = renamed_path(path, self._back)
        if old != path or not self._back or path in self._package.files:
            return old
        return renamed_path(path, self._now_called(path))

    def _now_called(self, path: str) -> dict[str, str]:
        """What modules on a path are called in this version of the package."""
        for stem in stems_of(path):
            if stem not in self._called:
                name = self._successors.of(stem) if MODULE_NAME.fullmatch(stem) else None
                self._called[stem] = name or stem
        return self._called


def course_rules(
    package: Package,
    before: Course,
    after: Course,
    recorded: Mapping[str, RecordedFile],
    origins: Mapping[str, str],
    extras: Collection[str],
) -> CourseRules:
    """The rules of an update, by paths of the workspace.

    Args:
        package: package, as its author made it.
        before: course that the workspace has.
        after: course that it gets.
        recorded: installed files, by path.
        origins: paths in the package of the files that it gets, by path in the workspace.
        extras: paths of the extra assignments' files that it gets.
    """
    had = frozenset(path for path, entry in recorded.items() if entry.extra)
    passage = Passage(package, before, after, had)
    moves: dict[str, str] = {}
    came_from = dict(origins)
    dropped: set[str] = set()
    for path in recorded:
        origin, target = passage.way_of(path)
        if target is not None and target != path and (target in origins or target in extras):
            moves[path] = target
        elif path not in origins and path not in extras:
            came_from[path] = origin
            if target is None or passage.is_retired(origin):
                dropped.add(path)
    rules = package.manifest.rules
    return CourseRules(
        rules.policies,
        moves,
        rules.retired,
        {new: old for new, old in came_from.items() if new != old},
        (*after.extras, *before.extras),
        had | frozenset(extras),
        frozenset(dropped),
    )
