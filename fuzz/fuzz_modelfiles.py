"""Fuzzes every reader of model files with atheris.

    python fuzz/fuzz_modelfiles.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/modelfiles

Whatever the bytes: only InvalidModelFile is raised, and the layout covers the file
once; so does that of a data file beside it, whatever the bytes say of that.
"""

from __future__ import annotations

import sys

from fuzz_safetensors import check_cover

from sapwood.errors import InvalidModelFile
from sapwood.modelfile import FORMATS, open_model
from sapwood.modelfile.folder import open_folder, whole_folder

BESIDE = bytes(64)  # a data file that external tensors may be in


def one_input(data: bytes) -> None:
    """One run: `data` as any file and as each format; an AssertionError is a finding."""
    view = memoryview(data)
    check_cover(open_model(view), len(data))
    for one in FORMATS:
        try:
            layout = one.read(view)
        except InvalidModelFile as e:
            if e.offset is None or not 0 <= e.offset <= len(data):
                raise AssertionError(f"error without a place in the file: {e}") from e
        else:
            check_cover(layout, len(data))
    one_folder(data)


def one_folder(data: bytes) -> None:
    """`data` as a model with a file beside it, in a folder."""
    files = {"m.bin": BESIDE, "m.model": data}
    layouts = open_folder([*files], lambda path: memoryview(files[path]))
    for path, layout in layouts.items():
        check_cover(layout, len(files[path]))
    whole_folder(layouts)


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
