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
from sapwood.tensors.dtypes import BY_FULL_NAME

MOST_OPCODES = 1 << 20  # followed in the pickles of one file; a tensor takes some 50
DEEPEST = 32  # keys on the way to a storage
LONGEST_NAME = 400  # letters
MOST_EXTENTS = 16

STORAGES = {
    "BFloat16Storage": DType.BF16, "HalfStorage": DType.F16, "FloatStorage": DType.F32,
    "DoubleStorage": DType.F64, "CharStorage": DType.I8, "ShortStorage": DType.I16,
    "IntStorage": DType.I32, "LongStorage": DType.I64, "ByteStorage": DType.U8,
    "BoolStorage": DType.BOOL,
}  # fmt: skip

# What genops raises for what is no pickle, and the machine where the stack is too short.
PARSING_ERRORS = (ValueError, OverflowError, MemoryError, IndexError)


@dataclasses.dataclass(slots=True)
class Storage:
    """A storage, as far as its pickle tells.

    Attributes:
        key: name of its entry in the archive, below the folder of storages.
        dtype: type of the elements, or None.
        elements: number of elements, as the pickle says.
        name: the keys that reach it first, joined by dots, or "".
        shape: sides of the first tensor that is all of it, in the order of memory; or None.
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
        elif opcode == "GLOBAL":
            self.named(argument.split(" ", 1))
        elif opcode in ACTIONS:
            count, act = ACTIONS[opcode]
            act(self, self.take(count))
        elif opcode not in IGNORED:
            self._stack.append(None)

    def take(self, count: int | None) -> list[Any]:
        """The topmost things, or those above the last mark, taken off the stack."""
        if count is None:
            count = max(0, len(self._stack) - self._marks.pop())
        if count > len(self._stack):
            raise IndexError
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

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

    def twice(self, taken: list[Any]) -> None:
        """Pushes what was taken off the stack two times."""
        self._stack += 2 * taken

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

    def build(self, states: list[Any]) -> None:
        """Gives the object on top a state."""
        top = self._stack[-1]
        if isinstance(top, Node):
            top.add(None, *states)

    def named(self, names: list[Any]) -> None:
        """Pushes a name to import, of a module and in it."""
        text = all(isinstance(one, str) for one in names)
        self._stack.append(Global(*names) if text else None)

    def persistent(self, ids: list[Any]) -> None:
        """Pushes what a persistent id stands for: ("storage", class, key, place, elements)."""
        (given,) = ids
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
        # `_rebuild_tensor_v3` names the elements of storages that have no class of their own.
        case [_, _, Global(name=kind), *_] if kind in BY_FULL_NAME:
            dtype = BY_FULL_NAME[kind]
            if storage.elements % dtype.size == 0:
                storage.dtype = dtype
                storage.elements //= dtype.size


def _shape_in_memory(sizes: list[Any], strides: list[Any], elements: int) -> tuple[int, ...] | None:
    """The shape in the order of memory of a tensor that is all of its storage, or None.

    Args:
        sizes: dimensions of the tensor, elements.
        strides: distances along the dimensions, elements.
        elements: number of elements in the storage.
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

# How many things are taken off the stack, None for those above the last mark, and what is done.
ACTIONS: dict[str, tuple[int | None, Callable[[Machine, list[Any]], None]]] = {
    **dict.fromkeys(("TUPLE", "LIST", "FROZENSET", "OBJ", "INST"), (None, Machine.sequence)),
    "TUPLE1": (1, Machine.sequence),
    "TUPLE2": (2, Machine.sequence),
    **dict.fromkeys(("TUPLE3", "NEWOBJ_EX"), (3, Machine.sequence)),
    "DICT": (None, Machine.pairs),
    "APPEND": (1, Machine.append),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), (None, Machine.append)),
    "SETITEM": (2, Machine.put),
    "SETITEMS": (None, Machine.put),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), (2, Machine.call)),
    "BUILD": (1, Machine.build),
    "STACK_GLOBAL": (2, Machine.named),
    "BINPERSID": (1, Machine.persistent),
    "DUP": (1, Machine.twice),
    "POP": (1, Machine.drop),
    "POP_MARK": (None, Machine.drop),
}
