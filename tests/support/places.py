"""Where the repository's folders are that tests read from."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
CONFORMANCE = ROOT / "conformance"
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
FUZZ = ROOT / "fuzz"
SPEC = ROOT / "spec"
TESTS = ROOT / "tests"
GOLDEN = TESTS / "golden"
