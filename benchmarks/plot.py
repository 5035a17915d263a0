"""The picture of the page: patch sizes of all peers, one panel for each pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams |= {"svg.hashsalt": "sapwood", "svg.fonttype": "none", "font.size": 9}

import matplotlib.pyplot as plt  # noqa: E402 (the backend must be chosen before)

from results import SAPWOOD, PairResult, Results  # noqa: E402

COLUMNS = 3
CUT = 3.0  # times the best peer, where bars end and their figure says the rest
OWN, OTHER, LINE = "#2e7d4f", "#b8bfc6", "#c0392b"


def amount(size: int) -> str:
    return f"{size / 1e6:.3g} MB" if size >= 100_000 else f"{size / 1e3:.3g} kB"


def panel(axes: Any, pair: PairResult) -> None:
    """Bars of size over the best peer's size, smallest on top."""
    best = pair.best()
    sizes = sorted(pair.sizes().items(), key=lambda item: item[1], reverse=True)
    axes.set_title(pair.data["title"], fontsize=9, loc="left", fontweight="bold")
    if best is None:
        axes.set_axis_off()
        return
    unit = best[1]
    ratios = [size / unit for _, size in sizes]
    colours = [OWN if peer == SAPWOOD else OTHER for peer, _ in sizes]
    axes.barh(range(len(sizes)), [min(r, CUT) for r in ratios], color=colours, height=0.75)
    for row, ((_, size), ratio) in enumerate(zip(sizes, ratios, strict=True)):
        text = f" {ratio:.2f}  {amount(size)}"
        inside = ratio > 0.7 * CUT
        axes.text(
            min(ratio, CUT) - (0.03 if inside else 0),
            row,
            text,
            va="center",
            ha="right" if inside else "left",
            fontsize=7.5,
            zorder=3,
            bbox=None if inside else {"color": "white", "alpha": 0.75, "pad": 0.5},
        )
    axes.set_yticks(range(len(sizes)), [peer for peer, _ in sizes], fontsize=8)
    axes.axvline(1, color="#444", linewidth=0.8, linestyle=":")
    entropy = pair.data["entropy"]
    if entropy:
        axes.axvline(entropy["bytes"] / unit, color=LINE, linewidth=1.2)
    axes.set_xlim(0, CUT)
    axes.spines[["top", "right"]].set_visible(False)


def draw(results: Results, out: Path) -> None:
    """Writes the SVG; the same results give the same bytes."""
    pairs = results.pairs
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(5.2 * columns, 3.6 * rows), squeeze=False, layout="constrained"
    )
    for axes in grid.flat[len(pairs) :]:
        axes.set_axis_off()
    for axes, pair in zip(grid.flat, pairs, strict=False):
        panel(axes, pair)
    figure.suptitle(
        "Patch size over the smallest peer's (dotted line: 1; red line: order-0 entropy of the "
        "ULP residual given the base's exponent)",
        fontsize=10,
    )
    figure.savefig(out, metadata={"Date": None})
    plt.close(figure)
