"""A patch is received in one way, wherever it goes: looked at once, and signatures come first."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sapwood import create_patch, models
from sapwood.errors import InputError, InvalidPatch, SignatureError
from sapwood.models.receiving import opening
from sapwood.patch.applying import opening as patch_opening
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.format import parsing
from support.cli_session import Session
from support.keys import keypair
from support.model_files import layer, safetensors_file, tuned

PUBLIC, PRIVATE = keypair(1)
OLD = layer(1)
BASE = safetensors_file(OLD)
TARGET = safetensors_file({name: tuned(array, 2) for name, array in OLD.items()})


def signed_patch() -> bytes:
    out = io.BytesIO()
    models.create_patch(BASE, TARGET, out, private_key=PRIVATE, counter=3)
    return out.getvalue()


PATCH = signed_patch()
TRUSTING = models.Receiving(models.Trust(PUBLIC))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a patch is looked at, in the order of the looks."""
    found: Counter[str] = Counter()

    def counted(owner: object, name: str) -> None:
        original = getattr(owner, name)

        def call(*arguments: object, **options: object) -> object:
            found[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    counted(opening, "check_patch")
    counted(opening, "open_checked")
    counted(patch_opening, "parse_rest")
    counted(parsing, "parse_header")
    counted(OpenPatch, "check_body")
    return found


ONCE = {
    "parse_header": 1,
    "check_patch": 1,
    "open_checked": 1,
    "parse_rest": 1,
    "check_body": 1,
}


def test_applying_looks_at_a_signed_patch_once(calls: Counter[str]) -> None:
    assert models.apply_patch(BASE, PATCH, io.BytesIO(), PUBLIC).counter == 3
    assert list(calls.items()) == list(ONCE.items())  # in this order, too


WAYS: dict[str, Callable[[Path], object]] = {
    "verify": lambda folder: models.verify_patch(BASE, PATCH, receiving=TRUSTING),
    "load": lambda folder: models.load_patched(BASE, PATCH, receiving=TRUSTING),
    "some tensors": lambda folder: models.extract_tensors(
        BASE, PATCH, io.BytesIO(), "*", receiving=TRUSTING
    ),
    "in place": lambda folder: models.in_place.apply(folder / "base", PATCH, receiving=TRUSTING),
    "slots": lambda folder: models.Slots(folder / "slots").prepare(PATCH, receiving=TRUSTING),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base").write_bytes(BASE)
    (tmp_path / "patch").write_bytes(PATCH)
    (tmp_path / "key.pub").write_bytes(PUBLIC)
    models.Slots(tmp_path / "slots").install(BASE, "model")
    return tmp_path


@pytest.mark.parametrize("way", WAYS)
def test_so_does_every_other_way(way: str, folder: Path, calls: Counter[str]) -> None:
    WAYS[way](folder)
    assert calls == ONCE


@pytest.mark.parametrize(
    "line",
    [
        "apply --base base --patch patch --out out --public-key key.pub",
        "apply --in-place base --patch patch --public-key key.pub",
        "verify --base base --patch patch --public-key key.pub",
    ],
)
def test_so_does_the_command_line(line: str, folder: Path, calls: Counter[str]) -> None:
    Session(folder).succeed(line)
    assert calls == ONCE


def test_an_unsigned_patch_is_refused_with_no_more_than_its_header_parsed(
    calls: Counter[str],
) -> None:
    out = io.BytesIO()
    models.create_patch(BASE, TARGET, out)
    calls.clear()
    for trusted in (PUBLIC, keypair(2)[0]):
        with pytest.raises(SignatureError):
            models.apply_patch(BASE, out.getvalue(), io.BytesIO(), trusted)
    assert calls == {"parse_header": 2, "check_patch": 2}


def test_what_was_received_is_applied_without_another_look(calls: Counter[str]) -> None:
    with models.receive(PATCH, TRUSTING) as patch:
        assert (patch.size, patch.header.target.size) == (len(PATCH), len(TARGET))
        for _ in range(2):
            out = io.BytesIO()
            models.apply_patch(BASE, patch, out, receiving=TRUSTING)
            assert out.getvalue() == TARGET
    assert calls == ONCE


def test_a_patch_that_nobody_checked_is_not_taken_for_one_that_is_trusted() -> None:
    with models.receive(PATCH) as patch:
        assert patch.accepted is None
        with pytest.raises(InputError, match="receive it anew"):
            models.apply_patch(BASE, patch, io.BytesIO(), PUBLIC)
        with pytest.raises(InputError, match="receive it anew"):
            models.apply_patch(BASE, patch, io.BytesIO(), signature=b"")


def test_keys_are_given_in_one_place() -> None:
    with pytest.raises(InputError, match="found both"):
        models.apply_patch(BASE, PATCH, io.BytesIO(), PUBLIC, receiving=TRUSTING)


def test_a_damaged_body_is_found_where_it_is_received() -> None:
    damaged = PATCH[:-1] + bytes([PATCH[-1] ^ 1])
    with pytest.raises(InvalidPatch, match="damaged body"), models.receive(damaged):
        raise AssertionError
    with models.delivery(damaged) as delivered:
        assert delivered.opened().front.header.target.size == len(TARGET)


def test_patches_of_tensors_are_taken_where_that_is_said() -> None:
    tensor = create_patch(np.zeros(9), np.ones(9)).to_bytes()
    with pytest.raises(InputError, match="found one of a tensor"), models.receive(tensor):
        raise AssertionError
    with models.receive(tensor, tensors=True) as patch:
        assert patch.header.kind == "tensor"
        with pytest.raises(InputError, match="found one of a tensor"):
            models.load_patched(BASE, patch)


def test_work_without_a_bound_of_memory_refuses_one(folder: Path) -> None:
    bounded = models.Receiving(memory=64 << 20)
    with pytest.raises(InputError, match="leave out memory"):
        models.in_place.apply(folder / "base", PATCH, receiving=bounded)
    assert models.Slots(folder / "slots").prepare(PATCH, receiving=bounded).is_valid()
