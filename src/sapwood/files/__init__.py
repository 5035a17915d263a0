"""The operating system: the only room that asks it for locks, renames, syncing, or what it is.

| module | what it does |
|---|---|
| `refusals` | what the system refuses, as our error, in one wording |
| `paths` | paths as the system takes them, and what is under them |
| `reading`, `writing` | files by stripes, links not followed; all of what is to be written |
| `holes` | long runs of zeros, which take no room on the disk |
| `positions` | parts of open files, read and written where they lie |
| `file_objects` | binary files that callers pass |
| `sources`, `trees` | what callers give to be read, as borrowed bytes: files, folders |
| `walking` | through a folder and those in it |
| `outputs`, `paired_outputs`, `folders` | one file, two, a folder: whole, or not there at all |
| `kept` | files that stay when work is cut short, for the next try |
| `locks`, `locked_file` | one process at a time, at any file, and at one that it updates in place |
| `other_names` | links to a file, which show what is written in place |
| `syncing` | what is there after a power cut |
| `exchange` | names that change hands without losing what was saved in that instant |
| `stamps` | which files have not been written to since they were hashed |

`sources`, `trees`, `positions`, `holes`, `locked_file` and `other_names` import NumPy, and no other
module does: a look at a workspace needs none.
"""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.files.outputs import Output as Output, atomic_output as atomic_output
    from sapwood.files.paths import path_name as path_name
    from sapwood.files.refusals import os_errors as os_errors, refusal as refusal
    from sapwood.files.sources import Source as Source, read_source as read_source
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.files.outputs": ["Output", "atomic_output"],
            "sapwood.files.paths": ["path_name"],
            "sapwood.files.refusals": ["os_errors", "refusal"],
            "sapwood.files.sources": ["Source", "read_source"],
        },
    )
