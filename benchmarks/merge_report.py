"""The section of the page about merged adapters and merged models."""

from __future__ import annotations

from typing import Any

from cells import is_whole
from merge_results import PLAIN, MergeResult, MergeResults
from merges import MODELS, SIMULATED, TRAINED
from results import SAPWOOD
from tables import table

PEERS = ("z4ai", "lmzip", "pcodec-ulp")
MIB = 1 << 20

INTRODUCTION = """## Merged adapters and merged models

Most fine-tunes that people publish are adapters, merged into their base. From the two models alone
Sapwood looks for the update's factors, or the coefficients of several bases, and codes what the
prediction misses. All sizes are of whole patches; bits are for each weight in a tensor that
changed. `plain` is Sapwood without prediction. The adapter's own file would not bring the merged
model back bit for bit on another machine; its size stands here as what the update carries. One
core, one process for each call; sizes are exact.
"""

HEADINGS = {
    TRAINED: """### Adapters trained on the encoder

200 steps on the 22.7 million weight encoder (`benchmarks/train_adapters.py`). 'Rounded once' is
`round(base + B A)`, as PEFT 0.21 merges by default; 'each step rounded' rounds the product to the
type before it is added, as PEFT does with `safe_merge=True`. The matrices are small (384 x 384,
384 x 1536), so factors cost the most here.
""",
    MODELS: """### Merges of whole models

a is a full fine-tune of 200 steps, b a merged adapter (`benchmarks/merge_models.py`). Sapwood is
given every model that the merge was made of; `plain` and the peers have the one of them that
makes their patch smallest.
""",
    SIMULATED: """### Simulated merges

Made weights, no trained model: base normal with deviation 0.02, target `round(base + B A)`, A
and B normal, rank 16, with the deviation of B A given (`benchmarks/simulated_merges.py`).
""",
}

SEARCH = """### What the search costs

Full fine-tunes and a training step, where there is no adapter to find: create with the search
and without, in turn, each time in a fresh process on one core. Medians.
"""


def printed(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def size_row(merge: MergeResult) -> list[str]:
    data, size = merge.data, merge.size(SAPWOOD)
    return [
        data["title"],
        f"{data['changed_weights']:,}",
        printed(size, ","),
        printed(size and size / data["target_bytes"], ".2%"),
        printed(merge.bits(SAPWOOD), ".3f"),
        printed(merge.bits(PLAIN), ".3f"),
        printed(merge.ratio(SAPWOOD, PLAIN), ".2f"),
        *(printed(merge.bits(peer), ".3f") for peer in PEERS),
        printed(data["adapter_bytes"], ","),
    ]


def time_row(merge: MergeResult) -> list[str]:
    row = [merge.data["title"]]
    for verb in ("create", "apply"):
        for peer in (SAPWOOD, PLAIN, *PEERS):
            cell = merge.cell(peer)
            known = cell is not None and is_whole(cell)
            row.append(f"{cell[f'{verb}_seconds']:.2f}" if cell and known else "-")
    return row


def failures(merges: list[MergeResult]) -> list[str]:
    """A line for each cell without figures."""
    return [
        f"- {cell['peer']} on {merge.data['title']}: {cell['status']} {cell['reason']}".rstrip()
        for merge in merges
        for cell in merge.data["cells"]
        if not is_whole(cell)
    ]


def kind_tables(results: MergeResults, kind: str) -> str:
    merges = [merge for merge in results.merges if merge.data["kind"] == kind]
    if not merges:
        return ""
    sizes = ["merge", "weights", "bytes", "of the file", "Sapwood", "plain", "times smaller",
             *PEERS, "adapter bytes"]  # fmt: skip
    times = ["merge", *(f"{verb} {peer}" for verb in ("create", "apply")
                        for peer in ("Sapwood", "plain", *PEERS))]  # fmt: skip
    if kind == MODELS:  # no adapter made these
        rows = [size_row(merge)[:-1] for merge in merges]
        sizes.pop()
    else:
        rows = [size_row(merge) for merge in merges]
    parts = [
        HEADINGS[kind],
        "Bytes and share of the target's file are Sapwood's; then bits a weight.\n",
        table(sizes, rows),
        "Seconds, file to file.\n",
        table(times, map(time_row, merges)),
        "".join(f"{line}\n" for line in failures(merges)),
    ]
    return "\n".join(part for part in parts if part)


def search_row(row: dict[str, Any]) -> list[str]:
    return [
        row["title"],
        f"{row['without_seconds']:.3f}",
        f"{row['with_seconds']:.3f}",
        f"{row['with_seconds'] / row['without_seconds']:.3f}",
        f"{row['without_bytes']:,}",
        f"{row['with_bytes']:,}",
        f"{row['without_anon'] / MIB:.0f}",
        f"{row['with_anon'] / MIB:.0f}",
        str(row["runs"]),
    ]


def search_table(results: MergeResults) -> str:
    if not results.search:
        return ""
    head = ["pair", "plain s", "with search s", "ratio", "plain bytes", "bytes", "plain MiB",
            "MiB", "runs"]  # fmt: skip
    return SEARCH + "\n" + table(head, map(search_row, results.search))


def merge_section(results: MergeResults) -> str:
    parts = [
        INTRODUCTION,
        "".join(f"- {remark}\n" for remark in results.data.get("remarks", [])),
        *(kind_tables(results, kind) for kind in HEADINGS),
        search_table(results),
    ]
    return "\n".join(part for part in parts if part)
