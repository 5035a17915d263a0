"""Turns the JSON of run.py into a page and a picture beside it.

python benchmarks/report.py docs/benchmarks.json docs/benchmarks.md
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bars import bars
from cells import EXACT, is_whole
from merge_report import merge_section
from plot import draw
from quantised_report import quantised_section
from results import SAPWOOD, PairResult, Results
from tables import table

MIB = 1 << 20

INTRODUCTION = """# Benchmarks

Made with the programs that `make bench` runs, on one machine. On each pair every peer has its
turn on the same files, and then again; times are medians, sizes are exact. Good and bad stand
side by side.
"""

NOTES = """## How to read this

- Every call runs in a fresh process, from file to file, both files in the page cache. The clock
  starts after the imports and stops when the output is synced to disk. What a library compiles
  on its first call (bigsmall does) is inside.
- One core means that the process is pinned to one. All cores means that the peer was given as
  many threads as there are. A peer without a setting for threads is measured on one core only.
- Memory is the highest sample (every 5 ms, children counted) of RssAnon over what the process
  had after its imports. Very short peaks between two samples are missed.
- Every output is compared with the target. 'exact' is byte for byte. 'same tensors, other file'
  means that each tensor came back bit for bit in another container (another header, lost
  metadata): the peer does not promise more, and its patch is smaller for it.
- A peer that failed, is not installed or cannot take the pair keeps its row, with the reason. One
  that took longer than the limit says so. A peer whose round is slow is measured once only; the
  column 'runs' tells.
- The order-0 entropy of the ULP residual given the base's exponent is what an ideal coder would
  spend that knows these frequencies for each tensor and nothing else, tables not counted.
  It is no bound: row scales, and in f32 values that recur, go below it.
- lmzip and reminis keep models in an archive or a database of their own. That of the base is
  made beforehand and not counted; both sides are taken to hold it.
- XOR with blosc2 or zstd and pcodec on ULP differences are ready-made parts put together for
  this page, not tools that one can install.
- Peers run at their defaults but for what their row names; a faster or a smaller setting may
  exist.
- The checkpoints are fine-tunes of one encoder of 22.7 million weights. Larger models have
  longer rows and more weights for each table, which helps every adaptive codec.
"""


def machine(results: Results) -> str:
    described = results.data["machine"]
    settings = results.data["settings"]
    rows = [
        ["CPU", described["cpu"]],
        ["vector extensions", ", ".join(described["vector extensions"])],
        ["cores", str(described["cores"])],
        ["memory", f"{described['memory'] / (1 << 30):.1f} GiB"],
        ["system", described["kernel"]],
        ["Python", described["python"]],
        ["C++ compiler found", described["compiler"] or "none"],
        ["rounds", f"{settings['runs']}, at most {settings['limit']:.0f} s a call"],
    ]
    return "## Machine\n\n" + "\n".join(
        ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows)]
    ) + "\n"  # fmt: skip


def peer_table(results: Results) -> str:
    """What stands behind each name, from the first cell that knows it."""
    found: dict[str, list[str]] = {}
    for pair in results.pairs:
        for cell in pair.cells:
            if cell["version"]:
                found.setdefault(cell["peer"], [cell["peer"], cell["name"], cell["version"]])
    return "## Peers\n\n" + table(["row", "what", "version"], found.values(), numbers=False)


def bar_table(results: Results) -> str:
    marks = {True: "met", False: "**not met**", None: "open"}
    rows = [[bar.what, bar.limit, bar.measured, marks[bar.met]] for bar in bars(results)]
    return "## Where the bar is\n\nThe bars of the design.\n\n" + table(
        ["bar", "asked", "measured", ""], rows, numbers=False
    )


def overview(results: Results, picture: str) -> str:
    rows = []
    for pair in results.pairs:
        own, best = pair.sizes().get(SAPWOOD), pair.best()
        entropy = pair.data["entropy"]
        rows.append(
            [
                pair.data["title"],
                f"{pair.data['target_bytes']:,}",
                f"{own:,}" if own else "-",
                f"{best[1]:,} ({best[0]})" if best else "-",
                f"{own / best[1]:.3f}" if own and best else "-",
                f"{entropy['bytes']:,}" if entropy else "-",
                f"{own / entropy['bytes']:.3f}" if own and entropy else "-",
            ]
        )
    head = ["pair", "target", "Sapwood", "best peer", "ratio", "order-0 entropy", "ratio"]
    return (
        f"## Patch sizes\n\n![Patch sizes of all peers on all pairs]({picture})\n\nBytes.\n\n"
        + table(head, rows)
    )


def figures(pair: PairResult, cell: dict[str, Any], weights: float | None) -> list[str]:
    """One row of a pair's table: a peer with a number of threads."""
    start = [cell["peer"], str(cell["threads"])]
    if not is_whole(cell):
        reason = f"{cell['status']}: {cell['reason']}" if cell["reason"] else cell["status"]
        return [*start, *["-"] * 9, reason.replace("|", "\\|").replace("\n", " ")]
    copied = pair.data["copy_seconds"][str(cell["threads"])]
    size = cell["patch_bytes"]
    return [
        *start,
        f"{size:,}",
        f"{pair.data['target_bytes'] / size:.2f}",
        f"{size * 8 / weights:.3f}" if weights else "-",
        f"{cell['create_seconds']:.3f}",
        f"{cell['apply_seconds']:.3f}",
        f"{cell['apply_seconds'] / copied:.2f}",
        f"{cell['create_anon'] / MIB:.0f}",
        f"{cell['apply_anon'] / MIB:.0f}",
        str(cell["runs"]),
        cell["status"] if cell["status"] == EXACT else f"**{cell['status']}**",
    ]


def pair_table(pair: PairResult) -> str:
    entropy = pair.data["entropy"]
    weights = entropy["bytes"] * 8 / entropy["bits_per_weight"] if entropy else None
    head = ["peer", "threads", "bytes", "ratio", "bits / weight", "create s", "apply s",
            "apply / copy", "create MiB", "apply MiB", "runs", "came back"]  # fmt: skip
    # One row is enough to say why there are no figures.
    shown = [c for c in pair.cells if is_whole(c) or c["threads"] == 1]
    order = sorted(shown, key=lambda c: (not is_whole(c), c["patch_bytes"], c["threads"]))
    copies = ", ".join(
        f"{seconds:.3f} s with {threads} thread{'' if threads == '1' else 's'}"
        for threads, seconds in pair.data["copy_seconds"].items()
    )
    lines = [f"### {pair.data['title']} (`{pair.key}`)", ""]
    lines.append(
        f"Target {pair.data['target_bytes']:,} bytes; copied with its SHA-256 in {copies}."
    )
    if entropy:
        lines.append(
            f"{entropy['equal_share']:.2%} of the weights are equal. Order-0 entropy: "
            f"{entropy['bits_per_weight']:.3f} bits a weight, {entropy['bytes']:,} bytes."
        )
    return "\n".join(lines) + "\n\n" + table(head, (figures(pair, c, weights) for c in order))


def codec_table(results: Results) -> str:
    rows = []
    for row in results.data["codec_speed"]:
        start = [f"{row['label']} ({row['pair']})", str(row["threads"])]
        if "reason" in row:
            rows.append([*start, row["reason"], "", "", ""])
            continue
        speeds = [
            f"{row['bytes'] / row[f'{verb}_seconds'] / 1e9:.2f}"
            for verb in ("create", "apply", "decode")
        ]
        rows.append([*start, f"{row['patch_bytes']:,}", *speeds])
    head = ["pair", "threads", "patch bytes", "create GB/s", "apply GB/s", "decode GB/s"]
    return (
        "## The codec alone\n\n`sapwood.create_patch` and `apply_patch` between arrays in memory, "
        "the matrices with rows of the commonest length as one, in GB/s of target bytes. `decode` "
        "is the chunks alone; `apply` compares the digests of base, chunks and result as well.\n\n"
        + table(head, rows)
    )


def memory_table(results: Results) -> str:
    found = results.memory
    if found is None:
        return ""
    rows = [
        [verb, f"{found[verb]['anon_peak'] / MIB:.0f}", f"{found['bare_anon'] / MIB:.0f}",
         f"{found[verb]['anon_over_bare'] / MIB:.0f}", f"{found[verb]['seconds']:.1f}"]
        for verb in ("create", "apply")
    ]  # fmt: skip
    head = ["command", "RssAnon peak MiB", "bare MiB", "over bare MiB", "seconds"]
    return (
        f"## Memory on a large pair\n\nMade weights (normal, bf16), target "
        f"{found['target_bytes']:,} bytes, patch {found['patch_bytes']:,} bytes; came back "
        f"{'exact' if found['exact'] else '**wrong**'}.\n\n" + table(head, rows)
    )


def page(results: Results, picture: str) -> str:
    parts = [
        INTRODUCTION,
        "".join(f"- {remark}\n" for remark in results.data.get("remarks", [])),
        machine(results),
        peer_table(results),
        bar_table(results),
        overview(results, picture),
        "## Each pair\n",
        *(pair_table(pair) for pair in results.pairs),
        merge_section(results.merges) if results.merges else "",
        quantised_section(results.quantised) if results.quantised else "",
        codec_table(results),
        memory_table(results),
        NOTES,
    ]
    return "\n".join(part for part in parts if part)


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    source, out = map(Path, sys.argv[1:])
    results = Results.read(source)
    picture = out.with_suffix(".svg")
    draw(results, picture)
    out.write_text(page(results, picture.name))


if __name__ == "__main__":
    main()
