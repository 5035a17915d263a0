"""Modules of an earlier version of a template, as a later version has them."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

from sapwood.package import MODULE_NAME, Manifest, find_module
from sapwood.workspace.record.course import Course, short_name, stems_of


class Successors:
    """What modules of earlier versions of a template are called in one; looked up, not sought."""

    def __init__(self, manifest: Manifest) -> None:
        """Goes through the modules and the renames once.

        Args:
            manifest: the template's manifest in the version that names are wanted of.
        """
        self._modules = manifest.modules
        self._names = frozenset(one.name for one in manifest.modules)
        self._by_short = {short_name(one.name): one.name for one in reversed(manifest.modules)}
        self._renamed: dict[str, set[str]] = defaultdict(set)
        for old, new in manifest.rules.renames.items():
            targets = stems_of(new) & self._names
            for stem in stems_of(old) if targets else ():
                self._renamed[stem] |= targets

    def of(self, name: str) -> str | None:
        """What a module of an earlier version is called in this one.

        It is the module of that name; else the one that its files were renamed into; else the one
        of that name with another number.

        Args:
            name: the module's name in the earlier version.

        Returns:
            The name, or None if the template has dropped the module.
        """
        if name in self._names:
            return name
        targets = self._renamed.get(name, ())
        if len(targets) == 1:
            return next(iter(targets))
        return self._by_short.get(short_name(name))

    def named(self, word: str) -> str:
        """The name of a module of the template, which may have been renamed since.

        Args:
            word: number or name of the module, now or in an earlier version.

        Raises:
            InputError: there is none.
        """
        name = self.of(word) if MODULE_NAME.fullmatch(word) else None
        return name or find_module(self._modules, word).name


def carried(course: Course, manifest: Manifest) -> Course:
    """A course that was made for an earlier version of a template, for this one.

    Modules that the template has dropped since keep their names, and with them their places;
    so do those that have become one with another of the course.
    """
    successors = Successors(manifest)
    names: list[str | None] = []
    taken: set[str] = set()
    for name in course.modules:
        now = name if name is None else successors.of(name) or name
        if now is not None and short_name(now) in taken:
            now = name
        taken.add(short_name(now or ""))
        names.append(now)
    return dataclasses.replace(course, modules=tuple(names))
