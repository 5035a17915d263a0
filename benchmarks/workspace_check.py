"""How long a look at a workspace of many files takes when nothing has changed.

    python benchmarks/workspace_check.py [--files 10000] [--folder FOLDER]

Makes a template and a workspace of it in a temporary folder, and prints the median of
several runs of each operation, in seconds: `first` hashes every file, the others find that
none was written to since. Files are 2,000 bytes each, 20 in a folder.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sapwood.workspace import Workspace

MANIFEST = """schema = 1
name = "course"
version = "1.0.0"

[[policies]]
pattern = "modules/**"
policy = "protect"

[[policies]]
pattern = "tests/**/test_*.py"
policy = "update"

[[policies]]
pattern = "**"
policy = "update"
"""


def write_template(folder: Path, files: int) -> Path:
    """A template of so many files."""
    tops = ("modules", "tests", "milestones", "data")
    for number in range(files):
        group = number // 20
        file = folder / tops[group % len(tops)] / f"part_{group}" / f"test_{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# file {number}\n" + "assert 1 + 1 == 2\n" * 110)
    (folder / "sapwood-template.toml").write_text(MANIFEST)
    return folder


def median_time(operation: Callable[[], object], runs: int) -> float:
    """Seconds that an operation takes."""
    taken = []
    for _ in range(runs):
        begin = time.perf_counter()
        operation()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--folder", help="to work in, on the disk that is to be measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        template = write_template(Path(name, "template"), options.files)
        root = Path(name, "workspace")
        made = median_time(lambda: Workspace.init(root, template), 1)
        workspace = Workspace.open(root)
        first = median_time(lambda: workspace.plan_update(template), 1)
        print(f"{options.files} files of 2,000 bytes")
        print(f"init           {made:6.2f} s")
        print(f"first check    {first:6.2f} s")
        for title, operation in {
            "check": lambda: workspace.plan_update(template),
            "update": lambda: workspace.update(template),
            "status": workspace.status,
        }.items():
            print(f"{title:14} {median_time(operation, options.runs):6.2f} s")


if __name__ == "__main__":
    main()
