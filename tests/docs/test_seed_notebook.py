"""The example that the project began with runs as it stands."""

from __future__ import annotations

from typing import Any

import pytest

# The cell of the notebook, with `sapwood` for the name that it had.
CELL = """
# Example usage (NumPy + optional PyTorch).
import numpy as np
try:
    import torch
    has_torch = True
except Exception:
    has_torch = False

# The API we expect after refactor (high-level, blocking):
from sapwood import create_patch, apply_patch, Patch

# Minimal NumPy round-trip example (illustrative - requires package implementation)
base = np.zeros((3, 3), dtype=np.float32)
target = np.eye(3, dtype=np.float32)

# The following calls assume the refactored API exists.
patch = create_patch(base, target, compress=True, metadata={"note": "example"})
print('patch size bytes:', len(patch.to_bytes()))
applied = apply_patch(base, patch)
assert np.array_equal(applied, target)
print('NumPy roundtrip successful')

# If PyTorch is available, show the intended pattern (device-aware):
if has_torch:
    t_base = torch.zeros(3, 3, dtype=torch.float32)
    t_target = torch.eye(3, dtype=torch.float32)
    patch2 = create_patch(t_base, t_target)
    out = apply_patch(t_base, patch2)
    print('torch roundtrip ok', torch.allclose(out, t_target))
"""


def test_the_cell_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(CELL, names)
    size, numpy_line, torch_line = capsys.readouterr().out.splitlines()
    assert size == f"patch size bytes: {len(names['patch'].to_bytes())}"
    assert numpy_line == "NumPy roundtrip successful"
    assert torch_line == "torch roundtrip ok True"
    assert names["Patch"].from_bytes(names["patch"].to_bytes()).metadata == {"note": "example"}
