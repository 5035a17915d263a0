"""Policies: what an update may do to a file, by pattern."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from sapwood.documents.patterns import Pattern


class Policy(enum.StrEnum):
    """What an update may do to a file."""

    UPDATE = "update"  # follows the package; what the user changed is kept
    PROTECT = "protect"  # the user's own: installed once, updated on request only
    ONCE = "once"  # installed once, never looked at again
    GENERATED = "generated"  # always the package's; anything else is backed up
    WEIGHTS = "weights"  # large files that nobody edits: updated by patch, not backed up


@dataclasses.dataclass(frozen=True, slots=True)
class PolicyRule:
    """One line of a manifest.

    Attributes:
        pattern: of the paths that it is for.
        policy: of these files.
        restore: whether files that the user deleted come back.
    """

    pattern: Pattern
    policy: Policy
    restore: bool = False


# What no pattern matches is the user's own: nothing can be lost then.
DEFAULT_RULE = PolicyRule(Pattern.of("**"), Policy.PROTECT)


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """What a package says of its files.

    Attributes:
        policies: the first that matches counts; `protect` where none does.
        renames: old path to the path that it has now, all steps taken together.
        retired: of files that leave even where the policy would keep them, as long as the
            user has not modified them.
    """

    policies: tuple[PolicyRule, ...] = ()
    renames: Mapping[str, str] = dataclasses.field(default_factory=dict)
    retired: tuple[Pattern, ...] = ()

    def rule(self, path: str) -> PolicyRule:
        """The rule for a path."""
        return self.placed(path)[1]

    def placed(self, path: str) -> tuple[int, PolicyRule]:
        """The rule for a path, and its place among the rules; the default comes last."""
        for place, rule in enumerate(self.policies):
            if rule.pattern.matches(path):
                return place, rule
        return len(self.policies), DEFAULT_RULE

    def is_retired(self, path: str) -> bool:
        """Whether the package says that a file is to leave."""
        return any(one.matches(path) for one in self.retired)
