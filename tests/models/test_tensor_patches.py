"""Patches of a tensor are applied, verified and shown by the doors of patches of files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from blake3 import blake3

import sapwood
from sapwood import models
from sapwood.errors import (
    DtypeMismatch,
    InputError,
    InvalidModelFile,
    InvalidPatch,
    LimitExceeded,
    SapwoodError,
    ShapeMismatch,
    SourceHashMismatch,
    UnsupportedType,
)
from support.model_files import npy_file, safetensors_file

Array = npt.NDArray[Any]

OLD = np.random.default_rng(3).normal(size=(30, 40)).astype(np.float32)
NEW = OLD + np.float32(1e-4)
BASE, TARGET = npy_file(OLD), npy_file(NEW)
PATCH = sapwood.create_patch(OLD, NEW).to_bytes()
FILES = io.BytesIO()
models.create_patch(safetensors_file({"w": OLD}), safetensors_file({"w": NEW}), FILES)


def applied(source: Any, patch: bytes = PATCH, **options: Any) -> bytes:
    out = io.BytesIO()
    assert models.apply_patch(source, patch, out, **options).is_valid()
    return out.getvalue()


def in_c_order(array: Array) -> Array:
    return np.array(array, order="C")


def in_fortran_order(array: Array) -> Array:
    return np.array(array, order="F")


def big_endian(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder(">"))


def both(array: Array) -> Array:
    return in_fortran_order(big_endian(array))


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C order": in_c_order,
    "Fortran order": in_fortran_order,
    "big-endian": big_endian,
    "both": both,
}
VERSIONS = [(1, 0), (2, 0), (3, 0)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_target_is_laid_out_as_the_base(layout: str, version: tuple[int, int]) -> None:
    base, target = (npy_file(LAYOUTS[layout](one), version) for one in (OLD, NEW))
    assert applied(base) == target
    assert models.verify_patch(base, PATCH).is_valid()


PAIRS = {
    "no elements": (OLD[:0], OLD[:0]),
    "a scalar": (np.array(1.5), np.array(-0.0)),
    "a row": (OLD[0], NEW[0]),
    "three sides": (OLD.reshape(10, 3, 40), NEW.reshape(10, 3, 40)),
    "booleans": (OLD > 0, NEW > 0.5),
    "bytes": (np.arange(99, dtype=np.uint8), np.arange(1, 100, dtype=np.uint8)),
    "integers": (np.arange(99), np.arange(1, 100)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pair", PAIRS)
def test_any_array_comes_back(layout: str, pair: str) -> None:
    old, new = PAIRS[pair]
    patch = sapwood.create_patch(old, new).to_bytes()
    base, target = (npy_file(LAYOUTS[layout](one)) for one in (old, new))
    assert applied(base, patch) == target


@pytest.mark.parametrize("layout", ["C order", "Fortran order"])
def test_bfloat16_is_a_type_that_numpy_has_no_name_for(layout: str) -> None:
    old, new = (LAYOUTS[layout](one.astype(ml_dtypes.bfloat16)) for one in (OLD, NEW + 1))
    patch = sapwood.create_patch(old, new).to_bytes()
    base, target = (npy_file(one.view("V2")) for one in (old, new))
    assert applied(base, patch) == target


def test_the_header_is_the_bases_byte_for_byte() -> None:
    start = len(BASE) - OLD.nbytes
    header = BASE[:start].replace(b" \n", b"\t\n")
    assert applied(header + BASE[start:]) == header + TARGET[start:]


def test_bases_are_found_in_any_order_and_below_folders(tmp_path: Path) -> None:
    patch = sapwood.create_patch([OLD, NEW], OLD + NEW).to_bytes()
    target = npy_file(OLD + NEW)
    assert applied([TARGET, BASE], patch) == target
    deep = tmp_path / "models" / "deep"
    deep.mkdir(parents=True)
    (deep / "one").write_bytes(npy_file(in_fortran_order(OLD)))
    (deep / "other").write_bytes(TARGET)
    (deep / "no array").write_bytes(bytes(len(TARGET)))
    (deep / "another").write_bytes(npy_file(OLD.astype(np.int32)))
    assert np.array_equal(np.load(io.BytesIO(applied(tmp_path / "models", patch))), OLD + NEW)
    (deep / "other").unlink()
    assert applied([tmp_path / "models", TARGET], patch) != target  # in the first one's order
    with pytest.raises(SourceHashMismatch, match="wrong bases: "):
        applied(tmp_path / "models", patch)


def test_a_base_becomes_its_target(tmp_path: Path) -> None:
    file = tmp_path / "array.npy"
    file.write_bytes(BASE)
    assert models.apply_patch(file, PATCH, file).is_valid()
    assert file.read_bytes() == TARGET


def test_what_is_found_is_told_by_blake3_of_the_elements() -> None:
    found = models.verify_patch(BASE, PATCH)
    digest = blake3(NEW.tobytes()).digest()
    assert found.digest_algorithm == "blake3"
    assert (found.expected_target, found.actual_target) == (digest, digest)
    info = models.patch_info(PATCH)
    assert (info.format, info.digest_algorithm) == ("tensor", "blake3")
    assert (info.source_hash, info.target_hash) == (blake3(OLD.tobytes()).digest(), digest)
    assert (info.source_size, info.target_size) == (OLD.nbytes, NEW.nbytes)
    assert models.patch_info(FILES.getvalue()).digest_algorithm == "sha256"


def test_another_base_and_damage_are_told() -> None:
    found = models.verify_patch(TARGET, PATCH)
    assert (found.source_valid, found.patch_valid, found.actual_target) == (False, True, None)
    damaged = PATCH[:-1] + bytes([PATCH[-1] ^ 1])
    found = models.verify_patch(BASE, damaged)
    assert (found.source_valid, found.patch_valid, found.actual_target) == (True, False, None)
    with pytest.raises(SourceHashMismatch, match="wrong base: "):
        applied(TARGET)
    with pytest.raises(InvalidPatch, match="damaged body"):
        applied(BASE, damaged)


NO_BASES: dict[str, tuple[bytes, type[SapwoodError]]] = {
    "a .npy file": (safetensors_file({"w": OLD}), InvalidModelFile),
    "version 1.0, 2.0 or 3.0": (b"\x93NUMPY\x04\x00" + BASE[8:], InvalidModelFile),
    "a .npy file of": (BASE + b"more", InvalidModelFile),
    "at most": (BASE[:-1], InvalidModelFile),
    "found f64": (npy_file(OLD.astype(np.float64)), DtypeMismatch),
    r"found f32 \(1200,\)": (npy_file(OLD.reshape(-1)), ShapeMismatch),
    "single numbers, found '<c8'": (npy_file(OLD.astype(np.complex64)), UnsupportedType),
    r"single numbers, found '\|O'": (npy_file(np.array([{}])), UnsupportedType),
    "single numbers, found '<M8": (npy_file(np.array(["2026"], "M8[D]")), UnsupportedType),
}


@pytest.mark.parametrize("words", NO_BASES)
def test_what_is_no_base_is_refused(words: str, tmp_path: Path) -> None:
    base, error = NO_BASES[words]
    with pytest.raises(error, match=words):
        models.apply_patch(base, PATCH, tmp_path / "out")
    with pytest.raises(error, match=words):
        models.verify_patch(base, PATCH)
    assert not any(tmp_path.iterdir())


def test_memory_is_bounded_where_elements_are_turned() -> None:
    least = 16 << 20
    old = np.zeros((4 << 20,), np.int32)
    patch = sapwood.create_patch(old, old + 1, chunk_size=1 << 16).to_bytes()
    target = npy_file(old + 1)
    assert applied(npy_file(old), patch, receiving=models.Receiving(memory=least)) == target
    turned = npy_file(big_endian(old))
    enough = least + 3 * old.nbytes
    assert applied(turned, patch, receiving=models.Receiving(memory=enough)) == npy_file(
        big_endian(old + 1)
    )
    too_little = models.Receiving(memory=enough - 1)
    for function in (models.verify_patch, applied):
        with pytest.raises(LimitExceeded, match=f"expected {enough} bytes"):
            function(turned, patch, receiving=too_little)


def test_it_is_signed_as_any_other() -> None:
    public, key = models.generate_keypair()
    signed = io.BytesIO()
    models.sign_patch(PATCH, key, signed, counter=7)
    out = io.BytesIO()
    assert models.apply_patch(BASE, signed.getvalue(), out, public).counter == 7
    assert out.getvalue() == TARGET
    found = models.verify_patch(BASE, PATCH, public)
    assert (found.signature_valid, found.actual_target is None) == (False, False)


def test_by_force_it_is_applied_to_others() -> None:
    old = np.zeros((2, 4096), np.int32)
    new = old.copy()
    new[0] = np.arange(4096)  # the second row is a chunk that is copied
    patch = sapwood.create_patch(old, new, chunk_size=16384).to_bytes()
    other = old.copy()
    other[1] = 5
    for layout in LAYOUTS.values():
        out = io.BytesIO()
        found = models.apply_patch(npy_file(layout(other)), patch, out, force=True)
        assert (found.source_valid, found.is_valid()) == (False, False)
        assert out.getvalue() == npy_file(layout(np.stack([new[0], other[1]])))
    out = io.BytesIO()
    assert models.apply_patch(npy_file(old), patch, out, force=True).is_valid()
    assert out.getvalue() == npy_file(new)


def test_by_force_bases_are_taken_in_order() -> None:
    patch = sapwood.create_patch([OLD, NEW], OLD + NEW).to_bytes()
    out = io.BytesIO()
    assert models.apply_patch([BASE, TARGET], patch, out, force=True).is_valid()
    assert out.getvalue() == npy_file(OLD + NEW)
    with pytest.raises(InputError, match="expected 2 bases in the patch's order, found 1"):
        models.apply_patch(BASE, patch, io.BytesIO(), force=True)


def test_force_is_of_patches_of_tensors_that_nobody_signed(tmp_path: Path) -> None:
    for given, words in (
        ({"patch": FILES.getvalue()}, "cannot be forced: it takes bytes from their places"),
        ({"public_key": models.generate_keypair()[0]}, "force gives up"),
        ({"source": tmp_path}, "a folder, in which the base cannot be told"),
    ):
        options: dict[str, Any] = {"source": BASE, "patch": PATCH, "output": tmp_path / "out"}
        with pytest.raises(InputError, match=words):
            models.apply_patch(force=True, **{**options, **given})
    assert not any(tmp_path.iterdir())


def test_a_base_that_nothing_can_be_decoded_against_is_the_cause() -> None:
    def refused(seed: int) -> bool:
        other = np.random.default_rng(seed).integers(0, 1 << 32, OLD.shape, np.uint32)
        try:
            models.apply_patch(npy_file(other.view(np.float32)), PATCH, io.BytesIO(), force=True)
        except SourceHashMismatch:
            return True
        return False

    assert any(map(refused, range(100)))


OTHER_VERBS: dict[str, Callable[[Path, Path], object]] = {
    "resume": lambda base, out: models.apply_patch(base, PATCH, out, resume=True),
    "in place": lambda base, out: models.in_place.apply(base, PATCH),
    "some tensors": lambda base, out: models.extract_tensors(base, PATCH, out, ["array"]),
    "a chain": lambda base, out: models.create_chain([PATCH], out),
    "in memory": lambda base, out: models.load_patched(base, PATCH),
}


@pytest.mark.parametrize("verb", OTHER_VERBS)
def test_other_verbs_say_what_takes_it(verb: str, tmp_path: Path) -> None:
    base = tmp_path / "base.npy"
    base.write_bytes(BASE)
    with pytest.raises(InputError, match="found one of a tensor; apply that whole"):
        OTHER_VERBS[verb](base, tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["base.npy"]
