"""Archives of strangers: the members of zips and tars, with bounded work and memory.

    from sapwood.archives import archive_members

    for member in archive_members(content, spool, limits, fault):
        print(member.name, member.size, member.kind)

| module | what it does |
|---|---|
| `members` | what a member is, and what is made of a fault |
| `zip_directory` | the only parser of the directories of zips |
| `zips`, `tars` | the members of each |
| `tar_headers` | the headers of tars, of all its dialects |
| `unpacking` | what gzip, deflate and zstd hold, a stripe at a time |
| `opening` | which of them an archive is |

Names are only names here, and nothing is unpacked to them. Of what zips can be packed by, deflate
alone is read, of what tars can be, gzip and zstd: their decoders give as much at a time as they
are asked for. Every output is counted as it comes, and compared with what the archive says of it.
"""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.archives.members import Fault as Fault, Member as Member, MemberKind as MemberKind
    from sapwood.archives.opening import archive_members as archive_members
    from sapwood.archives.tars import tar_members as tar_members
    from sapwood.archives.unpacking import unpacked as unpacked
    from sapwood.archives.zip_directory import (
        LOCAL_MAGIC as LOCAL_MAGIC,
        Method as Method,
        ZipEntry as ZipEntry,
        apart as apart,
        read_directory as read_directory,
    )
    from sapwood.limits import ArchiveLimits as ArchiveLimits
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.archives.members": ["Fault", "MemberKind", "Member"],
            "sapwood.archives.opening": ["archive_members"],
            "sapwood.archives.tars": ["tar_members"],
            "sapwood.archives.unpacking": ["unpacked"],
            "sapwood.archives.zip_directory": [
                "LOCAL_MAGIC",
                "Method",
                "ZipEntry",
                "apart",
                "read_directory",
            ],
            "sapwood.limits": ["ArchiveLimits"],
        },
    )
