"""A course: which modules of a template a workspace has, in which order, and what beside them.

What an instructor writes is read by `course.course_yml`; this is what comes of it, and what a
workspace's record keeps, so that each later version of the template is put in as the course
has it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sapwood.documents.fields import Fields
from sapwood.documents.paths import portable
from sapwood.package import MODULE_NAME, MOST_MODULES, Module, Policy

MOST_LETTERS = 200  # of a title
LAST_NUMBER = 9999
FIELDS = ("title", "first", "modules", "extra")
EXTRA_FIELDS = ("from", "to", "policy")


@dataclasses.dataclass(frozen=True, slots=True)
class Extra:
    """A file or folder of the instructor's that is installed into the workspace.

    Attributes:
        origin: path that it has beside course.yml.
        to: path that it gets in the workspace.
        policy: policy of its files; None where the template's policies say it.
    """

    origin: str
    to: str
    policy: Policy | None = None

    def holds(self, path: str) -> bool:
        """Whether a file of the workspace, given by its path, is part of it."""
        return path == self.to or path.startswith(f"{self.to}/")

    def module(self) -> Module | None:
        """The module that it is; None where its name is none of a module."""
        name = _stem_of(self.to.rpartition("/")[2])
        return Module(name, name.partition("_")[2]) if MODULE_NAME.fullmatch(name) else None

    def to_json(self) -> dict[str, Any]:
        """The extra as JSON values."""
        policy = {} if self.policy is None else {"policy": self.policy.value}
        return {"from": self.origin, "to": self.to, **policy}


@dataclasses.dataclass(frozen=True, slots=True)
class Course:
    """What a course makes of a template.

    Attributes:
        title: title for people, None without one.
        modules: names of modules in the template, in the order in which they are taught; None
            for a place that an extra has. Those that the template has dropped since keep their
            places.
        first: number of the first module.
        extras: files and folders in the workspace beside the template's.
    """

    title: str | None
    modules: tuple[str | None, ...]
    first: int = 1
    extras: tuple[Extra, ...] = ()

    def extra_modules(self) -> dict[str, Module]:
        """The modules that extras are, by name."""
        found = (one.module() for one in self.extras)
        return {one.name: one for one in found if one is not None}

    def names(self) -> dict[str, str]:
        """Names of the chosen modules in the workspace, by those in the template."""
        placed = enumerate(self.modules, self.first)
        return {name: numbered(name, number) for number, name in placed if name is not None}

    def workspace_names(self) -> list[str]:
        """Names of all modules in the workspace, in the order in which they are taught."""
        everything = {*self.names().values(), *self.extra_modules()}
        return sorted(everything, key=lambda one: int(one.partition("_")[0]))

    def extra_of(self, path: str) -> Extra | None:
        """The extra that a file of the workspace is of."""
        return next((one for one in self.extras if one.holds(path)), None)

    def summary(self) -> dict[str, Any]:
        """The course as JSON values for programs: names as the workspace has them."""
        return {
            "title": self.title,
            "modules": self.workspace_names(),
            "extra": [one.to for one in self.extras],
        }

    def to_json(self) -> dict[str, Any]:
        """The course as JSON values of a record."""
        return {
            "title": self.title,
            "first": self.first,
            "modules": list(self.modules),
            "extra": [one.to_json() for one in self.extras],
        }


def numbered(name: str, number: int) -> str:
    """A module's name with another number, of at least as many digits."""
    digits, _, short = name.partition("_")
    return f"{number:0{len(digits)}d}_{short}"


def _stem_of(part: str) -> str:
    """What a name of a path is compared by with names of modules."""
    return part.partition(".")[0]


def stems_of(path: str) -> set[str]:
    """Names of modules that may hold a file."""
    return {_stem_of(part) for part in path.split("/")}


def renamed_path(path: str, names: Mapping[str, str]) -> str:
    """A path with other names of modules.

    Args:
        path: path of a file in the template or in the workspace.
        names: new names of modules by old ones. They are replaced where `Module.holds` sees
            them: before the first dot of a folder's or file's name. All others stay.
    """
    if names.keys().isdisjoint(stems_of(path)):
        return path
    out = []
    for part in path.split("/"):
        stem, dot, ending = part.partition(".")
        out.append(f"{names.get(stem, stem)}{dot}{ending}")
    return "/".join(out)


def course_in_record(fields: Fields) -> Course:
    """The course that a record keeps.

    Args:
        fields: fields of the course in the record.

    Raises:
        UnsupportedWorkspace: it has a field that only a newer program knows: to write the record
            without it would lose a part of the course.
        InvalidWorkspace: it is damaged.
    """
    fields.only(FIELDS)
    modules, first = _modules_in_record(fields), fields.size("first")
    extras = tuple(_extra_in_record(one) for one in fields.objects("extra"))
    if len(modules) > MOST_MODULES or first + len(modules) > LAST_NUMBER + 1:
        raise fields.fail("first", f"expected numbers up to {LAST_NUMBER}")
    return Course(fields.optional_text("title", null=True), modules, first, extras)


def _modules_in_record(fields: Fields) -> tuple[str | None, ...]:
    """The modules that a record keeps, null in places of extras."""
    places = fields.values("modules")
    names = [one for one in places if isinstance(one, str) and MODULE_NAME.fullmatch(one)]
    strange = len(names) + places.count(None) != len(places)
    if strange or len({short_name(one) for one in names}) != len(names):
        raise fields.fail("modules", "expected names such as 05_autograd, each once")
    return tuple(places)


def _extra_in_record(fields: Fields) -> Extra:
    """An extra that a record keeps."""
    fields.only(EXTRA_FIELDS)
    origin, to = fields.text("from"), fields.text("to")
    for name, path in (("from", origin), ("to", to)):
        fault = portable(path)
        if fault is not None:
            raise fields.fail(name, f"{path!r:.80}: {fault}")
    return Extra(origin, to, policy_in(fields))


def policy_in(fields: Fields, *, null: bool = False) -> Policy | None:
    """The policy that the fields of an extra name, None where they name none.

    Args:
        fields: fields of the extra.
        null: whether null stands for an absent field.

    Raises:
        SapwoodError: the error of the fields: there is no such policy.
    """
    name = fields.optional_text("policy", null=null)
    if name is not None and name not in set(Policy):
        raise fields.fail("policy", f"expected one of {', '.join(Policy)}; found {name!r:.40}")
    return None if name is None else Policy(name)


def short_name(name: str) -> str:
    """A module's name without its number, as names are told apart."""
    return name.partition("_")[2].lower()
