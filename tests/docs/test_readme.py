"""The examples of the README, run as a newcomer would copy them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from support.places import ROOT

README = ROOT / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def test_the_python_example_runs(tmp_path: Path) -> None:
    (example,) = blocks("python")
    run = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "True\n", "")


def test_the_commands_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((2, 256, 256)).astype(np.float16)
    update = rng.standard_normal((256, 2)) @ rng.standard_normal((2, 256))
    for name, array in {
        "v1": a,
        "v2": (a + 0.01 * update).astype(np.float16),
        "v3": (a + 0.02 * update).astype(np.float16),
        "a": a,
        "b": b,
        "ab": (a + b) / np.float16(2),
    }.items():
        save_file({"w.weight": array}, tmp_path / f"{name}.safetensors")
    for version in ("v1", "v2"):
        (tmp_path / f"model-{version}").mkdir()
        shutil.copy(
            tmp_path / f"{version}.safetensors", tmp_path / f"model-{version}/model.safetensors"
        )
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("sapwood ")]
    assert [line.split()[1] for line in commands] == [
        *("create", "verify", "apply", "inspect", "diff"),
        *("create", "apply", "create"),
        *("create", "apply", "extract-adapter"),
        *("create", "create", "chain", "chain", "chain", "chain", "plan"),
        *("apply", "roll-back"),
    ]
    for command in commands:
        run = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
    for restored, target in {
        "restored": "v2",
        "merged": "ab",
        "newest": "v3",
        "first": "v1",
    }.items():
        assert (tmp_path / f"{restored}.safetensors").read_bytes() == (
            tmp_path / f"{target}.safetensors"
        ).read_bytes()
    assert (tmp_path / "adapter" / "adapter_config.json").exists()


@pytest.mark.parametrize(
    "page", ["README.md", "docs/architecture.md", "docs/attacks.md", "CONTRIBUTING.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    root = README.parent
    text = (root / page).read_text()
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = [t for t in targets if not ((root / page).parent / t).exists()]
    assert missing == []


def test_the_make_targets_exist() -> None:
    named = re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE)
    assert named == ["demo", "test"]
    listed = subprocess.run(
        ["make", "-C", README.parent, "help"], capture_output=True, text=True, check=True
    )
    for target in named:
        assert re.search(rf"^  make {target} ", listed.stdout, re.MULTILINE), target
