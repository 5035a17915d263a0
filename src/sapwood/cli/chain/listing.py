"""What `sapwood chain` shows of chains: a row for each version."""

from __future__ import annotations

from sapwood.cli.reports import count, human_size, percentage, printable
from sapwood.cli.tables import show_rows
from sapwood.models import Chain

COLUMNS = ("version", "size", "SHA-256", "patch to it", "patch back")
ON_THE_RIGHT = frozenset({"version", "size", "patch to it", "patch back"})


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
