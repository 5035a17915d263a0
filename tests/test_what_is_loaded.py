"""What an import brings along: a reader loads no kernel, a receiver no planner, help no NumPy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LIST_MODULES = "import json, sys; {}; print(json.dumps(sorted(sys.modules)))"

KERNEL = {"sapwood._kernel"}
HASHING = {"blake3"}
COMPRESSION = {"backports.zstd", "compression.zstd"}
# What plans and codes: nothing of it is needed to decode.
ENCODER = {
    "sapwood.codec.costs",
    "sapwood.codec.estimate",
    "sapwood.codec.local",
    "sapwood.codec.planning",
    "sapwood.codec.survey",
    "sapwood.codec.windows",
    "sapwood.prediction.coding",
    "sapwood.prediction.coefficients",
    "sapwood.prediction.detection",
    "sapwood.prediction.fitting",
    "sapwood.prediction.lowrank",
    "sapwood.prediction.payload_coding",
    "sapwood.prediction.quantising",
    "sapwood.prediction.searching",
    "sapwood.prediction.windows",
}
OPTIONAL = {"httpx", "httpx2", "nacl", "pooch", "torch", "yaml", "rich", "threadpoolctl"}

ABSENT = {
    "import sapwood": {"numpy"} | KERNEL | HASHING | COMPRESSION | OPTIONAL,
    "import sapwood.cli": {"numpy"} | KERNEL | HASHING | COMPRESSION | OPTIONAL,
    "import sapwood.modelfile": KERNEL | HASHING | COMPRESSION | OPTIONAL,
    "import sapwood.workspace": {"numpy"} | KERNEL | OPTIONAL,
    "from sapwood.package import open_package": {"numpy"} | KERNEL | HASHING | OPTIONAL,
    "from sapwood.store.oci import Layout": {"numpy"} | KERNEL | HASHING | OPTIONAL,
    "from sapwood import apply_patch": OPTIONAL,
    "from sapwood.models import apply_patch": ENCODER | OPTIONAL,
    "from sapwood.models import apply_patch, verify_patch, load_patched": ENCODER | OPTIONAL,
}


def loaded_by(statement: str) -> set[str]:
    """The modules of an interpreter that ran one statement and nothing else."""
    program = LIST_MODULES.format(statement)
    printed = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    return set(json.loads(printed))


@pytest.mark.parametrize("statement", ABSENT)
def test_imports_bring_no_more_than_they_need(statement: str) -> None:
    found = loaded_by(statement)
    assert any(name.startswith("sapwood") for name in found)
    assert not found & ABSENT[statement]


def test_a_receiver_loads_no_module_of_making() -> None:
    found = loaded_by("from sapwood.models import apply_patch")
    assert "sapwood.patch.applying.decoding" in found
    making = ("sapwood.patch.making", "sapwood.models.making")
    assert [name for name in found if name.startswith(making)] == []
