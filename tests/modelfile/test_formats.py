"""A format is one value: another one, in its own module and the tuple, is known everywhere."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sapwood import modelfile, models
from sapwood.errors import InputError, InvalidModelFile, UnsupportedType
from sapwood.modelfile import (
    FORMATS,
    ModelFile,
    SmallTensors,
    TensorEntry,
    apparent_format,
    format_named,
    open_model,
)
from sapwood.modelfile.format import Format, Marks
from sapwood.modelfile.layout import laid_out
from sapwood.patch.format.parsing import parse_front
from sapwood.tensors import DType, TensorSpec
from support.layouts import contents, opened
from support.model_files import patched, weights
from support.places import FUZZ

pytestmark = pytest.mark.quick

CORPUS = {path.name: path.read_bytes() for path in (FUZZ / "corpus" / "modelfiles").iterdir()}


def read_tiny(view: memoryview) -> ModelFile:
    """A made-up format: magic, a count, as many lengths, and tensors of f32, end to end."""
    start = 5 + 2 * view[4]
    if start > len(view):
        raise InvalidModelFile("expected the lengths of tensors; the file is cut off", offset=5)
    tensors = []
    for i, length in enumerate(np.frombuffer(view[5:start], "<u2")):
        spec = TensorSpec(DType.F32, (int(length),))
        tensors.append(TensorEntry(f"t{i}", spec, start))
        start += spec.nbytes
    return laid_out("tiny", len(view), tensors)


TINY = Format("tiny", Marks({0: b"TINY"}), read_tiny)
SIZES = (3000, 5, 2000)  # elements; the second tensor takes less than a segment


def tiny(step: float = 0.0, sizes: tuple[int, ...] = SIZES) -> bytes:
    arrays = [weights(i, (size,), DType.F32) + np.float32(step) for i, size in enumerate(sizes)]
    lengths = np.array(sizes, "<u2").tobytes()
    return b"TINY" + bytes([len(sizes)]) + lengths + b"".join(one.tobytes() for one in arrays)


@pytest.fixture
def known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line in the tuple, of the format or of one that differs in some facts."""
    facts = getattr(request, "param", {})
    more = (*FORMATS, dataclasses.replace(TINY, **facts))
    monkeypatch.setattr(modelfile, "FORMATS", more)


def with_facts(**facts: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("known", [facts], indirect=True, ids=[", ".join(facts)])


def named(patch: bytes) -> list[str]:
    """The tensors that a patch names."""
    return [one.name for one in parse_front(patch).segments if one.name]


def test_what_is_no_format_is_bytes() -> None:
    file = memoryview(tiny())
    assert (open_model(file).format, apparent_format(file)) == ("bytes", "bytes")


@pytest.mark.usefixtures("known")
def test_another_format_is_told_and_read() -> None:
    file = tiny()
    assert opened(file).format == apparent_format(memoryview(file)) == "tiny"
    assert [(name, spec) for name, (spec, _) in contents(file).items()] == [
        ("t0", "f32[3000]"), ("t1", "f32[5]"), ("t2", "f32[2000]"),
    ]  # fmt: skip
    broken = opened(file[:9])
    assert (broken.format, broken.tensors) == ("bytes", ())
    assert broken.warning == "expected the lengths of tensors; the file is cut off (at byte 5)"
    assert models.fingerprint(file).format == "tiny"


@pytest.mark.usefixtures("known")
def test_another_format_is_patched_by_its_tensors() -> None:
    base, target = tiny(), tiny(1e-3)
    patch, stats = patched(base, target)
    assert stats.tensors_modified == 3
    assert models.patch_info(patch).format == "tiny"
    loaded = models.load_patched(base, patch)
    assert list(loaded) == ["t0", "t1", "t2"]
    assert loaded["t2"].tobytes() == target[-8000:]
    with pytest.raises(InputError, match="gguf or safetensors, found 'tiny'"):
        loaded.update({name: loaded[name].copy() for name in loaded})


@with_facts(in_c_order=True)
@pytest.mark.usefixtures("known")
def test_tensors_in_c_order_are_written_into_a_live_model() -> None:
    base, target = tiny(), tiny(1e-3)
    live = {f"t{i}": np.zeros(size, np.float32) for i, size in enumerate(SIZES)}
    models.load_patched(base, patched(base, target)[0]).update(live)
    assert b"".join(one.tobytes() for one in live.values()) == target[11:]


@pytest.mark.parametrize(
    ("known", "left"),
    [
        ({"small_tensors": SmallTensors.NAMED}, ["t0", "t1", "t2"]),
        ({"small_tensors": SmallTensors.ISLANDS}, ["t0", "t1", "t2"]),  # nothing lies between them
        ({"small_tensors": SmallTensors.CRUMBS}, ["t0", "t2"]),
    ],
    indirect=["known"],
)
@pytest.mark.usefixtures("known")
def test_small_tensors_are_left_to_the_skeleton_of_some_formats(left: list[str]) -> None:
    assert named(patched(tiny(), tiny(1e-3))[0]) == left


@pytest.mark.parametrize(
    ("known", "count"),
    [({"by_tensors_alone": False}, 0), ({"by_tensors_alone": True}, 60)],
    indirect=["known"],
)
@pytest.mark.usefixtures("known")
def test_files_of_some_formats_are_never_patched_as_bytes(count: int) -> None:
    file = tiny(sizes=(200,) * 60)
    assert len(named(patched(file, file)[0])) == count


def test_no_two_formats_share_a_name() -> None:
    names = [name for one in FORMATS for name in one.names]
    assert len({*names, "bytes", "folder"}) == len(names) + 2
    assert all(format_named(name) is one for one in FORMATS for name in one.names)


@pytest.mark.parametrize("name", ["bytes", "folder", "", "a format of tomorrow"])
def test_nothing_is_known_of_other_names(name: str) -> None:
    found = format_named(name)
    assert not found.in_c_order
    assert not found.by_tensors_alone
    assert found.small_tensors is SmallTensors.NAMED


@pytest.mark.parametrize("entry", sorted(CORPUS))
def test_a_format_reads_its_own_files_and_refuses_others(entry: str) -> None:
    file = memoryview(CORPUS[entry])
    layout = open_model(file)
    for one in FORMATS:
        if layout.format in one.names:
            assert one.read(file) == layout
            if one.is_told_at_once:
                assert apparent_format(file[:16]) == one.name
        else:
            with pytest.raises(InvalidModelFile, match=f"expected a file in the format {one.name}"):
                one.read(file)


def test_a_format_takes_single_bytes_alone() -> None:
    with pytest.raises(UnsupportedType, match="4 bytes"):
        FORMATS[0].read(np.zeros(4, np.float32).data)
