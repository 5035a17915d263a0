"""Q4_K and Q6_K as llama.cpp quantises without an importance matrix, in NumPy.

The `gguf` package reads these types but writes others only. The searches for scales follow
ggml's reference functions (`make_qkx2_quants`, `make_qx_quants`) in binary32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

SUPER = 256  # weights a block
STRIPE = 1 << 11  # blocks at a time, for the processor's cache
F32 = np.float32


def quantise(weights: Floats, name: str) -> Bytes:
    """The blocks of a matrix, (rows, bytes); its columns are a multiple of 256."""
    blocks = np.ascontiguousarray(weights, np.float32).reshape(-1, SUPER)
    kind = {"Q4_K": q4_k, "Q6_K": q6_k}[name]
    parts = [kind(blocks[at : at + STRIPE]) for at in range(0, len(blocks), STRIPE)]
    return np.concatenate(parts).reshape(len(weights), -1)


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, and 0 where below is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)


def q4_k(blocks: Floats) -> Bytes:
    """(blocks, 144) from (blocks, 256)."""
    count = len(blocks)
    x = blocks.reshape(count, 8, 32)
    weight = np.sqrt((x * x).mean(-1, keepdims=True)) + np.abs(x)
    scales, lows = scales_and_lows(x, weight, 15)
    d, dmin = (one.max(-1, keepdims=True) / F32(63) for one in (scales, lows))
    ls, lm = (
        np.minimum(np.rint(ratio(one, np.broadcast_to(step, one.shape))), 63).astype(np.uint8)
        for one, step in ((scales, d), (lows, dmin))
    )
    half, half_min = d.astype("<f2"), dmin.astype("<f2")
    own = (half.astype(np.float32) * ls)[..., None]
    low = (half_min.astype(np.float32) * lm)[..., None]
    quants = np.clip(np.rint(ratio(x + low, np.broadcast_to(own, x.shape))), 0, 15)
    quants = quants.astype(np.uint8).reshape(count, 4, 2, 32)
    return np.concatenate(
        [
            half.view(np.uint8),
            half_min.view(np.uint8),
            ls[:, :4] | (ls[:, 4:] >> 4) << 6,
            lm[:, :4] | (lm[:, 4:] >> 4) << 6,
            (ls[:, 4:] & 15) | (lm[:, 4:] & 15) << 4,
            (quants[:, :, 0] | quants[:, :, 1] << 4).reshape(count, 128),
        ],
        axis=1,
    )


def scales_and_lows(x: Floats, weight: Floats, most: int) -> tuple[Floats, Floats]:
    """Of (blocks, runs, 32) weights, how far apart quants are and what is taken away."""
    low, high = np.minimum(x.min(-1), 0), x.max(-1)
    span = (high - low)[..., None]
    scale = ratio(span[..., 0], np.full_like(high, most))
    total, weighted = weight.sum(-1), (weight * x).sum(-1)
    quants = np.clip(np.rint(ratio(F32(most) * (x - low[..., None]), span + 0 * x)), 0, most)
    best = (weight * (scale[..., None] * quants + low[..., None] - x) ** 2).sum(-1)
    first = low
    for step in range(21):
        wanted = F32(-1 + 0.1 * step + most)
        quants = np.clip(np.rint(ratio(wanted * (x - first[..., None]), span + 0 * x)), 0, most)
        s, s2 = (weight * quants).sum(-1), (weight * quants * quants).sum(-1)
        sx = (weight * quants * x).sum(-1)
        determinant = total * s2 - s * s
        own = ratio(total * sx - weighted * s, determinant)
        own_low = ratio(s2 * weighted - s * sx, determinant)
        above = own_low > 0
        own, own_low = np.where(above, ratio(sx, s2), own), np.where(above, F32(0), own_low)
        error = (weight * (own[..., None] * quants + own_low[..., None] - x) ** 2).sum(-1)
        better = (determinant > 0) & (error < best)
        best = np.where(better, error, best)
        scale, low = np.where(better, own, scale), np.where(better, own_low, low)
    flat = span[..., 0] == 0
    return np.where(flat, F32(0), scale), -low


def q6_k(blocks: Floats) -> Bytes:
    """(blocks, 210) from (blocks, 256)."""
    count = len(blocks)
    x = blocks.reshape(count, 16, 16)
    scales = signed_scales(x, 32)
    largest = np.take_along_axis(scales, np.abs(scales).argmax(-1, keepdims=True), -1)
    inverse = ratio(np.full_like(largest, -128), largest)
    d = ratio(np.ones_like(inverse), inverse).astype("<f2")
    own = np.minimum(np.rint(inverse * scales), 127).astype(np.int8)
    step = (d.astype(np.float32) * own)[..., None]
    quants = np.clip(np.rint(ratio(x, np.broadcast_to(step, x.shape))), -32, 31) + 32
    quants = quants.astype(np.uint8).reshape(count, 2, 4, 32)
    low, high = quants & 15, quants >> 4
    return np.concatenate(
        [
            (low[:, :, :2] | low[:, :, 2:] << 4).reshape(count, 128),
            (high << np.array([0, 2, 4, 6], np.uint8)[:, None])
            .sum(2, dtype=np.uint8)
            .reshape(count, 64),
            own.view(np.uint8),
            d.view(np.uint8),
        ],
        axis=1,
    )


def signed_scales(x: Floats, most: int) -> Floats:
    """Of (blocks, runs, 16) weights, the scale of quants from -most to most - 1."""
    peak = np.take_along_axis(x, np.abs(x).argmax(-1, keepdims=True), -1)
    weight = x * x
    scale, best = np.zeros_like(peak[..., 0]), np.full_like(peak[..., 0], -1)
    for step in (0, *range(-9, 0), *range(1, 10)):
        wanted = F32(-(most + 0.1 * step))
        quants = np.clip(np.rint(ratio(wanted * x, peak + 0 * x)), -most, most - 1)
        sx, s2 = (weight * x * quants).sum(-1), (weight * quants * quants).sum(-1)
        own = ratio(sx, s2)
        better = own * sx > best
        scale, best = np.where(better, own, scale), np.where(better, own * sx, best)
    return np.where(np.abs(peak[..., 0]) < 1e-15, F32(0), scale)
