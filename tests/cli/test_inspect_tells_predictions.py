"""`sapwood inspect` tells what predicts a tensor: bases, sums of them, low-rank updates."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy

from sapwood.patch.format.predictions import (
    BaseRange,
    BlendEntry,
    CastEntry,
    FactorsEntry,
    GivenFactors,
    Matrix,
    Prediction,
    QuantiseEntry,
    Term,
)
from sapwood.tensors import DType
from support.cli_session import Session

Halves = npt.NDArray[np.float16]

ONE = FactorsEntry(1, 60, 40, 3, -20, (0,) * 6, 20, 99)
LEFT, RIGHT = Matrix(1, 80, DType.F32), Matrix(1, 0, DType.F32)
GIVEN = GivenFactors(LEFT, RIGHT, False, 60, 40, 3, 0.5)
EXPERTS = FactorsEntry(8, 60, 40, 3, -20, (0,) * 48, 20, 990)

PREDICTIONS = [
    (None, 1, []),
    (BaseRange(0, 8), 1, []),
    (BaseRange(1, 8), 2, ["base 2"]),
    (BlendEntry((Term(0, 8, 1.0),), False, ONE), 1, ["rank 3"]),
    (BlendEntry((Term(0, 8, 1.0),), True, ONE), 1, ["rank 3", "each step rounded"]),
    (BlendEntry((Term(0, 8, 0.5),), False, ONE), 1, ["0.5 x base 1", "rank 3"]),
    (BlendEntry((), False, ONE), 1, ["no base", "rank 3"]),
    (
        BlendEntry((Term(0, 8, -1.0), Term(2, 8, -0.25), Term(1, 8, 1.0)), False, EXPERTS),
        3,
        ["-base 1 - 0.25 x base 3 + base 2", "rank 3 in each of 8 matrices"],
    ),
    (
        BlendEntry((Term(0, 0, float(np.float32(0.3))), Term(1, 0, 0.75)), False, None),
        2,
        ["0.3 x base 1 + 0.75 x base 2"],
    ),
    (CastEntry(0, 8, DType.F32), 1, ["cast from f32"]),
    (CastEntry(1, 8, DType.F16), 2, ["cast from f16 of base 2"]),
    (
        BlendEntry((Term(0, 8, 1.0),), True, GIVEN),
        2,
        ["base 1", "adapter r=3 of base 2 merged", "each step rounded"],
    ),
    (QuantiseEntry(0, 8, DType.F32, "q8_0"), 1, ["requantised to q8_0 from f32"]),
]


@pytest.mark.parametrize(("prediction", "bases", "words"), PREDICTIONS)
def test_words(prediction: Prediction | None, bases: int, words: list[str]) -> None:
    assert (list(prediction.words(bases)) if prediction else []) == words


def test_json_has_terms_rank_rounding_and_bytes() -> None:
    assert BaseRange(1, 8).to_json() == {
        "kind": "base",
        "terms": [{"base": 1, "coefficient": 1.0}],
        "rounding": None,
        "rank": 0,
        "matrices": None,
        "factor_bytes": 0,
    }
    assert BlendEntry((Term(0, 8, 0.5),), True, EXPERTS).to_json() == {
        "kind": "blend",
        "terms": [{"base": 0, "coefficient": 0.5}],
        "rounding": "each",
        "rank": 3,
        "matrices": [8, 60, 40],
        "factor_bytes": 990,
    }
    assert BlendEntry((Term(0, 8, 1.0),), False, GIVEN).to_json() == {
        "kind": "blend",
        "terms": [{"base": 0, "coefficient": 1.0}],
        "rounding": "once",
        "rank": 3,
        "matrices": [1, 60, 40],
        "factor_bytes": 0,
        "adapter": {"base": 1, "coefficient": 0.5},
    }


def test_json_tells_types_that_were_converted() -> None:
    rest = {
        "terms": [{"base": 1, "coefficient": 1.0}],
        "rounding": None,
        "from": "f16",
        "rank": 0,
        "matrices": None,
        "factor_bytes": 0,
    }
    assert CastEntry(1, 8, DType.F16).to_json() == {"kind": "cast", **rest}
    found = QuantiseEntry(1, 8, DType.F16, "q4_0").to_json()
    assert found == {"kind": "quantise", "type": "q4_0", **rest}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Models `a` and `b`, their sum `sum`, and `a` with a low-rank update, `adapted`."""
    session = Session(tmp_path_factory.mktemp("models"))
    rng = np.random.default_rng(3)

    def halves(array: npt.NDArray[np.float64]) -> Halves:
        return np.asarray(array.astype(np.float16))

    a, b = (halves(0.05 * rng.standard_normal((256, 192))) for _ in range(2))
    update = 0.05 * rng.standard_normal((256, 3)) @ (0.05 * rng.standard_normal((3, 192)))
    for name, array in {
        "a": a,
        "b": b,
        "sum": halves(0.25 * a.astype(np.float64) + 0.75 * b.astype(np.float64)),
        "adapted": halves(a + update),
    }.items():
        tensors = {"layers.3.q.weight": array, "norm": np.ones(7, np.float16)}
        safetensors.numpy.save_file(tensors, session / name)
    return session


def row(session: Session, patch: str) -> str:
    lines = session.succeed(f"inspect {patch}").decode().splitlines()
    (found,) = [line for line in lines if line.startswith("layers.3.q.weight ")]
    return found


def test_a_sum_is_told_with_the_names_of_its_bases(here: Session) -> None:
    here.succeed("create --base a --base b --target sum --out p")
    assert ", 0.25 x base 1 + 0.75 x base 2 " in row(here, "p")
    printed = here.succeed("inspect p").decode()
    assert "\nbase 1:    a, safetensors, " in printed
    assert "\nbase 2:    b, safetensors, " in printed
    assert "\nfound:     sums of bases in 1 tensor\n" in printed
    told = here.json("inspect p")
    assert [base["name"] for base in told["bases"]] == ["a", "b"]
    assert told["base"]["blake3"] == told["bases"][0]["blake3"]
    (one,) = [one for one in told["segments"] if one["name"] == "layers.3.q.weight"]
    assert one["prediction"]["terms"] == [
        {"base": 0, "coefficient": 0.25},
        {"base": 1, "coefficient": 0.75},
    ]


def test_a_low_rank_update_is_told_unless_it_was_not_to_be_looked_for(here: Session) -> None:
    here.succeed("create --base a --target adapted --out p")
    assert re.search(r"residual, rank [34]\b", row(here, "p"))
    printed = here.succeed("inspect p").decode()
    assert re.search(r"\nfound:     low-rank updates in 1 tensor, rank [34], \d", printed)
    here.succeed("create --base a --target adapted --out without --no-low-rank")
    assert "rank" not in row(here, "without")
    assert len(here.bytes("p")) < 0.5 * len(here.bytes("without"))
    for kind in ("a", "adapted"):
        array = safetensors.numpy.load((here / kind).read_bytes())["layers.3.q.weight"]
        np.save(here / f"{kind}.npy", array)
    sizes = [
        here.json(f"create --base a.npy --target adapted.npy --out n {option}")["patch_size"]
        for option in ("", "--no-low-rank")
    ]
    assert sizes[0] < 0.5 * sizes[1]
