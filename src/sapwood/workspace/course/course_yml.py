"""`course.yml`: what an instructor makes of a template. docs/workspaces.md shows one."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from sapwood.documents.fields import Fields
from sapwood.documents.paths import portable
from sapwood.errors import InputError
from sapwood.package import MOST_MODULES, Manifest, Module
from sapwood.workspace.course.plain_yaml import parse_yaml
from sapwood.workspace.course.successors import Successors
from sapwood.workspace.record.course import (
    LAST_NUMBER,
    MOST_LETTERS,
    Course,
    Extra,
    numbered,
    policy_in,
    short_name,
)

FILE_NAME = "course.yml"
FIELDS = ("template", "title", "first", "modules", "provided", "extra")
MOST_EXTRAS = 100


@dataclasses.dataclass(frozen=True, slots=True)
class CourseConfig:
    """A course as its instructor wrote it.

    Attributes:
        where: name of its file, for errors.
        template: name of the template that it is for; None for whichever it is used with.
        title: title for people, None without one.
        first: number of the first module.
        modules: chosen modules, in order, each by its number, its name, or the name without
            number.
        provided: modules that others need and that are left out on purpose, named likewise.
        extras: files and folders to install beside the template's.
    """

    where: str
    template: str | None
    title: str | None
    first: int
    modules: tuple[str, ...]
    provided: tuple[str, ...]
    extras: tuple[Extra, ...]

    def course_for(self, manifest: Manifest) -> Course:
        """The course that it makes of a version of a template.

        Args:
            manifest: manifest of that version.

        Raises:
            InputError: it is for another template; a module is unknown, named twice, or
                comes without or before what it needs; an extra has the number or name of
                another module.
        """
        if self.template not in {None, manifest.name}:
            raise InputError(
                f"{self.where}.template: expected {manifest.name}, which it is used with; "
                f"found {self.template!r:.80}"
            )
        successors = Successors(manifest)
        names: list[str | None] = []
        for number, word in enumerate(self.modules, self.first):
            name = self._name(word, number, successors)
            if name is not None and name in names:
                raise self._fail(f"{word!r:.80} is there twice; keep one of the two")
            names.append(name)
        course = Course(self.title, tuple(names), self.first, self.extras)
        self._check_needs(course, manifest, self._provided(successors))
        self._check_extras(course)
        return course

    def _name(self, word: str, number: int, successors: Successors) -> str | None:
        """The name of the template's module that a line means, None if it means an extra."""
        try:
            return successors.named(word)
        except InputError as e:
            extra = self._extra_named(word)
            if extra is None:
                raise self._fail(str(e)) from e
        if extra.name != numbered(extra.name, number):
            raise self._fail(
                f"{word!r:.80} has place {number}, and the extra is {extra.name}; install it to "
                f"{numbered(extra.name, number)}, or leave it out here"
            )
        return None

    def _extra_named(self, word: str) -> Module | None:
        """The module that an extra is, by its name."""
        modules = Course(None, (), extras=self.extras).extra_modules().values()
        return next((one for one in modules if word in {one.name, one.short_name}), None)

    def _provided(self, successors: Successors) -> set[str]:
        """Names of the modules that students have from elsewhere."""
        try:
            return {successors.named(one) for one in self.provided}
        except InputError as e:
            raise InputError(f"{self.where}.provided: {e}") from e

    def _check_needs(self, course: Course, manifest: Manifest, provided: Collection[str]) -> None:
        """Sees to it that each module comes after what it needs, or that it is provided."""
        places = {name: place for place, name in enumerate(course.modules)}
        for module in manifest.modules:
            for need in module.needs if module.name in places else ():
                if need in places and places[need] > places[module.name]:
                    raise self._fail(
                        f"{module.name} comes before {need}, which it needs; put {need} before it"
                    )
                if need not in places and need not in provided:
                    raise self._fail(
                        f"{module.name} needs {need}, which is left out; add it, or name it "
                        "under 'provided' if students have it from elsewhere"
                    )

    def _check_extras(self, course: Course) -> None:
        """Sees to it that no extra has the number or the name alone of another module."""
        known: dict[int | str, str] = {}
        for name in course.workspace_names():
            for key in (int(name.partition("_")[0]), short_name(name)):
                other = known.setdefault(key, name)
                if other != name:
                    raise InputError(
                        f"{self.where}.extra: {other} and {name} have one number or one name; "
                        "install the extra to another"
                    )

    def _fail(self, message: str) -> InputError:
        return InputError(f"{self.where}.modules: {message}")


def parse_course(data: bytes, where: str = FILE_NAME) -> CourseConfig:
    """Reads a course.yml.

    Args:
        data: the file's bytes.
        where: name of the file, for errors.

    Raises:
        InputError: they are no course, or PyYAML is not installed. Nothing else is raised,
            whatever the bytes.
    """
    table = Fields(parse_yaml(data, where), where, InputError)
    table.only(FIELDS)
    modules, provided = table.optional_texts("modules"), table.optional_texts("provided")
    listed = table.optional_objects("extra")
    if not modules:
        raise table.fail("modules", "expected the chosen modules, found none; name at least one")
    if len(modules) > MOST_MODULES or len(provided) > MOST_MODULES:
        raise table.fail("modules", f"expected at most {MOST_MODULES} entries")
    if len(listed) > MOST_EXTRAS:
        raise table.fail("extra", f"expected at most {MOST_EXTRAS} entries")
    title = table.optional_text("title", null=True)
    if title is not None and (len(title) > MOST_LETTERS or not title.isprintable()):
        raise table.fail("title", f"expected at most {MOST_LETTERS} letters on one line")
    return CourseConfig(
        where=where,
        template=table.optional_text("template", null=True),
        title=title,
        first=_first_in(table, len(modules)),
        modules=tuple(modules),
        provided=tuple(provided),
        extras=_extras_of(listed),
    )


def _first_in(table: Fields, count: int) -> int:
    """The number of the first module."""
    text = table.optional_text("first", null=True) or "1"
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise table.fail("first", f"expected a number such as 1, found {text!r:.40}")
    if int(text) + count > LAST_NUMBER + 1:
        raise table.fail("first", f"expected numbers of modules up to {LAST_NUMBER}")
    return int(text)


def _extras_of(listed: Sequence[Fields]) -> tuple[Extra, ...]:
    """The extra assignments, none inside another."""
    extras: list[Extra] = []
    for one in listed:
        extra = _extra_of(one)
        inside = [it for it in extras if it.holds(extra.to) or extra.holds(it.to)]
        if inside:
            raise one.fail(
                "to", f"{extra.to!r:.80}: {inside[0].to!r:.80} goes there too; choose another"
            )
        if extra.origin in {it.origin for it in extras}:
            raise one.fail("from", f"{extra.origin!r:.80} is installed already; name it once")
        extras.append(extra)
    return tuple(extras)


def _extra_of(table: Fields) -> Extra:
    """An extra assignment."""
    table.only(("from", "to", "policy"))
    paths = []
    for field in ("from", "to"):
        path = table.text(field).removesuffix("/")
        fault = portable(path)
        if fault:
            raise table.fail(
                field, f"{path!r:.80}: {fault}; expected a path such as {EXAMPLES[field]}"
            )
        paths.append(path)
    return Extra(paths[0], paths[1], policy_in(table, null=True))


EXAMPLES = {"from": "assignments/project", "to": "modules/90_project"}
