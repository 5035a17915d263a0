"""A template that was opened: its manifest, its files, and how to read them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial
from types import TracebackType

from sapwood.content.digests import raw_hash
from sapwood.errors import InvalidTemplate
from sapwood.files.reading import Stripes
from sapwood.files.stamps import Stamp, Stamps, stamp_of_name
from sapwood.package.canonical import LARGEST, content_hash
from sapwood.package.course import Course
from sapwood.package.identity import Content
from sapwood.package.manifest.manifest import FILE_NAME, Manifest, check_files, parse_manifest
from sapwood.package.manifest.patches import PatchOnly, Target, patch_only

MOST_FILES = 100_000
MOST_BYTES = 64 << 30  # of all files of a template

# Not files of a template, whatever folder they come to lie in: what Python compiles when a
# distribution is installed, what version control and desktops keep.
LITTER = frozenset({"__pycache__", ".git", ".hg", ".svn", ".DS_Store"})


@dataclasses.dataclass(frozen=True, slots=True)
class TemplateFile:
    """A file of a template.

    Attributes:
        path: relative, in the template; in workspaces too, but where a course renumbers.
        size: bytes.
        executable: whether its owner may run it.
        stamp: changes when the file does.
        stripes: reads it, in parts of at most a few MiB.
        target: what it has to be, if the manifest says that.
        only: of a file that the template has only as patches, what is known of it.
    """

    path: str
    size: int
    executable: bool
    stamp: Stamp
    stripes: Callable[[], Stripes]
    target: Target | None = None
    only: PatchOnly | None = None

    def read(self) -> bytes:
        """The whole file, which must be of at most LARGEST bytes.

        Raises:
            InvalidTemplate: it is larger than it was, or damaged.
            OSError: it cannot be read.
        """
        parts: list[bytes] = []
        left = LARGEST
        with contextlib.closing(self.stripes()) as stripes:
            for stripe in stripes:
                left -= len(stripe)
                if left < 0:
                    raise InvalidTemplate(f"{self.path}: larger than {LARGEST} bytes")
                parts.append(stripe)
        return b"".join(parts)


class Template:
    """A template, open until `close`. Also a context manager.

    Attributes:
        manifest: of it.
        files: that workspaces get, by path; of some it may hold patches alone.
        patches: for weights, by path in the template.
        version: of the template, normalised.
        course: that it is configured by, None as its author made it.
        extras: paths of the files that are the course's.
        recorded: paths of those of them that only the workspace itself has.
    """

    manifest: Manifest
    version: str
    files: Mapping[str, TemplateFile]
    patches: Mapping[str, TemplateFile]
    course: Course | None = None
    extras: Set[str] = frozenset()
    recorded: Set[str] = frozenset()

    def __init__(self, files: Mapping[str, TemplateFile], close: Callable[[], None]) -> None:
        """Reads the manifest and checks the files.

        Args:
            files: all of them, by path, the manifest among them.
            close: called once, when the template is closed, also after an error here.

        Raises:
            InvalidTemplate: there is no manifest, or it or the files break its rules.
            OSError: the manifest cannot be read.
        """
        self._close = close
        try:
            if FILE_NAME not in files:
                raise InvalidTemplate(f"expected {FILE_NAME} in the template, found none")
            self.manifest = parse_manifest(files[FILE_NAME].read())
            self.version = str(self.manifest.version)
            check_files(self.manifest, files)
            unheld = unheld_files(self.manifest, files)
            total = sum(one.size for one in (*files.values(), *unheld.values()))
            if total > MOST_BYTES:
                raise InvalidTemplate(f"expected at most {MOST_BYTES} bytes, found {total}")
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

    def patch_only(self) -> dict[str, PatchOnly]:
        """The files of which it holds patches alone, by path."""
        return {path: one.only for path, one in self.files.items() if one.only is not None}

    def contents(self, stamps: Stamps) -> dict[str, Content]:
        """What the template holds, as the planner takes it.

        Args:
            stamps: hashes of files that were looked at before.

        Raises:
            InvalidTemplate, OSError: as `content_of`.
        """
        return {path: content_of(file, stamps) for path, file in self.files.items()}

    def close(self) -> None:
        """Closes what is open."""
        self._close()

    def __enter__(self) -> Template:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def unheld_files(manifest: Manifest, files: Mapping[str, TemplateFile]) -> dict[str, TemplateFile]:
    """The files of which a template holds patches alone, by path.

    Args:
        manifest: of it.
        files: all that it holds.
    """
    return {
        path: TemplateFile(
            path=path,
            size=only.target.size,
            executable=False,
            stamp=stamp_of_name(only.target.hash, only.target.size),
            stripes=partial(not_held, path, only),
            only=only,
        )
        for path, only in patch_only(manifest.patches, files).items()
    }


def not_held(path: str, only: PatchOnly) -> Stripes:
    """Reads a file that the template does not hold.

    Raises:
        InvalidTemplate: always; plans do not come to that.
    """
    raise InvalidTemplate(f"{path}: {only}")


def content_of(file: TemplateFile, stamps: Stamps) -> Content:
    """What a template's file holds, or patches lead to, as the planner takes it.

    Raises:
        InvalidTemplate: it is not what the manifest says that patches lead to.
        OSError: it cannot be read.
    """
    if file.only is not None:
        return file.only.content(None)
    # Not a path of a workspace: those begin with no slash.
    key = f"/template/{file.path}"
    found = stamps.hash_of(key, file.stamp, partial(hash_of, file))
    if file.target is not None and found != file.target.hash:
        raise InvalidTemplate(
            f"{file.path}: expected {file.target.hash}, to which patches lead by the manifest, "
            f"found {found}; text with CRLF cannot be named so"
        )
    return Content(found, file.executable)


def hash_of(file: TemplateFile) -> str:
    """The canonical hash of a template's file."""
    if file.size > LARGEST:
        return raw_hash(file.stripes())
    return content_hash(file.read(), file.path)


@contextlib.contextmanager
def located(source: object) -> Iterator[None]:
    """Puts the name of a template, or of a part of it, before what is wrong with it."""
    try:
        yield
    except InvalidTemplate as e:
        raise e.behind(str(source)) from e


def is_litter(path: str) -> bool:
    """Whether a file lies in a template by accident."""
    return path.endswith(".pyc") or not LITTER.isdisjoint(path.split("/"))
