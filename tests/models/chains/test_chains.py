"""Chains of patches: made, appended to, taken apart; applied forward and back from any link."""

from __future__ import annotations

import hashlib
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings, strategies as st

from sapwood import create_patch, models
from sapwood.errors import (
    InputError,
    InvalidPatch,
    SourceHashMismatch,
    TargetHashMismatch,
)
from sapwood.files.sources import Source
from sapwood.models import Version
from support.chain_files import (
    BLOCK,
    Record,
    backs,
    chain_of,
    opened,
    patch_between,
    patches,
    versions,
    written,
)
from support.model_files import safetensors_file, tuned, weights

pytestmark = pytest.mark.quick

FILES = versions(4)
CHAIN = chain_of(FILES)
ONE_WAY = chain_of(FILES, reverse=False)


def applied(source: Any, chain: Any = CHAIN, **options: Any) -> bytes:
    out = io.BytesIO()
    models.apply_chain(source, chain, out, **options)
    return out.getvalue()


def test_a_chain_is_what_the_specification_says() -> None:
    forward, back = patches(FILES), backs(FILES)
    records = [
        one for a, b in zip(forward, back, strict=True) for one in (Record(a), Record(b, kind=2))
    ]
    assert written(*records) == CHAIN
    assert written(*map(Record, forward)) == ONE_WAY
    assert len(CHAIN) % BLOCK == 0


def test_what_a_chain_says_of_itself() -> None:
    found = opened(CHAIN)
    assert (found.size, found.unfinished) == (len(CHAIN), 0)
    assert [version.sha256 for version in found.versions] == [
        hashlib.sha256(file).digest() for file in FILES
    ]
    assert {version.size for version in found.versions} == {len(FILES[0])}
    assert [(one.number, one.reverse) for one in found.links] == [
        (number, reverse) for number in range(3) for reverse in (False, True)
    ]
    for one in found.links:
        patch = CHAIN[one.offset : one.offset + one.size]
        assert patch == (backs if one.reverse else patches)(FILES)[one.number]
        assert one.patch == patch[72:104]
    assert len(opened(ONE_WAY).links) == len(found.forward) == 3


@pytest.mark.parametrize("to", range(4))
@pytest.mark.parametrize("start", range(4))
def test_every_version_is_made_from_every_other(start: int, to: int, tmp_path: Path) -> None:
    output = tmp_path / "model"
    output.write_bytes(FILES[start])
    told: list[tuple[int, int]] = []
    found = models.apply_chain(
        output,
        CHAIN,
        output,
        to=to,
        receiving=models.Receiving(progress=lambda done, total: told.append((done, total))),
    )
    assert output.read_bytes() == FILES[to]
    assert list(tmp_path.iterdir()) == [output]
    assert found.source == opened(CHAIN).versions[start]
    assert found.target == opened(CHAIN).versions[to]
    expected = [(i, False) for i in range(start, to)] or [
        (i, True) for i in reversed(range(to, start))
    ]
    assert [(one.number, one.reverse) for one in found.links] == expected
    whole = abs(to - start) * len(FILES[0])
    assert told == sorted(told)
    assert {total for _, total in told} <= {whole}
    assert not whole or told[-1] == (whole, whole)


def test_a_version_is_named_by_number_or_digest() -> None:
    digest = hashlib.sha256(FILES[1]).digest()
    for to in (1, -3, digest, digest.hex(), digest.hex().upper()):
        assert applied(FILES[3], to=to) == FILES[1]
    assert applied(FILES[0]) == FILES[3]
    for wrong in (4, -5, True, b"short", "0" * 63, "g" * 64, bytes(32), None):
        with pytest.raises(InputError):
            applied(FILES[0], to=wrong)


def test_the_nearest_of_several_sources_is_taken(tmp_path: Path) -> None:
    for i in (0, 2):
        (tmp_path / f"v{i}").write_bytes(FILES[i])
    (tmp_path / "other").write_bytes(FILES[0][:-1] + b"x")  # of the same size
    out = io.BytesIO()
    assert len(models.apply_chain(tmp_path, CHAIN, out).links) == 1
    assert out.getvalue() == FILES[3]
    sources: list[Source] = [b"something else", FILES[0], tmp_path / "v2"]
    assert len(models.apply_chain(sources, CHAIN, io.BytesIO(), to=1).links) == 1


def test_a_file_that_is_no_version_is_refused() -> None:
    for source in (b"", FILES[0][:-1], FILES[0][:-1] + b"x", [b"a", b"b"]):
        with pytest.raises(SourceHashMismatch, match="none of the 4 versions"):
            applied(source)


def test_without_reverse_patches_no_way_leads_back() -> None:
    assert applied(FILES[1], ONE_WAY) == FILES[3]
    with pytest.raises(InputError, match="over links 1, 2; give version 1 itself, or an older"):
        applied(FILES[3], ONE_WAY, to=1)
    out = io.BytesIO()
    models.create_chain(patches(FILES), out, reverse=[backs(FILES)[2]])
    assert applied(FILES[3], out.getvalue(), to=2) == FILES[2]
    with pytest.raises(InputError, match="over link 1;"):
        applied(FILES[3], out.getvalue(), to=1)


def test_a_version_that_came_back_is_a_shorter_way() -> None:
    a, b, c = FILES[:3]
    out = io.BytesIO()
    models.create_chain(patches([a, b, c, b]), out)
    found = opened(out.getvalue())
    assert found.versions[1] == found.versions[3]
    assert applied(b, out.getvalue()) == b
    assert applied(c, out.getvalue(), to=1) == b  # forward


def test_patches_come_out_as_they_went_in(tmp_path: Path) -> None:
    for i in range(3):
        for reverse in (False, True):
            out = tmp_path / "patch"
            link = models.extract_patch(CHAIN, i, out, reverse=reverse)
            assert out.read_bytes() == (backs if reverse else patches)(FILES)[i]
            assert (link.number, link.reverse) == (i, reverse)
    models.extract_patch(CHAIN, -1, out)
    assert out.read_bytes() == patches(FILES)[2]
    with pytest.raises(InputError, match="no reverse"):
        models.extract_patch(ONE_WAY, 0, out, reverse=True)
    with pytest.raises(InputError, match="from 0 to 2"):
        models.extract_patch(CHAIN, 3, out)
    assert out.read_bytes() == patches(FILES)[2]


def test_what_does_not_follow_is_refused(tmp_path: Path) -> None:
    one, two, three = patches(FILES)
    tensor = create_patch(np.zeros(9), np.ones(9)).to_bytes()
    merged = io.BytesIO()
    models.create_patch([FILES[0], FILES[1]], FILES[2], merged)
    output = tmp_path / "chain"
    for wrong, words in (
        ([], "at least one"),
        ([one, three], "link 1 leads on from"),
        ([two, one], "link 1 leads on from"),
        ([one, backs(FILES)[1]], "link 1 leads on from"),
        ([tensor], "one of a tensor"),
        ([merged.getvalue()], "2 bases"),
    ):
        with pytest.raises(InputError, match=words):
            models.create_chain(wrong, output)
    for reverse in ([backs(FILES)[1]], [backs(FILES)[0]] * 2, [one]):
        with pytest.raises(InputError, match="back over none"):
            models.create_chain([one], output, reverse=reverse)
    assert list(tmp_path.iterdir()) == []


def test_a_patch_of_folders_is_no_link(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    models.create_patch(folder, FILES[0], tmp_path / "patch")
    with pytest.raises(InvalidPatch, match="one of a folder"):
        models.create_chain([tmp_path / "patch"], tmp_path / "chain")
    assert not (tmp_path / "chain").exists()


def test_a_damaged_link_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    link = opened(CHAIN).link(1)
    chain = bytearray(CHAIN)
    chain[link.offset + link.size - 1] ^= 1  # in the body, which opening does not read
    with pytest.raises(InvalidPatch, match="link 1 of the chain: damaged body"):
        models.apply_chain(FILES[0], chain, tmp_path / "model")
    with pytest.raises(InvalidPatch, match="damaged body"):
        models.extract_patch(chain, 1, tmp_path / "patch")
    assert applied(FILES[2], chain) == FILES[3]  # it is not on this way
    assert list(tmp_path.iterdir()) == []


def test_a_chain_that_names_a_version_wrongly_is_refused() -> None:
    a, b = FILES[:2]
    lying = with_digest(patch_between(a, b), hashlib.sha256(b).hexdigest(), "0" * 64)
    out = io.BytesIO()
    models.create_chain([lying], out)
    for source in (a, b):  # of b no link is applied
        with pytest.raises(TargetHashMismatch, match="expected SHA-256 0000"):
            applied(source, out.getvalue())


def with_digest(patch: bytes, old: str, new: str) -> bytes:
    """A patch whose header names another digest, with its own digest right again."""
    changed = patch.replace(old.encode(), new.encode())
    lengths = [int.from_bytes(patch[at : at + 4], "little") for at in (12, 16, 24)]
    front = 104 + sum(lengths)
    name = blake3(changed[:72] + changed[104:front]).digest()
    return changed[:72] + name + changed[104:]


def test_versions_on_the_way_are_beside_the_output_and_never_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setattr("tempfile.tempdir", None)
    source, chain = tmp_path / "v0", tmp_path / "chain"
    source.write_bytes(FILES[0])
    chain.write_bytes(CHAIN)
    names: set[str] = set()

    class Stop(BaseException):
        pass

    def look(done: int, total: int) -> None:
        names.update(path.name for path in tmp_path.iterdir())
        if done > 2.5 * len(FILES[0]):
            raise Stop

    before = sorted(tmp_path.iterdir())
    with pytest.raises(Stop):
        models.apply_chain(
            source, chain, tmp_path / "out", receiving=models.Receiving(progress=look)
        )
    assert sorted(tmp_path.iterdir()) == before
    assert len(names - {"v0", "chain"}) == 1  # the output's own; the others have no name


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.data(),
)
@settings(max_examples=40)
def test_a_way_is_the_shortest(line: list[int], both: list[bool], data: st.DataObject) -> None:
    files = [FILES[i] for i in line]
    pairs = list(itertools.pairwise(files))
    back = [patch_between(b, a) for (a, b), kept in zip(pairs, both, strict=False) if kept]
    out = io.BytesIO()
    found = models.create_chain([patch_between(a, b) for a, b in pairs], out, reverse=back)
    start, to = (data.draw(st.integers(0, len(line) - 1)) for _ in range(2))
    steps = distances(found.links, found.versions[start])
    if found.versions[to] not in steps:
        with pytest.raises(InputError, match="cannot be made from"):
            applied(files[start], out.getvalue(), to=to)
        return
    made_file = io.BytesIO()
    result = models.apply_chain(files[start], out.getvalue(), made_file, to=to)
    assert made_file.getvalue() == files[to]
    assert len(result.links) == steps[found.versions[to]]


def distances(links: tuple[models.Link, ...], start: Version) -> dict[Version, int]:
    """How many links each version is from one, by relaxing all links again and again."""
    found = {start: 0}
    for _ in links:
        for one in links:
            if one.base in found:
                steps = found[one.base] + 1
                found[one.target] = min(steps, found.get(one.target, steps))
    return found


def test_a_squashed_chain_is_the_patch_made_directly(tmp_path: Path) -> None:
    output = tmp_path / "patch"
    for first, last in ((0, -1), (1, 3), (0, 1), (3, 0)):
        stats = models.squash_chain(FILES[0], CHAIN, output, first=first, last=last)
        assert output.read_bytes() == patch_between(FILES[first], FILES[last])
        assert stats.patch_size == output.stat().st_size
    models.squash_chain(FILES[2], CHAIN, output)  # goes back to the first version
    assert output.read_bytes() == patch_between(FILES[0], FILES[3])
    assert stats.patch_size < sum(map(len, patches(FILES)))
    with pytest.raises(InputError, match="both versions are one"):
        models.squash_chain(FILES[0], CHAIN, output, first=-1)
    with pytest.raises(InputError, match="cannot be made"):
        models.squash_chain(FILES[2], ONE_WAY, output)
    with pytest.raises(SourceHashMismatch):
        models.squash_chain(b"other", CHAIN, output)
    assert output.read_bytes() == patch_between(FILES[0], FILES[3])
    assert list(tmp_path.iterdir()) == [output]


def test_squashing_tells_its_progress_and_makes_the_way_back(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    models.squash_chain(
        FILES[0],
        CHAIN,
        tmp_path / "to",
        reverse=tmp_path / "fro",
        receiving=models.Receiving(progress=lambda done, total: told.append((done, total))),
    )
    assert (tmp_path / "fro").read_bytes() == patch_between(FILES[3], FILES[0])
    assert told == sorted(told)
    assert told[-1] == (5 * len(FILES[0]),) * 2


def test_versions_of_other_sizes_and_formats() -> None:
    grown = safetensors_file({"a": weights(1, (40, 64)), "b": tuned(weights(2, (64, 64)), 3)})
    files = [FILES[0], grown, b"", b"no model at all", FILES[1]]
    chain = io.BytesIO()
    models.create_chain(patches(files), chain, reverse=backs(files))
    for i, file in enumerate(files):
        for j, other in enumerate(files):
            assert applied(file, chain.getvalue(), to=j) == other, (i, j)
