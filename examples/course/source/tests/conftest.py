"""Lets the tests find your library, the folder phloem/ of the workspace, wherever they are run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
