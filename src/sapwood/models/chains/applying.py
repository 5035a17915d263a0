"""Goes along the links of a chain, forward and back, from the version that there is."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from blake3 import blake3

from sapwood.content.content import Bytes
from sapwood.errors import Changed, InputError, SourceHashMismatch, TargetHashMismatch
from sapwood.files.holes import SparseWriter
from sapwood.files.outputs import PLACE, Output, atomic_output, output_place
from sapwood.files.paths import path_name
from sapwood.files.refusals import os_errors
from sapwood.files.sources import Source, contents, folder_of, mapped, read_source
from sapwood.models.applying.bases import source_list
from sapwood.models.applying.whole import write_target
from sapwood.models.chains.files import patch_of
from sapwood.models.chains.format import parse_chain
from sapwood.models.chains.versions import Chain, Link, Version
from sapwood.models.locating import located
from sapwood.models.receiving.opening import receive
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.models.remarks import unfit
from sapwood.patch.applying.opening import open_patch
from sapwood.progress import Stages


@dataclasses.dataclass(frozen=True, slots=True)
class ChainApplication:
    """What applying a chain came to.

    Attributes:
        source: the version that was found.
        target: the version that was made.
        links: the links that were applied, in this order; none where the source is the target.
        signature_valid: True where a key is trusted and every link was signed as
            demanded; None where nobody is trusted, or no link applied.
        counter: the highest of those that links were accepted with. Keep it: the next
            patch's should be higher. None where none were.
        unfinished: bytes at the end of the chain, of a link that is not whole.
    """

    source: Version
    target: Version
    links: tuple[Link, ...]
    signature_valid: bool | None = None
    counter: int | None = None
    unfinished: int = 0

    def to_json(self) -> dict[str, Any]:
        """What was made and on which way, as JSON values; `unfinished` is told apart."""
        return {
            "source": self.source.to_json(),
            "target": self.target.to_json(),
            "links": [one.to_json() for one in self.links],
            "signature_valid": self.signature_valid,
            "counter": self.counter,
        }


def apply_chain(
    source: Source | Sequence[Source],
    chain: Source,
    output: Output,
    *,
    to: int | bytes | str = -1,
    receiving: Receiving = ANYBODY,
) -> ChainApplication:
    """Makes a version of a chain from any other one.

    Which version the source is is told by its BLAKE3. From there it goes the shortest way:
    forward, or back where links have reverse patches. Every link on it is checked before any
    is applied, and each version on the way by its SHA-256; the output takes its name only
    when the last one is right. Versions on the way go to files without a name
    beside the output: there are two of them at most at a time, and none is ever left behind.

    Args:
        source: a version of the chain: a path, bytes or a file object, or a list of several,
            of which the nearest is taken; a folder stands for the files in it and below.
        chain: a path, bytes or a file object.
        output: a path, which may be that of `source`, or a binary file object.
        to: the version to make: its number, a negative one from the end (-1 is the
            newest), or its SHA-256 as 32 bytes or in hexadecimal.
        receiving: as of `apply_patch`. Every link that is applied must be signed as its trust
            demands; going forward, no link may have a lower counter than the one before it either,
            as if they had come one by one. Its progress is told how many bytes are done, of all
            versions that are made.

    Raises:
        SourceHashMismatch: the source is no version of the chain.
        InputError: the chain has no version `to`, or no way leads there from the source.
        SignatureError: a link is not signed as demanded.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, TargetHashMismatch,
            IoError: as `apply_patch`.
        After any of these the output is as it was.
    """
    count = receiving.most_threads
    data = read_source(chain)
    found = parse_chain(data, receiving.allowed)
    goal = found.version(to)
    here, version = nearest(found, source, goal, count)
    way = way_between(found, version, goal)
    signed = check_links(data, way, receiving)
    stages = Stages(sum(link.target.size for link in way), receiving.progress)
    with atomic_output(output) as out:
        walk = Walk(data, folder_beside(output), receiving, stages)
        if way:
            walk.write(walk.along(here, way[:-1]), way[-1], out)
        else:
            _copy_version(here, goal, out)
    return ChainApplication(version, goal, way, *signed, found.unfinished)


def nearest(
    chain: Chain, source: Source | Sequence[Source], goal: Version, threads: int
) -> tuple[Bytes, Version]:
    """What is fewest links from a goal among the sources and below those that are folders.

    Raises:
        SourceHashMismatch: none is a version of the chain.
        InputError: none from which a way leads to the goal.
        IoError: a source cannot be read.
    """
    versions = {one.blake3: one for one in chain.versions}
    sizes = {one.size for one in chain.versions}
    best: tuple[Bytes, Version] | None = None
    least = 0
    seen: Version | None = None
    for data in contents(source_list(source), sizes.__contains__):
        if len(data) not in sizes:
            continue
        version = versions.get(blake3(data.data, max_threads=threads).digest())
        way = None if version is None else chain.way(version, goal)
        seen = version or seen
        if version is not None and way is not None and (best is None or len(way) < least):
            best, least = (data, version), len(way)
            if not way:
                break
    if best is not None:
        return best
    if seen is None:
        remarks = "".join(_remarks(source_list(source), chain))
        raise SourceHashMismatch(
            f"wrong base: it is none of the {len(versions)} versions that the chain leads "
            f"through; give one of them{remarks}"
        )
    raise _no_way(chain, seen, goal)


def _remarks(sources: Sequence[Source], chain: Chain) -> Iterator[str]:
    """What to say of files that are no version of a chain."""
    wanted = [one.sha256 for one in chain.versions]
    for one in sources:
        if isinstance(one, str | os.PathLike) and folder_of(one) is None:
            yield unfit(path_name(one), read_source(one), wanted)


def way_between(chain: Chain, start: Version, end: Version) -> tuple[Link, ...]:
    """The links from one version to another.

    Raises:
        InputError: there is no way.
    """
    way = chain.way(start, end)
    if way is None:
        raise _no_way(chain, start, end)
    return way


def _no_way(chain: Chain, start: Version, end: Version) -> InputError:
    """Why it cannot be gone back."""
    versions = chain.versions
    backs = {one.number for one in chain.links if one.reverse}
    begin, goal = versions.index(start), versions.index(end)
    missing = [str(i) for i in range(goal, begin) if i not in backs]
    return InputError(
        f"version {goal} cannot be made from version {begin}: no reverse patch leads back over "
        f"link{'s' if len(missing) > 1 else ''} {', '.join(missing[:10])}; "
        f"give version {goal} itself, or an older one"
    )


def check_links(
    data: Bytes, way: Sequence[Link], receiving: Receiving
) -> tuple[bool | None, int | None]:
    """Checks every patch on a way, and what it is accepted for, one after another.

    Returns:
        `signature_valid` and `counter` of a `ChainApplication`.

    Raises:
        SignatureError: a link is not signed as demanded.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: one is damaged.
    """
    counter = None
    for link in way:
        with (
            located(f"{link.label} of the chain"),
            receive(patch_of(data, link), receiving) as received,
        ):
            accepted = received.accepted
        if accepted is None:
            continue
        counter = max(accepted.counter, counter or 0)
        if receiving.trust is not None and not link.reverse:
            # What was accepted has no lower counter than was demanded.
            trust = dataclasses.replace(receiving.trust, minimum_counter=accepted.counter)
            receiving = dataclasses.replace(receiving, trust=trust)
    return (None if counter is None else True), counter


def _copy_version(data: Bytes, version: Version, out: IO[bytes]) -> None:
    """Writes what has the size and BLAKE3 of a version, and is to have its SHA-256.

    Raises:
        TargetHashMismatch: it has another: whoever made the chain named it wrongly.
        OSError: from the file.
    """
    actual = hashlib.sha256(data.data).digest()
    if actual != version.sha256:
        raise TargetHashMismatch(
            f"expected SHA-256 {version.sha256.hex()}, found {actual.hex()}; get the chain anew"
        )
    writer = SparseWriter(out)
    writer.write(data)
    writer.finish()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Makes versions one from another.

    Attributes:
        chain: the bytes of its file, borrowed; the patches on the way were checked.
        folder: the folder for versions on the way; None for that of temporary files.
        receiving: what the patches may take; their signatures were checked.
        stages: stages of progress, of which each version takes the next.
    """

    chain: Bytes
    folder: Path | None
    receiving: Receiving
    stages: Stages

    def along(self, base: Bytes, way: Sequence[Link]) -> Bytes:
        """The version at the end of a way: memory-mapped, from a file that has no name.

        The file of each version is gone when the next one was made.

        Raises:
            InvalidPatch, TargetHashMismatch: a patch or the base changed meanwhile.
            IoError: a file cannot be written.
        """
        place = self.folder or PLACE
        for link in way:
            with os_errors(place), tempfile.TemporaryFile(dir=self.folder) as file:
                self.write(base, link, file)
                file.flush()
                base = mapped(file)
        return base

    def write(self, base: Bytes, link: Link, out: IO[bytes]) -> None:
        """Writes the target of one link.

        The base was told by its digest, or made here and compared with its SHA-256.

        Raises:
            Changed: the chain changed while it was read.
            InvalidPatch, TargetHashMismatch: the patch or the base changed meanwhile.
            IoError: `out` cannot be written.
        """
        with located(f"{link.label} of the chain"):
            data = read_source(patch_of(self.chain, link))
            opened = open_patch(data, self.receiving.allowed)
            if opened.front.digest != link.patch:
                raise Changed("the chain changed while it was read, nothing was written; try again")
            progress = self.stages.stage(link.target.size)
            write_target(opened, [base], self.receiving.fitting(opened), out, progress)


def folder_beside(output: Output) -> Path | None:
    """The folder that a file is written in; None of what is no ordinary file."""
    if not isinstance(output, str | os.PathLike):
        return None
    place = output_place(output)
    return place.path.parent if place.is_file else None
