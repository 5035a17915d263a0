"""The corpus that is kept for the fuzzers: all of it is read as it was meant, without findings."""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood import models
from sapwood.modelfile import FORMATS, open_model
from support.places import FUZZ, ROOT

TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in FUZZ.glob("fuzz_*.py"))
ENTRIES = sorted(path for path in (FUZZ / "corpus").glob("*/*") if path.is_file())
MODELS = [path for path in ENTRIES if path.parent.name == "modelfiles"]


@pytest.fixture
def one_input(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    """What a target does with one input."""
    monkeypatch.syspath_prepend(FUZZ)
    return importlib.import_module(f"fuzz_{request.param}").one_input


def test_every_target_has_a_corpus_and_is_run_on_it() -> None:
    assert len(TARGETS) >= 4
    assert sorted({path.parent.name for path in ENTRIES}) == TARGETS
    makefile = (ROOT / "Makefile").read_text()
    assert "fuzz/corpus/$${name#fuzz_}" in makefile
    for target in TARGETS:
        text = (FUZZ / f"fuzz_{target}.py").read_text()
        assert f"fuzz/corpus/{target}\n" in text
        assert re.search(r"^def one_input\(data: bytes\) -> None:", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("one_input", "entry"),
    [(path.parent.name, path) for path in ENTRIES],
    indirect=["one_input"],
    ids=[f"{path.parent.name}/{path.name}" for path in ENTRIES],
)
def test_an_entry_has_no_findings(one_input: Callable[[bytes], None], entry: Path) -> None:
    data = entry.read_bytes()
    assert 0 < len(data) <= 16 << 10
    one_input(data)


@pytest.mark.parametrize("entry", MODELS, ids=lambda path: str(path.name))
def test_a_model_is_read_as_the_format_that_it_is_named_for(entry: Path) -> None:
    layout = open_model(memoryview(entry.read_bytes()))
    assert (layout.format, layout.warning) == (entry.name.partition("-")[0], None)
    assert bool(layout.tensors or layout.elsewhere) is (
        entry.name not in {"bytes-text", "hdf5-newer", "safetensors-empty", "zip-text"}
    )


def test_every_format_is_there() -> None:
    named = {path.name.partition("-")[0] for path in MODELS}
    assert {name for one in FORMATS for name in one.names} | {"bytes"} == named


def test_the_patches_are_whole() -> None:
    patches = [path for path in ENTRIES if path.parent.name == "patch"]
    assert {models.patch_info(path).format for path in patches} >= {
        "tensor",
        "safetensors",
        "bytes",
    }
    assert any(models.patch_info(io.BytesIO(path.read_bytes())).signed for path in patches)


@pytest.mark.parametrize("damage", range(40))
@pytest.mark.parametrize("one_input", ["signatures"], indirect=True)
def test_damaged_signatures_have_no_findings(
    one_input: Callable[[bytes], None], damage: int
) -> None:
    for path in (FUZZ / "corpus" / "signatures").iterdir():
        data = bytearray(path.read_bytes())
        data[damage * 7919 % len(data)] ^= 1 << damage % 8
        one_input(bytes(data))
        one_input(bytes(data[: damage * len(data) // 40]))
