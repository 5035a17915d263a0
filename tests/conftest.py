"""How many examples a law is tried on, and for how long.

`pytest --hypothesis-profile=quick` tries 20, but of laws that ask for a number of their own.
"""

from __future__ import annotations

from hypothesis import settings

# Without deadlines, as a busy machine takes its time, and with what it takes to try elsewhere what
# broke a law here. Made from "default" because Hypothesis itself has a profile "ci", which it takes
# where it believes itself in CI, and which tries the same examples in every run.
settings.register_profile("ci", settings.get_profile("default"), deadline=None, print_blob=True)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)
settings.load_profile("ci")
