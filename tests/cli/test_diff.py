"""Sessions of `sapwood diff`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from support.cli_session import Session, write_pairs
from support.model_files import safetensors_file, tuned, weights

SVG = "{http://www.w3.org/2000/svg}"
MANY = 300


@pytest.fixture
def here(tmp_path: Path) -> Session:
    """A folder with pairs of files."""
    session = Session(tmp_path)
    write_pairs(session.folder)
    return session


def write_many(session: Session) -> None:
    """Two models of many tensors, the later ones changed more; the first not at all."""
    old = {f"layer.{i}.<&>": weights(i, (8, 9)) for i in range(MANY)}
    new = {
        name: tuned(array, i, 1e-6 * 1.05**i) if i else array
        for i, (name, array) in enumerate(old.items())
    }
    (session / "old").write_bytes(safetensors_file(old))
    (session / "new").write_bytes(safetensors_file(new))


def test_a_table_of_what_changed(here: Session) -> None:
    lines = here.succeed("diff --base a.safetensors --target b.safetensors").decode().splitlines()
    assert lines[2] == "tensors:   1 unchanged, 1 changed, 1 added"
    assert lines[4].endswith("changed")
    rows = [line.split() for line in lines[6:]]
    assert rows[0][:5] == ["tensor", "dtype", "shape", "status", "changed"]
    assert rows[1][:4] == ["head", "f32", "3x50", "added"]
    assert rows[2][:4] == ["layer", "f32", "60x50", "changed"]
    assert len(rows) == 3
    every = here.succeed("diff --base a.safetensors --target b.safetensors --all").decode()
    assert every.splitlines()[-1].split() == ["norm", "f32", "50", "unchanged"]


def test_the_rows_are_ordered_and_few(here: Session) -> None:
    write_many(here)
    lines = here.succeed("diff --base old --target new").decode().splitlines()
    changes = [float(line.split()[6]) for line in lines[7:-1]]
    assert len(changes) == 20
    assert changes == sorted(changes, reverse=True)
    assert lines[-1].endswith("more that changed less; --all shows them")
    assert here.succeed("diff --base old --target new --all").decode().count("layer.") == MANY


def test_facts_for_programs(here: Session) -> None:
    told = here.json("diff --base a.npy --target b.npy")
    assert (told["command"], told["base"], told["target"]) == ("diff", "a.npy", "b.npy")
    assert (told["equal"], told["skeleton_changed"], told["counts"]["changed"]) == (False, False, 1)
    (tensor,) = told["tensors"]
    old, new = np.load(here / "a.npy"), np.load(here / "b.npy")
    assert tensor["shape"] == [60, 50]
    assert tensor["changed_elements"] == np.count_nonzero(old != new)
    wide = np.float64(old)
    expected = np.sqrt(np.mean((new - wide) ** 2) / np.mean(wide**2))
    assert tensor["relative"] == pytest.approx(expected)
    assert told["relative"] == pytest.approx(expected)
    np.save(here / "zero.npy", np.zeros_like(old))
    assert here.json("diff --base zero.npy --target b.npy")["tensors"][0]["relative"] is None


@pytest.mark.parametrize("kind", ["npy", "safetensors", "bin"])
def test_the_exit_code_tells_on_request(here: Session, kind: str) -> None:
    command = f"diff --base a.{kind} --target b.{kind} --quiet"
    assert here.succeed(command) == b""
    done = here.run(f"{command} --exit-code")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    piped = f"diff --base - --target a.{kind} --exit-code"
    assert here.succeed(piped, here.bytes(f"a.{kind}")).endswith(b": the same\n")


def test_a_picture_of_many_tensors(here: Session) -> None:
    write_many(here)
    changed = here.json("diff --base old --target new")["counts"]["changed"]
    assert changed > 100
    here.succeed("diff --base old --target new --quiet --picture out.svg")
    picture = ET.fromstring(here.bytes("out.svg").decode())
    assert picture.tag == f"{SVG}svg"
    background, *bars = picture.iter(f"{SVG}rect")
    assert len(bars) == changed
    lengths = [float(bar.attrib["width"]) for bar in bars]
    assert lengths == sorted(lengths, reverse=True)
    tops = [float(bar.attrib["y"]) for bar in bars]
    assert min(np.diff(tops)) > float(bars[0].attrib["height"])
    assert tops[-1] < float(background.attrib["height"])
    width = float(background.attrib["width"])
    for text in picture.iter(f"{SVG}text"):
        long = 7 * len(text.text or "")
        x, anchor = float(text.attrib["x"]), text.attrib["text-anchor"]
        begin = x - {"start": 0, "middle": long / 2, "end": long}[anchor]
        assert 0 <= begin <= begin + long <= width
    words = [one.text or "" for one in picture.iter(f"{SVG}text")]
    assert sum(word.endswith(".<&>") for word in words) == changed


@pytest.mark.parametrize("kind", ["npy", "safetensors", "bin"])
def test_a_picture_of_anything(here: Session, kind: str) -> None:
    here.succeed(f"diff --base a.{kind} --target b.{kind} --quiet --picture 1.svg")
    here.succeed(f"diff --base a.{kind} --target a.{kind} --quiet --picture 2.svg")
    words = [
        [one.text or "" for one in ET.fromstring(here.bytes(name).decode()).iter(f"{SVG}text")]
        for name in ("1.svg", "2.svg")
    ]
    assert "changed" in words[0][0]
    assert words[1][0].endswith("nothing changed")


def test_what_is_refused(here: Session) -> None:
    here.fail("diff --base none --target a.npy", 7)
    here.fail("diff --base - --target -", 2)
    here.fail("diff --base a.npy", 2)
    assert "would replace" in here.fail("diff --base a.npy --target b.npy --picture b.npy", 2)
    here.fail("diff --base a.npy --target b.npy --picture -", 2)
    here.fail("diff --base a.npy --target b.npy --picture none/out.svg", 7)
