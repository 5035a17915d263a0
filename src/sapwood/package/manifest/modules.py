"""Modules: the parts of a package that can be updated and reset alone, in their order."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from sapwood.documents.fields import Fields
from sapwood.documents.paths import portable_name
from sapwood.errors import InputError
from sapwood.package.manifest.values import entries_in, line_from

MOST_MODULES = 1000
MODULE_NAME = re.compile(r"([0-9]{1,4})_([A-Za-z0-9][A-Za-z0-9_-]{0,99})")


@dataclasses.dataclass(frozen=True, slots=True)
class Module:
    """One module.

    Attributes:
        name: number, underscore and name, as '05_autograd'.
        title: the name for people.
        needs: names of the modules that it builds on, which come before it.
    """

    name: str
    title: str
    needs: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """The number that the name begins with."""
        return int(self.name.partition("_")[0])

    @property
    def short_name(self) -> str:
        """The name without the number."""
        return self.name.partition("_")[2]

    def holds(self, path: str) -> bool:
        """Whether a file is one of the module's.

        That is so if a folder on its path has the module's name, or if the file or a folder
        has that name before the first dot, as in 'modules/05_autograd.ipynb'.
        """
        return self.folder_in(path) is not None

    def folder_in(self, path: str) -> str | None:
        """The part of a path up to the module's name: 'modules/05_autograd'.

        Returns:
            The whole path where the file itself has the name; None of a file that is not
            the module's.
        """
        parts = path.split("/")
        for number, part in enumerate(parts, start=1):
            if part.partition(".")[0] == self.name:
                return "/".join(parts[:number])
        return None


def modules_of(table: Fields) -> tuple[Module, ...]:
    """The modules that a manifest names, in their order.

    Args:
        table: the manifest.

    Raises:
        The table's error: there are too many modules, a module has no such name, two have one
            number or name, or one needs what does not come before it.
    """
    modules: dict[str, Module] = {}
    taken: set[int | str] = set()  # numbers, and names without them
    for one in entries_in(table, "modules", MOST_MODULES):
        module = _module_of(one)
        own: set[int | str] = {module.number, module.short_name.lower()}
        if not taken.isdisjoint(own):
            raise one.fail("name", f"{module.name!r}: its number or name is another module's too")
        taken |= own
        missing = [need for need in module.needs if need not in modules]
        if missing:
            raise one.fail("needs", f"expected modules that come before, found {missing[0]!r:.80}")
        modules[module.name] = module
    return tuple(modules.values())


def _module_of(table: Fields) -> Module:
    """One module."""
    table.only(("name", "title", "needs"))
    name = table.text("name")
    if not MODULE_NAME.fullmatch(name) or portable_name(name) is not None:
        raise table.fail("name", f"expected a name such as 05_autograd, found {name!r:.80}")
    title = line_from(table, "title", table.optional_text("title") or name.partition("_")[2])
    return Module(name, title, tuple(table.optional_texts("needs")))


def find_module(modules: Sequence[Module], word: str) -> Module:
    """The module that a user names.

    Args:
        modules: all modules of the package.
        word: the module's number ('05', '5'), its name ('05_autograd') or its name without the
            number.

    Raises:
        InputError: there is no module of that name.
    """
    for module in modules:
        if word in {module.name, module.short_name}:
            return module
    if re.fullmatch(r"[0-9]{1,4}", word):
        for module in modules:
            if module.number == int(word):
                return module
    names = ", ".join(one.name for one in modules)
    expected = f"one of {names}" if names else "a module, and there are none"
    raise InputError(f"{word!r:.80}: expected {expected}")
