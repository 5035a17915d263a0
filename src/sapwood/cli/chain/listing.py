"""What `sapwood chain` shows of chains: facts, and a row for each version."""

from __future__ import annotations

from typing import Any

from sapwood.cli.reports import count, human_size, percentage, printable
from sapwood.cli.tables import show_rows
from sapwood.models import Chain, Link, Version

COLUMNS = ("version", "size", "SHA-256", "patch to it", "patch back")
ON_THE_RIGHT = frozenset({"version", "size", "patch to it", "patch back"})


def chain_facts(chain: Chain) -> dict[str, Any]:
    """A chain as JSON values."""
    return {
        "chain_size": chain.size,
        "unfinished": chain.unfinished,
        "versions": [version_facts(one) for one in chain.versions],
        "links": [link_facts(one) for one in chain.links],
    }


def version_facts(version: Version) -> dict[str, Any]:
    """A version as JSON values."""
    return {
        "size": version.size,
        "blake3": version.blake3.hex(),
        "sha256": version.sha256.hex(),
    }


def link_facts(link: Link) -> dict[str, Any]:
    """A link as JSON values."""
    return {
        "number": link.number,
        "reverse": link.reverse,
        "patch": link.patch.hex(),
        "patch_size": link.size,
        "offset": link.offset,
        "base_sha256": link.base.sha256.hex(),
        "target_sha256": link.target.sha256.hex(),
    }


def show_chain(name: str, chain: Chain, *, terminal: bool) -> None:
    """Prints a chain, a row for each version."""
    newest = chain.versions[-1].size
    print(
        f"{printable(name)}: {human_size(chain.size)}, {count(len(chain.forward), 'link')}; "
        f"{percentage(chain.size, newest)} of the newest version"
    )
    print()
    forward = chain.forward
    back = {one.number: one for one in chain.links if one.reverse}
    rows = []
    for i, version in enumerate(chain.versions):
        to = human_size(forward[i - 1].size) if i else ""
        fro = human_size(back[i].size) if i in back else ""
        rows.append((str(i), human_size(version.size), version.sha256.hex(), to, fro))
    show_rows(COLUMNS, ON_THE_RIGHT, rows, terminal=terminal)
    if chain.unfinished:
        print(f"and {human_size(chain.unfinished)} of a link that was not written to its end")
