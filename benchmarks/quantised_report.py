"""The section of the page about quantised models."""

from __future__ import annotations

from typing import Any

from cells import is_whole
from results import SAPWOOD
from tables import table

XOR = "xor-zstd-19"

INTRODUCTION = """## GGUF

The same fine-tunes, both versions quantised alike (`benchmarks/quantise_checkpoints.py`): Q8_0,
Q4_0 and Q5_1 by the `gguf` package, Q4_K and Q6_K as llama.cpp does without an importance matrix.
Matrices are quantised, norms and biases are f32. The rows of this encoder are no multiple of 256,
so those of the K types were joined with their neighbours. Bytes of whole patches, on one core,
one process for each call; `ratio` is Sapwood against the smallest of the others.
"""


def sizes(pair: dict[str, Any]) -> dict[str, int]:
    """Patch bytes of every peer that brought the target back."""
    return {cell["peer"]: cell["patch_bytes"] for cell in pair["cells"] if is_whole(cell)}


def size_table(pairs: list[dict[str, Any]]) -> str:
    peers = list(dict.fromkeys(cell["peer"] for pair in pairs for cell in pair["cells"]))
    rows = []
    for pair in pairs:
        found = sizes(pair)
        own, others = found.get(SAPWOOD), [n for peer, n in found.items() if peer != SAPWOOD]
        ratio = f"{own / min(others):.3f}" if own and others else "-"
        cells = [f"{found[peer]:,}" if peer in found else "-" for peer in peers]
        rows.append([pair["title"], f"{pair['target_bytes']:,}", *cells, ratio])
    return table(["pair", "target", *peers, "ratio"], rows)


def time_table(pairs: list[dict[str, Any]]) -> str:
    rows = []
    for pair in pairs:
        cells = {cell["peer"]: cell for cell in pair["cells"] if is_whole(cell)}
        times = [
            f"{cells[peer][f'{verb}_seconds']:.2f}" if peer in cells else "-"
            for peer in (SAPWOOD, XOR)
            for verb in ("create", "apply")
        ]
        rows.append([pair["title"], *times])
    head = ["pair", "create s", "apply s", "XOR + zstd -19 create s", "apply s"]
    return "Seconds, medians:\n\n" + table(head, rows)


def quantised_section(data: dict[str, Any]) -> str:
    """What quantised.py wrote, as Markdown."""
    pairs = data["pairs"]
    failed = [
        f"- {pair['key']}, {cell['peer']}: {cell['status']}: {cell['reason']}\n"
        for pair in pairs
        for cell in pair["cells"]
        if not is_whole(cell)
    ]
    return "\n".join([INTRODUCTION, size_table(pairs), time_table(pairs), *failed])
