"""The picture of `sapwood diff`: a bar for each tensor that changed, as SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence

from sapwood.cli.diff_listing import number, ordered, status_words
from sapwood.cli.reports import count, percentage, printable
from sapwood.cli.tables import shortened
from sapwood.models import ModelDiff, Status, TensorDiff

# All in SVG's user units; letters are 12 high and, monospaced, at most 7.3 wide.
ROW = 18  # from one bar to the next
BAR = 12  # height
TOP = 62  # above the first bar: the title and the axis
MARGIN = 12
LETTER = 7.3
SCALE = 420  # width of the axis
GAP = 6  # between a bar and what it cannot say

FEWEST_DECADES = 3
MOST_DECADES = 12  # changes below the lowest are drawn at the left end
COLOURS: Mapping[Status, str] = {"changed": "#2f6f9f", "renamed": "#8a5fa8"}
STYLE = (
    "text{font:12px ui-monospace,monospace;fill:#222}.t{font-weight:bold}"
    ".a{fill:#666}line{stroke:#ddd}"
)


def svg(found: ModelDiff) -> str:
    """The whole document.

    A bar's length is the relative change (root mean squares), on a logarithmic scale. Tensors
    that have none, being new, gone, cast or opaque, have a word in place of a bar.
    """
    tensors = ordered(found)
    labels = [shortened(printable(tensor.name)) for tensor in tensors]
    left = MARGIN + math.ceil(LETTER * max(map(len, labels), default=0)) + MARGIN
    low, high = _decades([tensor.amount for tensor in tensors if _has_bar(tensor)])
    ends = [left + _bar_length(tensor, low, high) for tensor in tensors]
    notes = [_note(tensor) for tensor in tensors]
    title = _headline(found, len(tensors))
    rights = [end + GAP + LETTER * len(words) for end, words in zip(ends, notes, strict=True)]
    width = math.ceil(max(left + SCALE, MARGIN + LETTER * len(title), *rights)) + MARGIN
    height = TOP + ROW * len(tensors) + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        _text(MARGIN, 20, title, "t"),
        *_axis(left, low, high, height - MARGIN),
    ]
    for i, tensor in enumerate(tensors):
        top = TOP + ROW * i
        lines.append(_text(left - MARGIN, top + BAR - 2, labels[i], anchor="end"))
        if _has_bar(tensor):
            lines.append(_bar(left, top, ends[i], tensor.status))
        lines.append(_text(ends[i] + GAP, top + BAR - 2, notes[i], "a"))
    return "\n".join([*lines, "</svg>", ""])


def _headline(found: ModelDiff, changed: int) -> str:
    """What the picture shows, in a line."""
    if not changed:
        rest = "metadata changed" if found.skeleton_changed else "nothing changed"
        return f"{count(len(found.tensors), 'tensor')}: {rest}"
    return f"{changed} of {count(len(found.tensors), 'tensor')} changed: size relative to the base"


def _has_bar(tensor: TensorDiff) -> bool:
    """Whether there is a relative change to draw."""
    return tensor.measures is not None and 0 < tensor.measures.relative < math.inf


def _decades(changes: Sequence[float]) -> tuple[int, int]:
    """The powers of ten at which the axis begins and ends."""
    if not changes:
        return -FEWEST_DECADES, 0
    high = math.ceil(math.log10(max(changes)))
    low = math.ceil(math.log10(min(changes))) - 1
    return max(min(low, high - FEWEST_DECADES), high - MOST_DECADES), high


def _axis(left: int, low: int, high: int, bottom: int) -> Iterator[str]:
    """A line at each power of ten, with its name."""
    for power in range(low, high + 1):
        x = left + SCALE * (power - low) / (high - low)
        yield f'<line x1="{x:.1f}" y1="{TOP - 12}" x2="{x:.1f}" y2="{bottom}"/>'
        yield _text(x, TOP - 16, f"1e{power}" if power else "1", "a", anchor="middle")


def _bar_length(tensor: TensorDiff, low: int, high: int) -> float:
    """How long a bar is between two powers of ten; 0 where there is none."""
    if not _has_bar(tensor):
        return 0.0
    return max(1.0, SCALE * (math.log10(tensor.amount) - low) / (high - low))


def _bar(left: float, top: float, end: float, status: Status) -> str:
    """A bar at a place."""
    return (
        f'<rect x="{left}" y="{top}" width="{end - left:.1f}" height="{BAR}" '
        f'fill="{COLOURS[status]}"/>'
    )


def _note(tensor: TensorDiff) -> str:
    """What the bar of a tensor cannot say."""
    words = [] if tensor.status == "changed" else [status_words(tensor)]
    if _has_bar(tensor):
        words.insert(0, number(tensor.amount))
    elif tensor.status in COLOURS:
        words.append(f"{percentage(tensor.changed_elements, tensor.elements)} of the elements")
    return ", ".join(words)


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Some words at a place."""
    style = f' class="{kind}"' if kind else ""
    shown = html.escape(printable(words))  # what XML forbids is not printable
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}"{style}>{shown}</text>'
