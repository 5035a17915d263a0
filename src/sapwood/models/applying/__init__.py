"""Applies patches to model files: whole, in parts, in place, in memory."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.models.applying import in_place as in_place
else:
    __all__, __getattr__, __dir__ = lazy.door(__name__, {"sapwood.models.applying": ["in_place"]})
