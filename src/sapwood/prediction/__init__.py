"""Predictions of a tensor that are better than its base: low-rank updates, found and quantised."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.prediction.blend import Blend as Blend
    from sapwood.prediction.lowrank import find_factors as find_factors
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.prediction.blend": ["Blend"],
            "sapwood.prediction.lowrank": ["find_factors"],
        },
    )
