"""Pairs of tensors with every kind of change between them, for the tests of patches."""

from __future__ import annotations

import dataclasses
import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from sapwood import Patch, create_patch, create_patch_from_chunks
from sapwood.codec import Coding
from sapwood.tensors import DType
from support.block_files import block_pair, block_patch
from support.strategies import (
    LAYOUTS,
    bit_patterns,
    laid_out,
    numpy_type,
    orders,
    shapes,
    word_type,
)

Array = npt.NDArray[Any]

CHANGES = ("equal", "sparse", "dense", "unrelated", "large steps")
MAX_SIDE_OF_LONG = 3000


def long_shapes() -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of several rows and of several chunks, when chunks are small."""
    return st.one_of(
        st.tuples(st.integers(1000, MAX_SIDE_OF_LONG)),
        st.tuples(st.integers(2, 40), st.sampled_from([64, 70, 128])),
        st.tuples(st.integers(2, 5), st.integers(2, 8), st.sampled_from([3, 40])),
        st.tuples(st.just(2), st.integers(1, 3), st.integers(2, 8), st.sampled_from([5, 30])),
    )


def changed(words: Array, change: str, seed: int) -> Array:
    """Words with that kind of change, as many as there were."""
    rng = np.random.default_rng(seed)
    if change == "equal":
        return words.copy()
    if change == "unrelated":
        raw = rng.integers(0, 256, words.nbytes, dtype=np.uint8)
        return raw.view(words.dtype).reshape(words.shape)
    if change == "large steps":
        others = rng.permutation(words.reshape(-1)).reshape(words.shape)
        return np.asarray(words ^ others)
    steps = np.asarray(rng.integers(-3, 4, words.shape)).astype(np.uint64)
    if change == "sparse":
        steps[rng.random(words.shape) < 0.98] = 0
    moved = words.astype(np.uint64) + steps  # modulo the width; a scalar where 0-d
    return np.asarray(moved).astype(words.dtype)


@st.composite
def pairs(
    draw: st.DrawFn, dtype: DType, shape: tuple[int, ...] | None = None
) -> tuple[Array, Array]:
    """A base and a target of one dtype and shape, each in its own layout and byte order."""
    sides = draw(st.one_of(shapes(), long_shapes())) if shape is None else shape
    words = draw(bit_patterns(dtype, math.prod(sides))).reshape(sides)
    other = changed(words, draw(st.sampled_from(CHANGES)), draw(st.integers(0, 2**32 - 1)))
    return draw(placed(words, dtype)), draw(placed(other, dtype))


@st.composite
def placed(draw: st.DrawFn, words: Array, dtype: DType) -> Array:
    """Little-endian words as elements of a type, in any layout and byte order."""
    order = draw(orders())
    # 'broadcast' gives the elements other values; a pair's are fixed by its change.
    layout = draw(st.sampled_from([one for one in LAYOUTS if one != "broadcast"]))
    ordered = words.astype(words.dtype.newbyteorder(order))
    return laid_out(ordered, layout).view(numpy_type(dtype, order))


def bits(tensor: Array) -> bytes:
    """The elements as little-endian words in C order."""
    native = tensor.view(np.dtype(f"u{tensor.itemsize}").newbyteorder(tensor.dtype.byteorder))
    return native.astype(f"<u{tensor.itemsize}").tobytes()


def words_of_normals(dtype: DType, n: int, seed: int) -> Array:
    """`n` words of a floating-point type with the exponents of trained weights."""
    rng = np.random.default_rng(seed)
    exponent_bits = 8 * dtype.size - 1 - dtype.mantissa
    middle = (1 << (exponent_bits - 1)) - 1
    spread = max(1, middle // 8)
    exponents = np.clip(middle - rng.poisson(spread, n), 0, 2 * middle).astype(np.uint64)
    mantissas = rng.integers(0, 1 << dtype.mantissa, n, dtype=np.uint64)
    signs = rng.integers(0, 2, n, dtype=np.uint64)
    words = (
        signs << np.uint64(8 * dtype.size - 1) | exponents << np.uint64(dtype.mantissa) | mantissas
    )
    return words.astype(word_type(dtype))


@dataclasses.dataclass(frozen=True)
class Example:
    """A small patch in which a coding occurs.

    Attributes:
        base, target: as `create_patch` took them.
        patch: the file.
    """

    base: Any
    target: Any
    patch: bytes

    @property
    def codings(self) -> set[Coding]:
        (segment,) = Patch.from_bytes(self.patch).opened.front.segments
        return {chunk.coding for chunk in segment.chunks}


def example(coding: Coding) -> Example:
    """A patch of a few hundred bytes beyond its header, with that coding in it."""
    options: dict[str, Any] = {}
    base: Any = words_of_normals(DType.F16, 400, 3).view(np.float16)
    target: Any
    match coding:
        case Coding.COPY:
            target = base.copy()
        case Coding.RESIDUAL:
            target = changed(base.view(np.uint16), "dense", 1).view(np.float16)
        case Coding.SPARSE:
            base = words_of_normals(DType.F16, 100_000, 4).view(np.float16)
            target = base.copy()
            places = np.random.default_rng(1).choice(100_000, 250, replace=False)
            target.view(np.uint16)[places] += 1
        case Coding.VALUE:
            base = words_of_normals(DType.F16, 900, 5).view(np.float16)
            target = words_of_normals(DType.F16, 900, 6).view(np.float16)
        case Coding.SPLICE:
            base = np.random.default_rng(1).bytes(3000)
            target = base[2000:] + b"something new" + base[:1987]
        case Coding.COMPRESSED:
            base = np.random.default_rng(1).integers(0, 1 << 60, 200)
            target = np.arange(200) // 50 << 40
        case Coding.PREFIXED:
            words = np.random.default_rng(1).bytes(600)
            base = b"".join(words[i : i + 20] + b"%d, " % i for i in range(0, 600, 20))
            target = base[100:].replace(b", ", b"; ") + base[:100]
        case Coding.BLOCKS:
            base, target = block_pair("q4_0", 64)
            return Example(base, target, block_patch("q4_0", base, target))
        case Coding.RAW:
            target = -base
            options["compress"] = False
    return Example(base, target, create_patch(base, target, threads=1, **options).to_bytes())


def inline_example() -> Example:
    """A patch of several chunks that carry their tables in their payloads."""
    words = words_of_normals(DType.BF16, 1100, 8)
    target = changed(words, "dense", 2)
    out = io.BytesIO()
    create_patch_from_chunks([words], [target], out, dtype="bf16", shape=(1100,), chunk_size=1024)
    bf16 = numpy_type(DType.BF16)
    return Example(words.view(bf16), target.view(bf16), out.getvalue())
