"""JSON, TOML, paths and patterns of strangers, checked before they are used.

What JSON and TOML hold is asked for by `Fields`; every reader is given the error to raise. Nothing
here opens a file, knows a format of ours, or needs the kernel. `litter` and `file_selection` say
which files of a folder count.
"""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.documents.canonical_json import parse as parse, plain as plain
    from sapwood.documents.fields import Fields as Fields
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.documents.canonical_json": ["parse", "plain"],
            "sapwood.documents.fields": ["Fields"],
        },
    )
