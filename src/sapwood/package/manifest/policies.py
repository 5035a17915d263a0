"""Policies, and what migrations say: what an update may do to a file, by pattern and by path."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping

from packaging.version import Version

from sapwood.documents.fields import Fields
from sapwood.documents.patterns import Pattern
from sapwood.errors import InvalidPackage
from sapwood.package.manifest.values import entries_in, path_in, pattern_from, version_in

MOST_PATTERNS = 1000
MOST_STEPS = 1 << 26  # of matching patterns with paths: less than a minute
MOST_RENAMES = 10_000


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
        pattern: matches the paths of the files that the line is for.
        policy: the policy of these files.
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
        policies: rules, of which the first that matches counts; `protect` where none does.
        renames: the path that a file has now by each that it had, all steps taken together.
        retired: patterns of files that leave even where the policy would keep them, as long as
            the user has not modified them.
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

    def steps(self, paths: Iterable[str]) -> int:
        """The most steps that looking up all of some paths takes.

        Args:
            paths: the paths, each of which is looked up among policies and retirements.
        """
        patterns = (*(one.pattern for one in self.policies), *self.retired)
        names = sum(path.count("/") + 1 for path in paths)
        return names * sum(one.steps for one in patterns)


def rules_of(table: Fields) -> Rules:
    """What a manifest says of files: its policies, and its migrations taken together.

    Args:
        table: the manifest.

    Raises:
        InvalidPackage: a policy or a pattern is none, there are too many of them, or a path is
            renamed twice, or back to what it was.
    """
    policies = tuple(map(_policy_of, entries_in(table, "policies")))
    retired: list[Pattern] = []
    steps: list[tuple[Version, str, str]] = []
    for migration in entries_in(table, "migrations"):
        migration.only(("version", "renames", "retired"))
        version = version_in(migration, "version")
        texts = migration.optional_texts("retired")
        retired += (pattern_from(migration, "retired", one) for one in texts)
        for rename in migration.optional_objects("renames"):
            rename.only(("from", "to"))
            steps.append((version, path_in(rename, "from"), path_in(rename, "to")))
    if len(policies) + len(retired) > MOST_PATTERNS or len(steps) > MOST_RENAMES:
        raise InvalidPackage(
            f"{table.where}: more than {MOST_PATTERNS} patterns or {MOST_RENAMES} renames"
        )
    return Rules(policies, _followed(steps, table.where), tuple(retired))


def fault_of_amount(rules: Rules, paths: Iterable[str], most: int = MOST_STEPS) -> str | None:
    """What makes it take too long to look up the policies of files, or None.

    Args:
        rules: what a manifest says of files.
        paths: paths of the files.
        most: how many steps it may take.
    """
    steps = rules.steps(paths)
    if steps <= most:
        return None
    return (
        f"expected patterns and files of which all can be compared in {most} steps, found {steps}; "
        "use fewer patterns, or fewer ** in them"
    )


def _policy_of(table: Fields) -> PolicyRule:
    """One line of policies."""
    table.only(("pattern", "policy", "deleted"))
    name = table.text("policy")
    if name not in set(Policy):
        raise table.fail("policy", f"expected one of {', '.join(Policy)}; found {name!r:.40}")
    deleted = table.optional_text("deleted") or "keep"
    if deleted not in {"keep", "restore"}:
        raise table.fail("deleted", f"expected 'keep' or 'restore', found {deleted!r:.40}")
    pattern = pattern_from(table, "pattern", table.text("pattern"))
    return PolicyRule(pattern, Policy(name), restore=deleted == "restore")


def _followed(steps: Iterable[tuple[Version, str, str]], where: str) -> dict[str, str]:
    """Each old path with the path that it has in the end.

    Args:
        steps: the version of each rename, the old path and the new one.
        where: the name of the manifest, for errors.

    Raises:
        InvalidPackage: a path is renamed twice, or back to what it was.
    """
    after: dict[str, str] = {}
    for _, old, new in sorted(steps):
        if old in after:
            raise InvalidPackage(
                f"{where}: {old} is renamed to {after[old]} and to {new}; expected one name"
            )
        after[old] = new
    last: dict[str, str] = {}
    # Later steps first, in effect: what a path leads to is looked up once for all before it.
    for old in after:
        way = [old]
        while way[-1] in after and way[-1] not in last:
            way.append(after[way[-1]])
            if len(way) > len(after) + 1:
                raise InvalidPackage(f"{where}: the renames of {old} lead in a circle")
        end = last.get(way[-1], way[-1])
        last.update((one, end) for one in way if one in after)
    return last
