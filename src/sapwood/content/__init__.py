"""Bytes by slices, wherever they lie; their parts, digests and compression."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.content.content import Bytes as Bytes, Content as Content
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__, {"sapwood.content.content": ["Bytes", "Content"]}
    )
