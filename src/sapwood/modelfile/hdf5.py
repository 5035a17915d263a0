"""Reads the layout of an HDF5 file, as Keras saves weights: where each dataset's elements lie.

What is read is the form that h5py writes unless it is told otherwise: the superblock of
version 0 or 1, objects with headers of version 1, groups with a B-tree and a heap of names.

    superblock   signature, versions, .. the header of the root group
    header       messages: of a group its tree and heap; of a dataset type, shape and place
    tree         "TREE" nodes over "SNOD" nodes, whose entries are a name and a header
    heap         "HEAP", the names, each ended by a zero

Datasets that lie in one piece are tensors. Chunked, compressed and compact ones, newer
forms of headers and groups, attributes and all else are skeleton. The library of HDF5 is
not used: it was not made for files of strangers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.format import Format, Marks
from sapwood.modelfile.layout import ModelFile, TensorEntry, laid_out
from sapwood.modelfile.naming import LONGEST_PART, Names, joined, part
from sapwood.modelfile.typed import MOST_DIMENSIONS, sized_spec
from sapwood.tensors import DType

MAGIC = b"\x89HDF\r\n\x1a\n"
NOWHERE = 2**64 - 1  # the address of what there is not
MOST_READ = 1_000_000  # messages, nodes and entries that are looked at in one file; a second or two
SMALLEST = 8  # bytes of a part
SPARE = 64  # parts that a file may have in any case
DEEPEST = 32  # nodes of a tree above one another

DATASPACE, DATATYPE, EXTERNAL, LAYOUT, CONTINUATION, SYMBOLS = 1, 3, 7, 8, 16, 17
WANTED = {DATASPACE, DATATYPE, EXTERNAL, LAYOUT, SYMBOLS}
SHARED = 2  # flag of a message whose data is elsewhere

# By bytes, bits of the exponent and of the mantissa.
FLOATS = {
    (1, 4, 3): DType.F8_E4M3, (1, 5, 2): DType.F8_E5M2, (2, 5, 10): DType.F16,
    (2, 8, 7): DType.BF16, (4, 8, 23): DType.F32, (8, 11, 52): DType.F64,
}  # fmt: skip
# By bytes and whether there is a sign.
INTEGERS = {
    (1, True): DType.I8, (2, True): DType.I16, (4, True): DType.I32, (8, True): DType.I64,
    (1, False): DType.U8, (2, False): DType.U16, (4, False): DType.U32, (8, False): DType.U64,
}  # fmt: skip


def _read_hdf5(view: memoryview) -> ModelFile:
    """The layout of an HDF5 file.

    Returns:
        A layout without tensors where the file has a newer form.

    Raises:
        InvalidModelFile: the file breaks its format; `offset` is the place.
    """
    walk = _Walk(view)
    root = walk.root()
    tensors = [] if root is None else list(walk.tensors(root))
    return laid_out("hdf5", len(view), tensors)


class _Walk:
    """One pass over the objects of a file."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._names = Names()
        # Each part takes SMALLEST bytes of its own, unless several places lead to it.
        self._left = min(MOST_READ, SPARE + len(view) // SMALLEST)

    def root(self) -> int | None:
        """The address of the root group's header; None where the file has a newer form."""
        version, offsets, lengths = self._unpack("<8xB4xBB", 0)
        if version not in (0, 1) or (offsets, lengths) != (8, 8):
            return None
        # Version 1 has four bytes more before the addresses.
        at = 24 + 4 * version
        base, header = self._unpack("<Q32xQ", at)
        return int(header) if base == 0 else None

    def tensors(self, root: int) -> Iterator[TensorEntry]:
        """The datasets below a group, each once, whatever links lead to it."""
        seen: set[int] = set()
        places: set[int] = set()
        found = [(root, "")]
        while found:
            address, path = found.pop()
            if address in seen:
                continue
            seen.add(address)
            messages = self._messages(address)
            if SYMBOLS in messages:
                tree, heap = self._unpack("<QQ", messages[SYMBOLS][0])
                children = list(self._children(tree, heap, 0))
                found += [(child, joined(path, name)) for name, child in reversed(children)]
            elif LAYOUT in messages and EXTERNAL not in messages:
                entry = self._dataset(messages, path)
                if entry is not None and entry.offset not in places:
                    places.add(entry.offset)
                    yield entry

    def _unpack(self, form: str, at: int) -> tuple[Any, ...]:
        """Numbers at a place of the file."""
        if at > len(self._view) - struct.calcsize(form):
            raise InvalidModelFile("cut off, or an address past the end", offset=len(self._view))
        return struct.unpack_from(form, self._view, at)

    def _spend(self, at: int) -> None:
        """Counts a part that is looked at, by its place."""
        self._left -= 1
        if self._left < 0:
            raise InvalidModelFile(
                "the file has too many parts to look at", offset=min(at, len(self._view))
            )

    def _magic(self, wanted: bytes, at: int) -> None:
        """Checks the four letters that a part begins with."""
        self._spend(at)
        (found,) = self._unpack("<4s", at)
        if found != wanted:
            raise InvalidModelFile(f"expected {wanted!r}, found {found!r}", offset=at)

    def _messages(self, address: int) -> dict[int, tuple[int, int, int]]:
        """Offset, size and flags of the messages of an object that tell what it is, by kind.

        The first of several of a kind; none of a header of a newer form.
        """
        (version,) = self._unpack("<4s", address)
        if version == b"OHDR":
            return {}
        if version[0] != 1:
            raise InvalidModelFile(
                f"expected a header of version 1, found {version[0]}", offset=address
            )
        (size,) = self._unpack("<8xI4x", address)
        blocks = [(address + 16, size)]
        found: dict[int, tuple[int, int, int]] = {}
        while blocks:
            at, length = blocks.pop()
            self._spend(at)
            end = at + length
            while at + 8 <= end:
                self._spend(at)
                kind, size, flags = self._unpack("<HHB3x", at)
                if kind == CONTINUATION:
                    blocks.append(self._unpack("<QQ", at + 8)[:2])
                elif kind in WANTED:
                    found.setdefault(kind, (at + 8, size, flags))
                at += 8 + size
        return found

    def _children(self, tree: int, heap: int, depth: int) -> Iterator[tuple[str, int]]:
        """The names in a group, and the headers that they lead to."""
        self._magic(b"HEAP", heap)
        size, _, names = self._unpack("<8xQQQ", heap)
        if names > len(self._view) or size > len(self._view) - names:
            raise InvalidModelFile("a heap past the end of the file", offset=heap)
        nodes = [(tree, depth)]
        while nodes:
            at, depth = nodes.pop()
            if depth == DEEPEST:
                raise InvalidModelFile(f"expected trees of at most {DEEPEST} levels", offset=at)
            self._magic(b"TREE", at)
            kind, level, entries = self._unpack("<4xBBH", at)
            if kind != 0:
                raise InvalidModelFile(f"expected a group's tree, found kind {kind}", offset=at)
            # Keys and children alternate, a key first and last.
            children = []
            for i in range(entries):
                self._spend(at)
                children.append(self._unpack("<Q", at + 32 + 16 * i)[0])
            if level:
                nodes += [(child, depth + 1) for child in reversed(children)]
            else:
                for child in children:
                    yield from self._symbols(child, names, names + size)

    def _symbols(self, at: int, begin: int, end: int) -> Iterator[tuple[str, int]]:
        """Names and headers of the entries of a leaf, whose names are in [begin, end)."""
        self._magic(b"SNOD", at)
        (count,) = self._unpack("<6xH", at)
        for i in range(count):
            self._spend(at)
            place, header = self._unpack("<QQ", at + 8 + 40 * i)
            if header == NOWHERE:
                continue  # a link to a name, not to an object
            if place >= end - begin:
                raise InvalidModelFile("a name past the end of its heap", offset=at)
            name = part(self._view, begin + place, min(LONGEST_PART, end - begin - place))
            yield name.partition("\0")[0], header

    def _dataset(self, messages: dict[int, tuple[int, int, int]], name: str) -> TensorEntry | None:
        """The tensor of a dataset that lies in one piece."""
        at, _, flags = messages[LAYOUT]
        version, kind, address, size = self._unpack("<BBQQ", at)
        if flags & SHARED or version not in (3, 4) or kind != 1 or address == NOWHERE or not size:
            return None
        if address > len(self._view) or size > len(self._view) - address:
            raise InvalidModelFile(
                f"a dataset of {size} bytes that goes past the end of the file", offset=at
            )
        dtype = self._dtype(messages.get(DATATYPE))
        spec = sized_spec(dtype, self._shape(messages.get(DATASPACE)), size)
        return TensorEntry(self._names.unique(name), spec, address)

    def _dtype(self, message: tuple[int, int, int] | None) -> DType | None:
        """The element type, or None where we have no equal."""
        if message is None or message[2] & SHARED:
            return None
        at = message[0]
        kind, bits, size = self._unpack("<BB2xI", at)
        if kind & 15 == 0 and not bits & 1:
            offset, precision = self._unpack("<HH", at + 8)
            whole = offset == 0 and precision == 8 * size
            return INTEGERS.get((size, bool(bits & 8))) if whole else None
        if kind & 15 == 1 and not bits & 0x41:
            exponent, mantissa = self._unpack("<5xBxB", at + 8)
            return FLOATS.get((size, exponent, mantissa))
        return None

    def _shape(self, message: tuple[int, int, int] | None) -> list[int] | None:
        """The sides, or None where they are not known."""
        if message is None or message[2] & SHARED:
            return None
        at = message[0]
        version, sides = self._unpack("<BB", at)
        if version not in (1, 2) or sides > MOST_DIMENSIONS:
            return None
        return list(self._unpack(f"<{sides}Q", at + (8 if version == 1 else 4)))


FORMAT = Format("hdf5", Marks({0: MAGIC}), _read_hdf5)
