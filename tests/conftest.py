"""How many examples a law is tried on, and for how long; which files `-m quick` looks into.

`pytest --hypothesis-profile=quick` tries 20, but of laws that ask for a number of their own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Without deadlines, as a busy machine takes its time, and with what it takes to try elsewhere what
# broke a law here. Made from "default" because Hypothesis itself has a profile "ci", which it takes
# where it believes itself in CI, and which tries the same examples in every run.
settings.register_profile(
    "ci",
    settings.get_profile("default"),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)
settings.load_profile("ci")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Passes over files without quick tests: to import them all takes longer than to run these."""
    if config.getoption("markexpr") != "quick" or collection_path.suffix != ".py":
        return None
    return "pytest.mark.quick" not in collection_path.read_text(encoding="utf-8") or None
