"""JSON, tables and paths of strangers, checked before they are used."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.documents.canonical_json import parse as parse
    from sapwood.documents.canonical_json import plain as plain
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.documents.canonical_json": ["parse", "plain"],
        },
    )
