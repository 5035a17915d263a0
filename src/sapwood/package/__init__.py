"""Packages: named, versioned sets of files with a manifest, wherever they lie.

    from sapwood.package import open_package

    with open_package("course-1.0.0.zip") as package:
        print(package.manifest.name, package.version)
        for path, file in package.files.items():
            print(path, file.size)

`open_package` takes a folder, an installed distribution, an archive or an artifact in an OCI
image layout; all give the same `Package`. A `Manifest` is data, and nothing of a package is ever
executed. `content_hash` says which changes of a file count. Workspaces are made from packages;
nothing here knows of them.

Building packages is to come, and with it what they depend on, resolved and locked, and the
difference of two versions as patches.

What is exported here is imported when it is first asked for.
"""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.files.walking import FoundFile as FoundFile
    from sapwood.limits import (
        DEFAULT_ARCHIVE_LIMITS as DEFAULT_ARCHIVE_LIMITS,
        ArchiveLimits as ArchiveLimits,
    )
    from sapwood.package.archives import archive_files as archive_files
    from sapwood.package.canonical import (
        LARGEST_READ as LARGEST_READ,
        NOTEBOOK as NOTEBOOK,
        FileIdentity as FileIdentity,
        UnreadableNotebook as UnreadableNotebook,
        content_hash as content_hash,
        has_windows_ends as has_windows_ends,
        holds_text as holds_text,
        parsed_notebook as parsed_notebook,
        reduced_cell as reduced_cell,
        reduced_notebook as reduced_notebook,
        unix_ends as unix_ends,
        with_ends_of as with_ends_of,
    )
    from sapwood.package.manifest.datasets import DataFile as DataFile, Dataset as Dataset
    from sapwood.package.manifest.manifest import (
        MANIFEST_FILE as MANIFEST_FILE,
        PACKAGE_NAME as PACKAGE_NAME,
        USER as USER,
        Manifest as Manifest,
        Note as Note,
        parse_manifest as parse_manifest,
    )
    from sapwood.package.manifest.modules import (
        MODULE_NAME as MODULE_NAME,
        MOST_MODULES as MOST_MODULES,
        Module as Module,
        find_module as find_module,
    )
    from sapwood.package.manifest.patches import (
        PatchOnly as PatchOnly,
        Target as Target,
        WeightsPatch as WeightsPatch,
    )
    from sapwood.package.manifest.policies import (
        DEFAULT_RULE as DEFAULT_RULE,
        Policy as Policy,
        PolicyRule as PolicyRule,
        Rules as Rules,
    )
    from sapwood.package.manifest.python import Environment as Environment, Export as Export
    from sapwood.package.package import Package as Package, PackageFile as PackageFile
    from sapwood.package.sources import (
        file_in_folder as file_in_folder,
        open_package as open_package,
        read_manifest as read_manifest,
        regular_files as regular_files,
    )
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.files.walking": ["FoundFile"],
            "sapwood.limits": ["DEFAULT_ARCHIVE_LIMITS", "ArchiveLimits"],
            "sapwood.package.archives": ["archive_files"],
            "sapwood.package.canonical": [
                "LARGEST_READ",
                "NOTEBOOK",
                "FileIdentity",
                "UnreadableNotebook",
                "content_hash",
                "has_windows_ends",
                "holds_text",
                "parsed_notebook",
                "reduced_cell",
                "reduced_notebook",
                "unix_ends",
                "with_ends_of",
            ],
            "sapwood.package.manifest.datasets": ["DataFile", "Dataset"],
            "sapwood.package.manifest.manifest": [
                "MANIFEST_FILE",
                "PACKAGE_NAME",
                "USER",
                "Manifest",
                "Note",
                "parse_manifest",
            ],
            "sapwood.package.manifest.modules": [
                "MODULE_NAME",
                "MOST_MODULES",
                "Module",
                "find_module",
            ],
            "sapwood.package.manifest.patches": ["PatchOnly", "Target", "WeightsPatch"],
            "sapwood.package.manifest.policies": ["DEFAULT_RULE", "Policy", "PolicyRule", "Rules"],
            "sapwood.package.manifest.python": ["Environment", "Export"],
            "sapwood.package.package": ["Package", "PackageFile"],
            "sapwood.package.sources": [
                "file_in_folder",
                "open_package",
                "read_manifest",
                "regular_files",
            ],
        },
    )
