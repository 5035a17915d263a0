"""What holds of the layout of any file, whatever its format and its bytes."""

from __future__ import annotations

import random
from collections.abc import Callable

from sapwood.errors import InvalidModelFile
from sapwood.modelfile import ModelFile, open_model
from sapwood.tensors import TensorSpec

Contents = dict[str, tuple[TensorSpec, bytes]]  # each tensor's spec and bytes, by name


def assert_covers(layout: ModelFile, size: int) -> None:
    """Tensors and skeleton cover the file once; names are unique."""
    tensors = [(entry.offset, entry.spec.nbytes) for entry in layout.tensors]
    assert tensors == sorted(tensors)
    assert len({entry.name for entry in layout.tensors}) == len(tensors)
    assert all(length > 0 for _, length in layout.skeleton)
    at = 0
    for offset, length in sorted([*tensors, *layout.skeleton]):
        assert offset == at
        at += length
    assert at == size == layout.size


def contents(file: bytes, expected_format: str) -> Contents:
    """The tensors of a sound file."""
    layout = open_model(memoryview(file))
    assert (layout.format, layout.warning) == (expected_format, None)
    assert_covers(layout, len(file))
    return {entry.name: (entry.spec, file[entry.offset : entry.end]) for entry in layout.tensors}


def assert_refused(file: bytes, read: Callable[[memoryview], ModelFile], reason: str) -> None:
    """The reader refuses the file for that reason, and it is taken as bytes with a warning."""
    try:
        read(memoryview(file))
    except InvalidModelFile as e:
        found = str(e)
    else:
        raise AssertionError("the file was read")
    assert reason in found
    assert len(found) < 500
    layout = open_model(memoryview(file))
    assert (layout.format, layout.tensors, layout.warning) == ("bytes", (), found)
    assert_covers(layout, len(file))


def assert_harmless(file: bytes) -> None:
    """Any layout of it covers it; if none is found, it is all skeleton."""
    layout = open_model(memoryview(file))
    assert_covers(layout, len(file))
    if layout.format == "bytes":
        assert layout.tensors == ()


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
