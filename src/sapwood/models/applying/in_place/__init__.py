"""Updates a model file in place; gone on with, rolled back or confirmed after that."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.models.applying.in_place.applying import apply as apply
    from sapwood.models.applying.in_place.applying import confirm as confirm
    from sapwood.models.applying.in_place.applying import roll_back as roll_back
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__, {"sapwood.models.applying.in_place.applying": ["apply", "confirm", "roll_back"]}
    )
