"""Fuzzes the safetensors reader with atheris.

    python fuzz/fuzz_safetensors.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/safetensors

Whatever the bytes: only InvalidModelFile is raised, and the layout covers the file
once.
"""

from __future__ import annotations

import sys

from sapwood.errors import InvalidModelFile
from sapwood.modelfile import ModelFile, open_model
from sapwood.modelfile.safetensors import read_safetensors


def one_input(data: bytes) -> None:
    """One run: reads `data` as any file and as safetensors; an AssertionError is a finding."""
    view = memoryview(data)
    check_cover(open_model(view), len(data))
    try:
        layout = read_safetensors(view)
    except InvalidModelFile as e:
        if e.offset is None or not 0 <= e.offset <= len(data):
            raise AssertionError(f"error without a place in the file: {e}") from e
        return
    check_cover(layout, len(data))


def check_cover(layout: ModelFile, size: int) -> None:
    """Asserts that tensors and skeleton hold each byte once, in file order."""
    tensors = [(tensor.offset, tensor.spec.nbytes) for tensor in layout.tensors]
    if layout.size != size or tensors != sorted(tensors):
        raise AssertionError("wrong size or order")
    at = 0
    for offset, length in sorted([*tensors, *layout.skeleton]):
        if offset != at or length < 0:
            raise AssertionError(f"expected a range at byte {at}, found one at {offset}")
        at += length
    if at != size:
        raise AssertionError(f"ranges end at byte {at} of {size}")


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
