"""Writes conformance vectors of chains that are not there yet; never changes one that is.

    python conformance/generate_chains.py

Records are put together by the writer of the tests, from the specification alone, around patches
that `create_patch` makes. Each case is read before it is written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from generate import in_lines, slug, write  # noqa: E402

from support.chain_facts import facts, refused  # noqa: E402
from support.chain_files import BLOCK, Record, backs, chain_of, patches, spans, written  # noqa: E402
from support.hostile_chains import FILES, HOSTILE  # noqa: E402

FOLDER = HERE / "chains"


def valid_chains() -> dict[str, tuple[str, bytes]]:
    """Chains to be read, with what each is for."""
    whole = chain_of(FILES)
    begin, end = spans(whole)[-2][0], spans(whole)[-1][1]
    came_back = [*patches(FILES[:2]), *backs(FILES[:2])]
    return {
        "forward": ("links without reverses", chain_of(FILES, reverse=False)),
        "both-ways": ("each link with its reverse", whole),
        "came-back": ("a version that is there twice", written(*map(Record, came_back))),
        "cut-off-in-a-head": ("ends in a head", whole[: begin + BLOCK - 1]),
        "cut-off-in-a-patch": ("ends in a patch", whole[: begin + 3 * BLOCK]),
        "cut-off-in-padding": ("ends before its last byte", whole[: end - 1]),
        "unwritten-head": (
            "a link whose head was not written yet",
            whole[:begin] + bytes(BLOCK) + whole[begin + BLOCK :],
        ),
    }


def main() -> None:
    """Adds the cases whose names are not listed yet."""
    listed = FOLDER / "cases.json"
    document: dict[str, Any] = {"format": "ttchain/v1", "valid": [], "invalid": []}
    if listed.exists():
        document = json.loads(listed.read_text(encoding="utf-8"))
    there = {one["name"] for kind in ("valid", "invalid") for one in document[kind]}
    FOLDER.mkdir(exist_ok=True)
    versions = [f"version-{i}" for i in range(len(FILES))]
    for name, data in zip(versions, FILES, strict=True):
        write(FOLDER / name, data)
    for name, (about, chain) in valid_chains().items():
        if name not in there:
            write(FOLDER / f"{name}.chain", chain)
            document["valid"].append({"name": name, "about": about, **facts(chain)})
    for about, (chain, _) in HOSTILE.items():
        name = slug(about)
        if name not in there:
            write(FOLDER / f"{name}.chain", chain)
            document["invalid"].append({"name": name, "about": about, "error": refused(chain)})
    listed.write_text(in_lines(document), encoding="utf-8")
    sys.stdout.write(f"{len(document['valid'])} valid, {len(document['invalid'])} invalid\n")


if __name__ == "__main__":
    main()
