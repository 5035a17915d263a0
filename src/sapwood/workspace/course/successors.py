"""Modules of an earlier version of a template, as a later version has them."""

from __future__ import annotations

import dataclasses

from sapwood.package import MODULE_NAME, Manifest, find_module
from sapwood.workspace.record.course import Course, short_name, stems_of


def module_named(manifest: Manifest, word: str) -> str:
    """The name of a module of the template, which may have been renamed since.

    Args:
        manifest: the template's manifest.
        word: number or name of the module, now or in an earlier version.

    Raises:
        InputError: there is none.
    """
    name = successor(word, manifest) if MODULE_NAME.fullmatch(word) else None
    return name or find_module(manifest.modules, word).name


def successor(name: str, manifest: Manifest) -> str | None:
    """What a module of an earlier version is called in this one.

    It is the module of that name; else the one that its files were renamed into; else the one
    of that name with another number.

    Args:
        name: the module's name in the earlier version.
        manifest: the template's manifest in this one.

    Returns:
        The name, or None if the template has dropped the module.
    """
    if any(one.name == name for one in manifest.modules):
        return name
    targets: set[str] = set()
    for old, new in manifest.rules.renames.items():
        if name in stems_of(old):
            targets |= {one.name for one in manifest.modules if one.holds(new)}
    if len(targets) == 1:
        return targets.pop()
    same = (one.name for one in manifest.modules if short_name(one.name) == short_name(name))
    return next(same, None)


def carried(course: Course, manifest: Manifest) -> Course:
    """A course that was made for an earlier version of a template, for this one.

    Modules that the template has dropped since keep their names, and with them their places;
    so do those that have become one with another of the course.
    """
    names: list[str | None] = []
    taken: set[str] = set()
    for name in course.modules:
        now = name if name is None else successor(name, manifest) or name
        if now is not None and short_name(now) in taken:
            now = name
        taken.add(short_name(now or ""))
        names.append(now)
    return dataclasses.replace(course, modules=tuple(names))
