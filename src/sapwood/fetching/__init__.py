"""A file elsewhere: ranges, retries, resumed downloads."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.fetching.openers import DEFAULT_FETCHING as DEFAULT_FETCHING
    from sapwood.fetching.openers import Fetching as Fetching
    from sapwood.fetching.pace import DEFAULT_PACE as DEFAULT_PACE
    from sapwood.fetching.pace import Pace as Pace
    from sapwood.fetching.remote import Opener as Opener
    from sapwood.fetching.remote import Remote as Remote
    from sapwood.fetching.urls import shown as shown
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.fetching.openers": ["DEFAULT_FETCHING", "Fetching"],
            "sapwood.fetching.pace": ["DEFAULT_PACE", "Pace"],
            "sapwood.fetching.remote": ["Opener", "Remote"],
            "sapwood.fetching.urls": ["shown"],
        },
    )
