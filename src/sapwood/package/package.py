"""A package that was opened: its manifest, its files, and how to read them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import TracebackType

from sapwood.content.digests import raw_hash
from sapwood.errors import InvalidPackage, InvalidStore
from sapwood.files.reading import Stripes
from sapwood.files.stamps import Stamp, stamp_of_name
from sapwood.limits import DEFAULT_ARCHIVE_LIMITS, ArchiveLimits
from sapwood.package.canonical import LARGEST_READ, content_hash
from sapwood.package.manifest.manifest import MANIFEST_FILE, Manifest, check_files, parse_manifest
from sapwood.package.manifest.patches import PatchOnly, Target, patch_only


@dataclasses.dataclass(frozen=True, slots=True)
class PackageFile:
    """A file of a package.

    Attributes:
        path: relative path in the package.
        size: bytes of the file.
        executable: whether its owner may run it.
        stamp: numbers that change when the file does.
        stripes: reads the file, in parts of at most a few MiB.
        target: what the file has to be; None where the manifest does not say that.
        only: what is known of a file that the package has only as patches; None of others.
    """

    path: str
    size: int
    executable: bool
    stamp: Stamp
    stripes: Callable[[], Stripes]
    target: Target | None = None
    only: PatchOnly | None = None

    def read(self) -> bytes:
        """The bytes of the file, at most 16 MiB of them (`canonical.LARGEST_READ`).

        Raises:
            InvalidPackage: there are more, or they are damaged.
            InvalidStore: the store that the file lies in is damaged.
            OSError: the file cannot be read.
        """
        parts: list[bytes] = []
        left = LARGEST_READ
        with contextlib.closing(self.stripes()) as stripes:
            for stripe in stripes:
                left -= len(stripe)
                if left < 0:
                    raise InvalidPackage(f"{self.path}: larger than {LARGEST_READ} bytes")
                parts.append(stripe)
        return b"".join(parts)

    def canonical_hash(self) -> str:
        """The hash that says whether the file changed, as `canonical.content_hash` gives it.

        Raises:
            InvalidPackage, InvalidStore, OSError: as `read`.
        """
        if self.size > LARGEST_READ:
            return raw_hash(self.stripes())
        return content_hash(self.read(), self.path)

    def check_target(self, found: str) -> None:
        """Sees to it that the file is what the manifest says that patches lead to.

        Args:
            found: the file's canonical hash.

        Raises:
            InvalidPackage: the file is another one.
        """
        if self.target is not None and found != self.target.hash:
            raise InvalidPackage(
                f"{self.path}: expected {self.target.hash}, to which patches lead by the manifest, "
                f"found {found}; text with CRLF cannot be named so"
            )


class Package:
    """A package, open until `close`. Also a context manager.

    Attributes:
        manifest: what the package says of itself.
        version: the package's version, normalised.
        files: the files that are installed from the package, by path; of some it may hold
            patches alone.
        patches: the patches that it carries for files of weights, by path in the package.
    """

    manifest: Manifest
    version: str
    files: Mapping[str, PackageFile]
    patches: Mapping[str, PackageFile]

    def __init__(
        self,
        files: Mapping[str, PackageFile],
        close: Callable[[], None],
        limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS,
    ) -> None:
        """Reads the manifest and checks the files.

        Args:
            files: all files that it holds, by path, the manifest among them.
            close: what is called once, when the package is closed, or after an error here.
            limits: how many bytes all files may have.

        Raises:
            InvalidPackage: there is no manifest, or it or the files break its rules.
            InvalidStore: the store that the manifest lies in is damaged.
            OSError: the manifest cannot be read.
        """
        self._close = close
        try:
            if MANIFEST_FILE not in files:
                raise InvalidPackage(f"expected {MANIFEST_FILE} in the package, found none")
            self.manifest = parse_manifest(files[MANIFEST_FILE].read())
            self.version = str(self.manifest.version)
            check_files(self.manifest, files)
            unheld = _unheld_files(self.manifest, files)
            total = sum(one.size for one in (*files.values(), *unheld.values()))
            if total > limits.size:
                raise InvalidPackage(f"expected at most {limits.size} bytes, found {total}")
        except BaseException:
            close()
            raise
        hidden = self.manifest.not_installed()
        targets = {one.path: one.target for one in self.manifest.patches}
        self.files = unheld | {
            path: dataclasses.replace(file, target=targets[path]) if path in targets else file
            for path, file in files.items()
            if path not in hidden
        }
        self.patches = {one.patch: files[one.patch] for one in self.manifest.patches}

    def close(self) -> None:
        """Closes what is open."""
        self._close()

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _unheld_files(manifest: Manifest, files: Mapping[str, PackageFile]) -> dict[str, PackageFile]:
    """The files of which a package holds patches alone, by path.

    Args:
        manifest: what the package says of itself.
        files: all files that it holds, by path.
    """
    return {
        path: PackageFile(
            path=path,
            size=only.target.size,
            executable=False,
            stamp=stamp_of_name(only.target.hash, only.target.size),
            stripes=partial(_not_held, path, only),
            only=only,
        )
        for path, only in patch_only(manifest.patches, files).items()
    }


def _not_held(path: str, only: PatchOnly) -> Stripes:
    """Reads a file that the package does not hold.

    Raises:
        InvalidPackage: always; plans do not come to that.
    """
    raise InvalidPackage(f"{path}: {only}")


@contextlib.contextmanager
def located(name: object) -> Iterator[None]:
    """Puts the name of a package, or of a part of it, before what is wrong with it."""
    try:
        yield
    except (InvalidPackage, InvalidStore) as e:
        raise e.behind(str(name)) from e
