"""By force a patch is decoded against any base, or why not is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood import DType, Patch, apply_patch, create_patch
from sapwood.codec import Coding
from sapwood.errors import SourceHashMismatch
from support.patch_cases import Array, example, pairs

pytestmark = pytest.mark.quick

# Of others the chunks may not decode against another base.
ANY_BASE = {Coding.COPY, Coding.RAW, Coding.COMPRESSED, Coding.SPLICE, Coding.VALUE}


def forced(base: Array, patch: Patch) -> tuple[Array | None, str]:
    """What comes of a base by force, or why nothing does."""
    try:
        return apply_patch(base, patch, force=True), ""
    except SourceHashMismatch as e:
        return None, str(e)


@given(st.data(), st.sampled_from([one for one in DType if one is not DType.BYTES]))
def test_a_result_or_the_reason(data: st.DataObject, dtype: DType) -> None:
    base, target = data.draw(pairs(dtype))
    other, _ = data.draw(pairs(dtype, base.shape))
    patch = create_patch(base, target)
    found, why = forced(other, patch)
    if found is not None:
        assert (found.dtype, found.shape) == (other.dtype, base.shape)
    else:
        assert "; force does not help here: how " in why
        (segment,) = patch.opened.front.segments
        assert not {chunk.coding for chunk in segment.chunks} <= ANY_BASE


@pytest.mark.parametrize("coding", sorted(ANY_BASE))
def test_codings_that_decode_against_any_base(coding: Coding) -> None:
    one = example(coding)
    assert one.codings <= ANY_BASE
    rng = np.random.default_rng(1)
    base = np.frombuffer(one.base, np.uint8) if isinstance(one.base, bytes) else one.base
    for _ in range(5):
        words = rng.integers(0, 256, base.nbytes, np.uint8).view(base.dtype).reshape(base.shape)
        other = words.tobytes() if isinstance(one.base, bytes) else words
        apply_patch(other, Patch.from_bytes(one.patch), force=True)
