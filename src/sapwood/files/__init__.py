"""The operating system: files and folders in and out, locks, syncing, exchanging names."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.files.outputs import Output as Output
    from sapwood.files.outputs import atomic_output as atomic_output
    from sapwood.files.paths import path_name as path_name
    from sapwood.files.refusals import os_errors as os_errors
    from sapwood.files.sources import Source as Source
    from sapwood.files.sources import read_source as read_source
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.files.outputs": ["Output", "atomic_output"],
            "sapwood.files.paths": ["path_name"],
            "sapwood.files.refusals": ["os_errors"],
            "sapwood.files.sources": ["Source", "read_source"],
        },
    )
