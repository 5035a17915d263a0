"""What a patch says of the program that made it."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
WRITER: Final = f"sapwood {__version__}"
