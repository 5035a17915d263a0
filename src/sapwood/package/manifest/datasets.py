"""Data that a package names and does not hold: downloaded on demand, told by its hash."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from urllib.parse import urlsplit

from sapwood.documents.fields import Fields
from sapwood.documents.paths import clash_among, portable_name
from sapwood.fetching import urls as web
from sapwood.package.manifest.values import entries_in, sha256_in

MOST_DATA_FILES = 1000  # of all data of a package
MOST_URLS = 20  # of one file
LONGEST_URL = 2000  # letters
LARGEST = 1 << 40  # bytes of one file
LONGEST_NAME = 200  # bytes: endings are put behind it
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclasses.dataclass(frozen=True, slots=True)
class DataFile:
    """One file to download.

    Attributes:
        name: name of the file, without folders.
        sha256: digest of the file's bytes, 64 hexadecimal digits in lower case.
        size: bytes of the file; no more are ever written.
        urls: addresses of the file, tried in order.
    """

    name: str
    sha256: str
    size: int
    urls: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Dataset:
    """Files that are downloaded together.

    Attributes:
        name: the word that it is asked for by.
        files: the files, at least one.
    """

    name: str
    files: tuple[DataFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in self.files)

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that stand for the names and bytes of its files.

        Versions of a package, and packages of one name, whose data differs do not meet.
        """
        lines = "".join(f"{one.sha256} {one.name}\n" for one in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()[:12]


def datasets_of(table: Fields) -> tuple[Dataset, ...]:
    """The data that a manifest names, in its order; entries of one name belong together.

    Args:
        table: the manifest.

    Raises:
        The table's error: there are too many files; a name, a hash, a size or a URL is none; or
            two files of one name cannot lie in one folder.
    """
    files: dict[str, list[DataFile]] = {}
    for one in entries_in(table, "data", MOST_DATA_FILES):
        one.only(("name", "file", "sha256", "size", "urls"))
        name = one.text("name")
        if not NAME.fullmatch(name) or portable_name(name) is not None:
            raise one.fail("name", f"expected up to 64 of a-z, 0-9, - and _, found {name!r:.80}")
        files.setdefault(name, []).append(_file_of(one))
    for name, together in files.items():
        clash = clash_among(one.name for one in together)
        if clash:
            raise table.fail("data", f"{name}: {clash[0]!r:.80} and {clash[1]!r:.80} are one name")
    return tuple(Dataset(name, tuple(together)) for name, together in files.items())


def _file_of(table: Fields) -> DataFile:
    """One file."""
    name = table.text("file")
    fault = _fault_of_file(name)
    if fault:
        raise table.fail("file", f"{name!r:.80}: {fault}")
    sha256 = sha256_in(table)
    size = table.size("size")
    if not 1 <= size <= LARGEST:
        raise table.fail("size", f"expected 1 to {LARGEST} bytes, found {size}")
    urls = table.optional_texts("urls")
    if not 1 <= len(urls) <= MOST_URLS:
        raise table.fail("urls", f"expected 1 to {MOST_URLS}, found {len(urls)}")
    for number, url in enumerate(urls):
        fault = fault_of_url(url)
        if fault:
            raise table.fail(f"urls[{number}]", fault)
    return DataFile(name, sha256, size, tuple(urls))


def _fault_of_file(name: str) -> str | None:
    """What is wrong with the name of a file that is downloaded, or None."""
    fault = portable_name(name)
    if fault is not None:
        return fault
    if name.startswith("."):
        return "begins with a dot, as what the cache keeps of itself does"
    if len(name.encode()) > LONGEST_NAME:
        return f"a name of more than {LONGEST_NAME} bytes"
    return None


def fault_of_url(url: str) -> str | None:
    """What is wrong with a URL from outside, or None. The URL is not shown: it may hold secrets."""
    if len(url) > LONGEST_URL or not re.fullmatch(r"[!-~]+", url):
        return f"expected a URL of at most {LONGEST_URL} letters, all of them visible and ASCII"
    fault = web.fault_of_url(url)
    if fault is None and "@" in urlsplit(url).netloc:
        return "expected no user and password: whoever has the package could read them"
    return fault
