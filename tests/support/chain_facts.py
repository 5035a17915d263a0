"""What chains say, or how they are refused, in the words of the conformance vectors."""

from __future__ import annotations

from typing import Any

import pytest

from sapwood import models
from sapwood.errors import SapwoodError


def facts(chain: bytes) -> dict[str, Any]:
    """What a chain says, as the list of cases has it."""
    found = models.chain_info(chain)
    return {
        "unfinished": found.unfinished,
        "versions": [one.sha256.hex() for one in found.versions],
        "links": [
            {"number": one.number, "reverse": one.reverse, "offset": one.offset, "size": one.size}
            for one in found.links
        ],
    }


def refused(chain: bytes) -> str:
    """The kind of error that opening a chain raises."""
    with pytest.raises(SapwoodError) as raised:
        models.chain_info(chain)
    return type(raised.value).__name__
