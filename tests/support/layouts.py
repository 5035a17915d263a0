"""What every layout of a model file must keep, whatever its format and its bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

from sapwood.errors import InvalidModelFile
from sapwood.modelfile import FORMATS, ModelFile, open_model
from sapwood.tensors import TensorSpec

Reader: TypeAlias = Callable[[memoryview], ModelFile]
Contents: TypeAlias = dict[str, tuple[TensorSpec, bytes]]
"""Each tensor's spec and bytes, by its name."""


def assert_covers(layout: ModelFile, size: int) -> None:
    """Tensors and skeleton hold each byte of the file once, and ascend."""
    tensors = [(entry.offset, entry.spec.nbytes) for entry in layout.tensors]
    assert tensors == sorted(tensors)
    assert all(length > 0 for _, length in layout.skeleton)
    at = 0
    for offset, length in sorted([*tensors, *layout.skeleton]):
        assert offset == at
        at += length
    assert at == size == layout.size


def opened(file: bytes) -> ModelFile:
    """The layout of any bytes, which covers them, as every reader's does that takes them."""
    view = memoryview(file)
    layout = open_model(view)
    assert_covers(layout, len(file))
    for one in FORMATS:
        found = outcome(one.read, view)
        if isinstance(found, ModelFile):
            assert_covers(found, len(file))
        else:
            assert found.offset is not None
            assert 0 <= found.offset <= len(file)
            assert len(str(found)) < 500
    return layout


def outcome(read: Reader, view: memoryview) -> ModelFile | InvalidModelFile:
    """What a reader gives, or why it refuses."""
    try:
        return read(view)
    except InvalidModelFile as e:
        return e


def assert_refused(file: bytes, reason: str) -> None:
    """The file is taken as bytes, with a warning that gives the reason."""
    layout = opened(file)
    assert (layout.format, layout.tensors) == ("bytes", ())
    assert layout.warning is not None
    assert reason in layout.warning


def tensors_in(file: bytes, expected_format: str) -> Contents:
    """The tensors of a sound file of a format."""
    layout = opened(file)
    assert (layout.format, layout.warning) == (expected_format, None)
    return tensors_of(layout, file)


def tensors_of(layout: ModelFile, file: bytes) -> Contents:
    """The tensors of a file, whose names are unique."""
    found = {entry.name: (entry.spec, file[entry.offset : entry.end]) for entry in layout.tensors}
    assert len(found) == len(layout.tensors)
    return found


def contents(file: bytes) -> dict[str, tuple[str, bytes]]:
    """Each tensor's spec in words and its bytes, by its name."""
    return {
        name: (str(spec), data) for name, (spec, data) in tensors_of(opened(file), file).items()
    }


def assert_harmless(file: bytes) -> None:
    """Any layout of it covers it; if none is found, it is all skeleton."""
    layout = opened(file)
    found = tensors_of(layout, file)
    assert layout.format != "bytes" or not found


def assert_survives_damage(file: bytes, places: range) -> None:
    """Every byte at these places may be anything: the layout still covers the file."""
    for place in places:
        for value in (0, 1, 0x7F, 0x80, 0xFF, file[place] ^ 1):
            opened(file[:place] + bytes([value]) + file[place + 1 :])


def assert_prefixes_open(file: bytes) -> None:
    """Every prefix has a layout that covers it."""
    for length in range(len(file)):
        opened(file[:length])


def assert_damage_is_harmless(file: bytes, *, rounds: int = 2000, seed: int = 1) -> None:
    """Every prefix, and the file with bytes changed, is read or taken as bytes."""
    for length in range(len(file)):
        assert_harmless(file[:length])
    chance = random.Random(seed)
    for _ in range(rounds):
        damaged = bytearray(file)
        for _ in range(chance.choice([1, 1, 2, 8])):
            damaged[chance.randrange(len(file))] = chance.choice(
                [0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)]
            )
        assert_harmless(bytes(damaged))
