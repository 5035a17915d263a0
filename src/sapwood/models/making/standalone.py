"""The target by itself: what a patch must not be larger than, but for its header."""

from __future__ import annotations

from sapwood.content.content import Content
from sapwood.content.zstd import compress
from sapwood.models.making.regions import bytes_segment
from sapwood.patch.making.segments import SegmentSource

WHOLE = 4 << 20  # bytes; smaller files are compressed to see what they come to
STRETCHES = 16  # of larger ones, so many of this length
STRETCH = 256 << 10
LUCK = 0.98  # how much better the whole may compress than its stretches


def may_be_smaller(target: Content, body: int, level: int) -> bool:
    """Whether a file compressed alone may be smaller than the payloads of its patch.

    Args:
        target: the whole file.
        body: the size of the payloads, bytes.
        level: the level of zstd.
    """
    if len(target) <= WHOLE:
        return len(compress(target[0 : len(target)].data, level)) < body
    step = len(target) // STRETCHES
    sizes = (
        len(compress(target[at : at + STRETCH].data, level))
        for at in range(0, STRETCHES * step, step)
    )
    return LUCK * sum(sizes) / (STRETCHES * STRETCH) < body / len(target)


def standalone_segments(target: Content) -> list[SegmentSource]:
    """The target as bytes that nothing predicts."""
    return [bytes_segment(target, 0, [])]
