"""Templates with exports for tests: modules 04 and 05, of which 05 is fixed in version 1.1.0."""

from __future__ import annotations

import json
from pathlib import Path

from support.template_folders import notebook, write_template

LOSSES, AUTOGRAD = "modules/04_losses/04_losses.ipynb", "modules/05_autograd/05_autograd.ipynb"
TEST = "tests/05_autograd/test_autograd.py"
MORE = f"""
[[modules]]
name = "04_losses"
[[modules]]
name = "05_autograd"
[[exports]]
notebook = "{LOSSES}"
to = "leaf/losses.py"
[[exports]]
notebook = "{AUTOGRAD}"
to = "leaf/autograd.py"
[environment]
python = ">=3.11"
packages = ["numpy>=1.26"]
imports = ["leaf"]
"""
FIX = f"""
[[notes]]
path = "{AUTOGRAD}"
text = "bug fix"
version = "1.1.0"
"""
FIRST = ("# Derivatives", "#| export\ndef slope(x):\n    return 3 * x", "slope(1)")
SECOND = ("# Derivatives", "#| export\ndef slope(x):\n    return 2 * x", "slope(1)")
DONE = (*FIRST, "# | export\ndef mine(x):\n    return slope(x) + 1")  # what a student makes of it


def write_course(folder: Path, version: str, *, more: str = "") -> Path:
    """A version of the course."""
    autograd = notebook(*(FIRST if version == "1.0.0" else SECOND))
    files: dict[str, str | bytes] = {
        LOSSES: notebook("#| export\ndef loss(x):\n    return x * x"),
        AUTOGRAD: autograd,
        TEST: f"# {version}\nfrom leaf.autograd import slope\n",
    }
    notes = FIX if version != "1.0.0" else ""
    return write_template(folder, version, files, more=MORE + notes + more)


def cells(*listed: tuple[str, str]) -> bytes:
    """A notebook of cells: type and source."""
    made = [{"cell_type": kind, "metadata": {}, "source": source} for kind, source in listed]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
