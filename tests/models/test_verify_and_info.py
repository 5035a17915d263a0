"""What `verify_patch` and `patch_info` tell, and what they refuse to tell of."""

from __future__ import annotations

import dataclasses
import hashlib
import io

import numpy as np
import pytest

import sapwood
from sapwood import models
from sapwood.errors import (
    InputError,
    InvalidModelFile,
    InvalidPatch,
    LimitExceeded,
    TruncatedPatch,
    UnsupportedPatch,
)
from sapwood.models import PatchInfo, PatchStats, PatchVerification
from sapwood.patch.format.parsing import parse_front
from sapwood.tensors.dtypes import DType
from support.model_files import layer, patched, safetensors_file, tuned, weights

OLD = layer(1) | {"kept": weights(5, (32, 32))}
NEW = {name: tuned(array, i) for i, (name, array) in enumerate(OLD.items())}
NEW["kept"] = OLD["kept"]
BASE, TARGET = safetensors_file(OLD), safetensors_file(NEW)
PATCH, STATS = patched(BASE, TARGET)
SHA256 = hashlib.sha256(TARGET).digest()


def flipped(at: int) -> bytes:
    return PATCH[:at] + bytes([PATCH[at] ^ 0x10]) + PATCH[at + 1 :]


def test_a_right_source_and_a_whole_patch() -> None:
    expected = PatchVerification(True, True, None, SHA256, SHA256)
    assert models.verify_patch(BASE, PATCH) == expected
    applied = models.apply_patch(BASE, PATCH, io.BytesIO())
    assert applied.is_valid()
    assert applied.actual_target == applied.target.sha256 == SHA256
    assert (applied.target.size, applied.patch_size) == (len(TARGET), len(PATCH))
    assert expected.is_valid()
    assert expected.error is None


@pytest.mark.parametrize("source", [TARGET, b"", BASE[:-1], BASE + b"\0"])
def test_a_wrong_source_is_told_and_not_raised(source: bytes) -> None:
    found = models.verify_patch(source, PATCH)
    assert (found.source_valid, found.patch_valid, found.is_valid()) == (False, True, False)
    assert found.actual_target is None
    assert found.expected_target == SHA256
    assert found.error is not None
    assert found.error.startswith("wrong base: expected")


def test_a_damaged_body_is_told_and_not_raised() -> None:
    for at in (parse_front(PATCH).size, len(PATCH) - 1):
        found = models.verify_patch(BASE, flipped(at))
        assert (found.source_valid, found.patch_valid, found.is_valid()) == (True, False, False)
        assert found.actual_target is None
        assert found.error is not None
        assert "damaged body" in found.error


def test_both_are_told_at_once() -> None:
    found = models.verify_patch(TARGET, flipped(len(PATCH) - 1))
    assert (found.source_valid, found.patch_valid) == (False, False)
    assert found.error is not None
    assert "damaged body" in found.error
    assert "wrong base" in found.error


def test_a_damaged_front_leaves_nothing_to_tell() -> None:
    # A size that became huge is refused before any digest is looked at.
    for at in range(parse_front(PATCH).size):
        with pytest.raises((InvalidPatch, LimitExceeded)):
            models.patch_info(flipped(at))
    for at in range(0, parse_front(PATCH).size, 37):
        with pytest.raises((InvalidPatch, LimitExceeded)):
            models.verify_patch(BASE, flipped(at))


def test_every_prefix_is_refused() -> None:
    for size in range(len(PATCH)):
        with pytest.raises(InvalidPatch) as caught:
            models.patch_info(PATCH[:size])
        assert size == 0 or isinstance(caught.value, TruncatedPatch)
    with pytest.raises(InvalidPatch, match="after the end"):
        models.patch_info(PATCH + b"\0")


def test_a_later_version_is_refused() -> None:
    with pytest.raises(UnsupportedPatch, match="update sapwood"):
        models.patch_info(PATCH[:8] + b"\x02" + PATCH[9:])


def test_info() -> None:
    info = models.patch_info(PATCH)
    assert info == PatchInfo(
        format="safetensors",
        version=1,
        source_hash=hashlib.sha256(BASE).digest(),
        target_hash=SHA256,
        source_size=len(BASE),
        target_size=len(TARGET),
        patch_size=len(PATCH),
        compression=info.compression,
        neural=True,
        tensors_modified=3,
        tensors_unchanged=1,
        signed=False,
        created_at=None,
    )
    codings = info.compression.split("+")
    assert {"residual", "copy"} <= set(codings)
    assert len(codings) == len(set(codings))
    assert PatchStats(len(BASE), len(TARGET), len(PATCH), 3, 1) == STATS
    assert STATS.compression_ratio == len(TARGET) / len(PATCH)


def test_info_of_a_patch_of_a_tensor() -> None:
    base = weights(1, (64, 64), DType.F32)
    patch = sapwood.create_patch(base, tuned(base, 2)).to_bytes()
    info = models.patch_info(patch)
    assert (info.format, info.source_size, info.target_size) == ("tensor", 16384, 16384)
    assert info.tensors_modified == 1
    with pytest.raises(InvalidModelFile, match=r"array for sapwood\.apply_patch"):
        models.apply_patch(base.tobytes(), patch, io.BytesIO())
    with pytest.raises(InputError, match=r"sapwood\.models\.apply_patch"):
        sapwood.apply_patch(np.frombuffer(BASE, np.uint8), PATCH)


def test_results_do_not_change() -> None:
    for result in (STATS, models.patch_info(PATCH), models.verify_patch(BASE, PATCH)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(result, dataclasses.fields(result)[0].name, None)


def test_the_same_files_give_the_same_patch() -> None:
    assert patched(BASE, TARGET)[0] == PATCH
    assert patched(BASE, TARGET, threads=3)[0] == PATCH
