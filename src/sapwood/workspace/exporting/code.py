"""Makes a Python module of the cells of a notebook that begin with '#| export'. Pure.

The directive is nbdev's. Cells come in their order, without the directive. The same cells give
the same bytes, and nothing else counts. The first line, the seal, has the hash of all that
follows, so that whoever reads the file can tell whether it was edited since.

No code is executed: it is compiled, to say in which cell an error is, and dropped.
"""

from __future__ import annotations

import hashlib
import re
import warnings

from sapwood.errors import InputError
from sapwood.package import UnreadableNotebook, parsed_notebook, reduced_cell, unix_ends

DIRECTIVE = re.compile(r"#[ \t]*\|[ \t]*(export\w*)(.*)")
SEAL = re.compile(rb"# sapwood-export (sha256:[0-9a-f]{64})\n")
IPYTHON = re.compile(r"\s*[%!?]|.*=\s*[%!]|.*\?\s*$")
MOST_BYTES = 1 << 20  # of a module; compiling takes some hundred times as much
APART = "\n\n\n"  # between cells


def exported_module(data: bytes, notebook: str) -> bytes:
    """The module that a notebook is exported as.

    Args:
        data: the notebook's bytes.
        notebook: the notebook's path in the workspace, for the head of the module and for errors.

    Returns:
        UTF-8 text with LF.

    Raises:
        InputError: the notebook cannot be read, no cell is marked, or what is marked is no
            Python; the message names cell and line.
    """
    cells = export_cells(data, notebook)
    if not cells:
        raise InputError(f"{notebook}: expected cells that begin with '#| export', found none")
    if sum(len(source) for _, source in cells) > MOST_BYTES:
        raise InputError(f"{notebook}: expected at most {MOST_BYTES} letters of code to export")
    for number, source in cells:
        fault = _fault_of_code(source)
        if fault is not None:
            line, message = fault
            raise InputError(f"{notebook}: cell {number}, line {line}: {message}")
    body = APART.join(without_directive(source) for _, source in cells)
    fault = _fault_of_code(body)
    if fault is not None:
        line, message = fault
        raise InputError(f"{notebook}: cell {_cell_at(cells, line)}: {message}")
    text = f"# Generated from {notebook}: edit that one, and export it again.\n\n{body}\n"
    return _sealed(text.encode())


def export_cells(data: bytes, notebook: str) -> list[tuple[int, str]]:
    """The marked cells of a notebook: number, from 1 on among all cells, and source.

    Args:
        data: the notebook's bytes.
        notebook: the notebook's path in the workspace, for errors.

    Raises:
        InputError: the notebook cannot be read, or a directive asks for more than we do.
    """
    try:
        cells = [reduced_cell(one) for one in parsed_notebook(data)["cells"]]
    except UnreadableNotebook as e:
        raise InputError(f"{notebook}: expected a notebook of format 4: {e}") from e
    marked_cells = []
    for number, cell in enumerate(cells, 1):
        if cell["type"] != "code":
            continue
        source = cell["source"].replace("\r", "\n").strip("\n")
        directive = DIRECTIVE.fullmatch(source.partition("\n")[0])
        if directive is None:
            continue
        if directive[1] != "export" or directive[2].strip():
            raise InputError(
                f"{notebook}: cell {number}: expected '#| export' alone, found {directive[0]!r:.80}"
            )
        marked_cells.append((number, source))
    return marked_cells


def without_directive(source: str) -> str:
    """The code of a marked cell."""
    return source.partition("\n")[2].strip("\n")


def _fault_of_code(source: str) -> tuple[int, str] | None:
    """Line, from 1 on, and message where code is no Python; None where it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's code
            compile(source, "cell", "exec", dont_inherit=True)
    except SyntaxError as e:
        line = e.lineno or 1
        lines = source.split("\n")
        text = lines[line - 1] if line <= len(lines) else ""
        if IPYTHON.match(text):
            return line, (
                f"expected Python, found {text.strip()!r:.80}, which only notebooks know; move it "
                "to a cell that is not exported"
            )
        return line, f"expected Python: {e.msg}"
    except ValueError as e:
        return 1, f"expected Python: {e}"
    except (RecursionError, MemoryError):
        return 1, "expected Python that can be compiled, found too many parts inside each other"
    return None


def _cell_at(cells: list[tuple[int, str]], line: int) -> int:
    """The number of the cell that a line of the joined code comes from."""
    for number, source in cells:
        line -= without_directive(source).count("\n") + len(APART)
        if line <= 0:
            return number
    return cells[-1][0]


def _sealed(rest: bytes) -> bytes:
    """A module with its seal."""
    return b"# sapwood-export sha256:%s\n" % hashlib.sha256(rest).hexdigest().encode() + rest


def is_sealed(data: bytes) -> bool:
    """Whether a file begins as one that was exported, whatever became of it since."""
    return SEAL.match(unix_ends(data)) is not None


def is_untouched(data: bytes) -> bool:
    """Whether a file is one that was exported, and not edited since; line ends do not count."""
    data = unix_ends(data)
    seal = SEAL.match(data)
    return seal is not None and _sealed(data[seal.end() :]) == data
