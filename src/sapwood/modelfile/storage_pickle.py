"""What a PyTorch pickle says of its storages, without unpickling it.

The opcodes are followed by a machine that knows no classes: what would call code
makes an empty shell that remembers its arguments. So a pickle can say which storages
there are, what their elements are and by which keys a state dict reaches them, and
can do nothing. What is said may be wrong or missing: it names and types bytes, and
the patch is right whatever it is.
"""

from __future__ import annotations

import dataclasses
import itertools
import pickletools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sapwood.documents.unicode import is_text
from sapwood.modelfile.layout import MAX_INTEGER, bounded_product
from sapwood.tensors import DType, TensorSpec

MOST_OPCODES = 1 << 20  # followed in the pickles of one file; a tensor takes some 50
DEEPEST = 32  # keys on the way to a storage
LONGEST_NAME = 400  # letters
MOST_EXTENTS = 16

STORAGES = {
    "BFloat16Storage": DType.BF16,
    "HalfStorage": DType.F16,
    "FloatStorage": DType.F32,
    "DoubleStorage": DType.F64,
    "CharStorage": DType.I8,
    "ShortStorage": DType.I16,
    "IntStorage": DType.I32,
    "LongStorage": DType.I64,
    "ByteStorage": DType.U8,
    "BoolStorage": DType.BOOL,
}
# `_rebuild_tensor_v3` names the elements of storages that have no class of their own.
ELEMENTS = {
    "bfloat16": DType.BF16, "float16": DType.F16, "float32": DType.F32, "float64": DType.F64,
    "float8_e4m3fn": DType.F8_E4M3, "float8_e5m2": DType.F8_E5M2,
    "int8": DType.I8, "int16": DType.I16, "int32": DType.I32, "int64": DType.I64,
    "uint8": DType.U8, "uint16": DType.U16, "uint32": DType.U32, "uint64": DType.U64,
    "bool": DType.BOOL,
}  # fmt: skip

# What genops raises for what is no pickle, and the machine where the stack is too short.
PARSING_ERRORS = (ValueError, OverflowError, MemoryError, IndexError)


@dataclasses.dataclass(slots=True)
class Storage:
    """A storage, as far as its pickle tells.

    Attributes:
        key: of its entry in the archive.
        dtype: of the elements, or None.
        elements: how many, as the pickle says.
        name: the keys that reach it first, joined by dots, or "".
        shape: that of the first tensor that is all of it, in the order of memory; or None.
    """

    key: str
    dtype: DType | None
    elements: int
    name: str = ""
    shape: tuple[int, ...] | None = None

    def spec(self, nbytes: int) -> TensorSpec:
        """What `nbytes` bytes in the archive are, if they are this storage."""
        if self.dtype is None or self.elements * self.dtype.size != nbytes:
            return TensorSpec(DType.BYTES, (nbytes,))
        return TensorSpec(self.dtype, (self.elements,) if self.shape is None else self.shape)


@dataclasses.dataclass(frozen=True, slots=True)
class Global:
    """A name that an unpickler would import."""

    module: str
    name: str


@dataclasses.dataclass(eq=False, slots=True)
class Node:
    """A tuple, list, dict or object: what it holds, with the keys that lead there.

    The key None adds nothing to a path, nor does ARGUMENTS, nor the key after it.
    """

    items: list[tuple[Any, Any]] | None = None

    def add(self, key: Any, value: Any) -> None:
        """Puts one thing more into it."""
        if self.items is None:
            self.items = []
        self.items.append((key, value))

    def values(self, most: int) -> list[Any]:
        """The first things that it holds, so many at most."""
        return [value for _, value in (self.items or [])[:most]]


class Budget:
    """Opcodes that may still be followed."""

    def __init__(self) -> None:
        """Starts full."""
        self.left = MOST_OPCODES


def find_storages(pickle: bytes, budget: Budget) -> list[Storage]:
    """The storages of a pickle, in the order in which it names them, each key once.

    Args:
        pickle: any bytes. What stands behind the damage in a broken one is not found.
        budget: lessened by the opcodes that were followed.
    """
    machine = Machine()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in strings
            for opcode, argument, _ in itertools.islice(pickletools.genops(pickle), budget.left):
                budget.left -= 1
                machine.step(opcode.name, argument)
    except PARSING_ERRORS:
        pass  # what was found until there still helps
    machine.name_storages()
    return list(machine.storages.values())


class Machine:
    """Follows opcodes, with a stack and a memo as an unpickler has them."""

    def __init__(self) -> None:
        """Starts with nothing on the stack."""
        self.storages: dict[str, Storage] = {}
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        """Follows one opcode.

        Raises:
            IndexError: the stack does not hold what it takes.
        """
        if opcode in PUSHES:
            self._stack.append(argument)
        elif opcode in GETS:
            self._stack.append(self._memo.get(argument))
        elif opcode in PUTS:
            self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]
        elif opcode in MAKES:
            self._stack.append(Node())
        elif opcode == "MARK":
            self._marks.append(len(self._stack))
        elif opcode in ACTIONS:
            ACTIONS[opcode](self, argument)
        elif opcode not in IGNORED:
            self._stack.append(None)

    def take(self, count: int) -> list[Any]:
        """The topmost things, taken off the stack."""
        if count > len(self._stack):
            raise IndexError
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

    def to_mark(self) -> list[Any]:
        """What lies above the last mark, taken off the stack."""
        return self.take(max(0, len(self._stack) - self._marks.pop()))

    def sequence(self, items: Iterable[Any]) -> None:
        """Pushes a tuple or list."""
        node = Node()
        for key, item in enumerate(items):
            node.add(key, item)
        self._stack.append(node)

    def append(self, values: list[Any]) -> None:
        """Lengthens the list on top."""
        top = self._stack[-1]
        if isinstance(top, Node):
            for value in values:
                top.add(len(top.items or ()), value)

    def put(self, pairs: list[Any]) -> None:
        """Puts alternating keys and values into the dict on top."""
        top = self._stack[-1]
        if isinstance(top, Node):
            for key, value in zip(pairs[::2], pairs[1::2], strict=False):
                top.add(key, value)

    def pairs(self, given: list[Any]) -> None:
        """Pushes a dict of alternating keys and values."""
        self._stack.append(Node())
        self.put(given)

    def again(self) -> None:
        """Pushes what is on top once more."""
        self._stack.append(self._stack[-1])

    def drop(self, taken: list[Any]) -> None:
        """Forgets what was taken off the stack."""

    def call(self, arguments: list[Any]) -> None:
        """Pushes what a call would give: a shell that holds the arguments."""
        function, given = arguments
        result = Node()
        result.add(ARGUMENTS, given)
        if isinstance(function, Global) and isinstance(given, Node):
            _note_tensor(function.name, given.values(8))
        self._stack.append(result)

    def build(self) -> None:
        """Gives the object on top a state."""
        (state,) = self.take(1)
        top = self._stack[-1]
        if isinstance(top, Node):
            top.add(None, state)

    def named(self, module: Any, name: Any) -> None:
        """Pushes a name to import."""
        text = isinstance(module, str) and isinstance(name, str)
        self._stack.append(Global(module, name) if text else None)

    def persistent(self) -> None:
        """Pushes what a persistent id stands for: ("storage", class, key, place, elements)."""
        (given,) = self.take(1)
        match given.values(5) if isinstance(given, Node) else ():
            case ["storage", Global(name=kind), str() | int() as key, _, int(elements)] if (
                0 <= elements <= MAX_INTEGER // 8
            ):
                label = _key_text(key)
                found = Storage(label, STORAGES.get(kind), elements)
                self._stack.append(self.storages.setdefault(label, found))
            case _:
                self._stack.append(None)

    def name_storages(self) -> None:
        """Names each storage by the keys that lead to it from the bottom of the stack."""
        for keys, storage in _reached([(None, value) for value in self._stack]):
            if not storage.name:
                storage.name = _path_text(keys)


def _reached(items: list[tuple[Any, Any]]) -> Iterator[tuple[list[Any], Storage]]:
    """The storages that something holds, depth first, with the keys that lead to each.

    Each node is entered once, on the first way to it that is not too deep.
    """
    seen = set()
    keys: list[Any] = []
    ways = [iter(items)]
    while ways:
        key, value = next(ways[-1], (None, END))
        if value is END:
            ways.pop()
            if keys:
                keys.pop()
        elif isinstance(value, Storage):
            yield [*keys, key], value
        elif isinstance(value, Node) and id(value) not in seen and len(ways) < DEEPEST:
            seen.add(id(value))
            keys.append(key)
            ways.append(iter(value.items or ()))


def _path_text(keys: list[Any]) -> str:
    """The keys that lead to a storage, joined by dots; "" where that would be too long."""
    before = [None, *keys[:-1]]
    parts = [
        _key_text(key)
        for key, last in zip(keys, before, strict=True)
        if key is not None and key is not ARGUMENTS and last is not ARGUMENTS
    ]
    if sum(map(len, parts)) + len(parts) > LONGEST_NAME:
        return ""
    name = ".".join(parts)
    return name if is_text(name) else ""


def _key_text(key: Any) -> str:
    """A key as a part of a name. Numbers may be too long to print."""
    if isinstance(key, str):
        return key
    return str(key) if isinstance(key, int) and abs(key) <= MAX_INTEGER else "?"


def _note_tensor(function: str, given: list[Any]) -> None:
    """Learns shape and element type of a storage from the call that makes a tensor of it."""
    if function not in ("_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_tensor"):
        return
    match given:
        case [Storage() as storage, 0, Node() as sizes, Node() as strides, *rest]:
            if storage.dtype is None and function == "_rebuild_tensor_v3":
                _note_elements(storage, rest)
            if storage.shape is None:
                storage.shape = _shape_in_memory(
                    sizes.values(MOST_EXTENTS + 1),
                    strides.values(MOST_EXTENTS + 1),
                    storage.elements,
                )


def _note_elements(storage: Storage, rest: list[Any]) -> None:
    """The element type of a storage of bytes, from what follows the strides."""
    match rest:
        case [_, _, Global(name=kind), *_] if kind in ELEMENTS:
            dtype = ELEMENTS[kind]
            if storage.elements % dtype.size == 0:
                storage.dtype = dtype
                storage.elements //= dtype.size


def _shape_in_memory(sizes: list[Any], strides: list[Any], elements: int) -> tuple[int, ...] | None:
    """The shape in the order of memory of a tensor that is all of its storage, or None.

    Args:
        sizes: of the tensor, elements.
        strides: of the tensor, elements.
        elements: of the storage.
    """
    if len(sizes) != len(strides) or len(sizes) > MOST_EXTENTS:
        return None
    if not all(type(n) is int and 0 <= n <= MAX_INTEGER for n in (*sizes, *strides)):
        return None
    if bounded_product(sizes) != elements:
        return None
    sides = sorted(zip(strides, sizes, strict=True), key=lambda side: -side[0])
    step = 1
    for stride, size in reversed(sides):
        if size > 1:
            if stride != step:
                return None
            step *= size
    return tuple(size for _, size in sides)


END = object()
ARGUMENTS = object()

PUSHES = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    }
)
GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"))
MAKES = frozenset(("EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_DICT", "EMPTY_SET"))
IGNORED = frozenset(("PROTO", "FRAME", "STOP", "READONLY_BUFFER"))

ACTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "GLOBAL": lambda m, argument: m.named(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.named(*m.take(2)),
    "TUPLE": lambda m, _: m.sequence(m.to_mark()),
    "LIST": lambda m, _: m.sequence(m.to_mark()),
    "FROZENSET": lambda m, _: m.sequence(m.to_mark()),
    "TUPLE1": lambda m, _: m.sequence(m.take(1)),
    "TUPLE2": lambda m, _: m.sequence(m.take(2)),
    "TUPLE3": lambda m, _: m.sequence(m.take(3)),
    "APPEND": lambda m, _: m.append(m.take(1)),
    "APPENDS": lambda m, _: m.append(m.to_mark()),
    "ADDITEMS": lambda m, _: m.append(m.to_mark()),
    "SETITEM": lambda m, _: m.put(m.take(2)),
    "SETITEMS": lambda m, _: m.put(m.to_mark()),
    "REDUCE": lambda m, _: m.call(m.take(2)),
    "NEWOBJ": lambda m, _: m.call(m.take(2)),
    "BUILD": lambda m, _: m.build(),
    "BINPERSID": lambda m, _: m.persistent(),
    "DICT": lambda m, _: m.pairs(m.to_mark()),
    "OBJ": lambda m, _: m.sequence(m.to_mark()),
    "INST": lambda m, _: m.sequence(m.to_mark()),
    "NEWOBJ_EX": lambda m, _: m.sequence(m.take(3)),
    "DUP": lambda m, _: m.again(),
    "POP_MARK": lambda m, _: m.drop(m.to_mark()),
    "POP": lambda m, _: m.drop(m.take(1)),
}
