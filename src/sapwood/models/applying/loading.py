"""The tensors that a patch leads to, without a file: one by one, or into a live model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from sapwood.content.content import Bytes
from sapwood.errors import InputError, InvalidPatch, LimitExceeded, TargetHashMismatch
from sapwood.files.sources import Source
from sapwood.modelfile import FORMATS, format_named, open_model
from sapwood.models.applying.live import Live, check_live, live_tensors, write_live
from sapwood.models.applying.near_names import near_names
from sapwood.models.applying.origins import Origin
from sapwood.models.receiving.opening import Received
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.patch.applying.chunks import chunk_digest
from sapwood.patch.format.front import Segment
from sapwood.patch.format.predictions import BaseRange
from sapwood.tensors import FRAMEWORKS, TensorSpec, made

MOST_WHOLE = 1 << 30  # bytes of a target without tensors in its patch that is held in memory


def load_patched(
    base: Source | Sequence[Source],
    patch: Source | Received,
    *,
    signature: Source | Sequence[Source] | None = None,
    receiving: Receiving = ANYBODY,
) -> PatchedModel:
    """Opens the target of a patch as a mapping of its tensors. No file is written.

    Signatures, the patch and the bases are checked as in `apply_patch`, here and at once. A
    tensor is decoded, and its chunks' digests compared, when it is asked for.

    Names, types and shapes are those that the patch has. Only those of safetensors and GGUF
    are surely the model's: of a PyTorch or NumPy file a tensor is given as it lies in memory,
    a transposed one in the transposed shape, a part of a larger storage not at all. Formats
    that scatter small tensors among other bytes, such as ONNX, have patches without names for
    those below 256 bytes: they are not given.

    The patch of a small or hardly changed container may have no names at all; such a target is
    decoded into memory here, whole, and its tensors are found there. The digest of the whole
    file is not compared: each chunk's is.

    Args:
        base: as `source` of `apply_patch`. Memory-mapped, as the patch is, while the model
            or an array from it is in use.
        patch: one of model files: a path, bytes, a file object or a URL. Of a URL only the front is
            fetched here, and of each tensor its part of the patch when it is asked for, if the
            server gives parts of files. Each chunk's digest is compared with the front's, and
            the front's with the signatures; that of the whole patch cannot be.
        signature: as of `apply_patch`.
        receiving: as of `apply_patch`. Its threads decode each tensor; its memory is what that may
            take beside the tensors: with it one thread decodes, and a tensor that takes more is
            refused. Nothing is told of progress.

    Raises:
        SignatureError, SourceHashMismatch, InvalidPatch, TruncatedPatch, UnsupportedPatch,
            IoError: as `apply_patch`; from a URL later too.
        InputError: as `apply_patch`; or the target has no tensors that are known, or two of
            one name.
        LimitExceeded: as `apply_patch`; or a target that must be decoded whole is larger than
            1 GiB.
    """
    return PatchedModel(Origin.of(base, patch, receiving, signature, target=False))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lazy:
    """A tensor of the target.

    Attributes:
        spec: element type and shape.
        load: gives its bytes, checked, little-endian in C order; read-only where they are shared.
        segment: its segment of the patch; None where the target is in memory.
    """

    spec: TensorSpec
    load: Callable[[], Bytes]
    segment: Segment | None = None


class PatchedModel(Mapping[str, Any]):
    """The target's tensors by name, in the order in which they lie in its file, read-only.

    `model[name]` is a NumPy array, `model.tensor(name, framework="torch")` a PyTorch tensor.
    Nothing that was decoded is kept: each call decodes anew. Make one with `load_patched`.
    Equal only to itself, as arrays do not compare to one truth.
    """

    def __init__(self, origin: Origin) -> None:
        """Takes a patch and its bases."""
        self._format = origin.opened.front.header.target_format
        self._tensors = lazy_tensors(origin)

    def __getitem__(self, name: str) -> Any:
        """As `tensor(name)`."""
        return self.tensor(name)

    def __iter__(self) -> Iterator[str]:
        """The names, in file order."""
        return iter(self._tensors)

    def __len__(self) -> int:
        """How many tensors."""
        return len(self._tensors)

    def __contains__(self, name: object) -> bool:
        """Whether the target has that tensor; nothing is decoded."""
        return name in self._tensors

    def __eq__(self, other: object) -> bool:
        """Whether it is the same object."""
        return self is other

    def __hash__(self) -> int:
        """By identity."""
        return id(self)

    def __repr__(self) -> str:
        """How many tensors of how many bytes."""
        total = sum(one.spec.nbytes for one in self._tensors.values())
        return f"<PatchedModel of {len(self)} tensors, {total} bytes>"

    def get(self, name: str, default: Any = None) -> Any:
        """The tensor, or `default` where there is none of that name."""
        return self.tensor(name) if name in self._tensors else default

    def spec(self, name: str) -> TensorSpec:
        """Element type (`dtype`) and `shape` of a tensor; nothing is decoded.

        Raises:
            InputError: no tensor has the name.
        """
        return self._found(name).spec

    def tensor(self, name: str, framework: str = "numpy") -> Any:
        """Decodes one tensor.

        Args:
            name: the name of the tensor.
            framework: "numpy" or "torch".

        Returns:
            An array of its own; for a tensor that is a part of a base as it is, and of a
            target that was decoded whole, a read-only view of that memory, perhaps not
            aligned. Or a PyTorch tensor on the CPU, with memory of its own. Types that are no
            numbers here, such as GGUF's blocks, come as uint8.

        Raises:
            InputError: no tensor has the name, or no such framework; PyTorch is asked for and
                not installed.
            UnsupportedType: bf16 or fp8 as a NumPy array, and the package ml_dtypes is not
                installed; ask for "torch".
            InvalidPatch, TargetHashMismatch: a payload is damaged, or the base has changed
                since it was opened.
            LimitExceeded: there is no memory for it.
            IoError: the patch is behind a URL, and its server fails or has another by now.
        """
        if framework not in FRAMEWORKS:
            raise InputError(
                f"expected the framework {' or '.join(FRAMEWORKS)}, found {framework!r}"
            )
        found = self._found(name)
        return made(found.spec, found.load(), framework)

    def update(self, model: object, *, strict: bool = True) -> None:
        """Writes the target's tensors into a live model, in place, all or nothing.

        For targets that are safetensors or GGUF files, which say how each tensor's elements
        lie. Names, dtypes and shapes are checked first; then every tensor is decoded and checked,
        and only then the first is written. Memory beside the model: all changed tensors at
        once. Unchanged ones are written too, from the base, whatever the model had. An
        interrupt, or a device that fails, while the tensors are written, leaves some of them.

        Args:
            model: a PyTorch `nn.Module`, on any device, a `state_dict`, or a dict of NumPy
                arrays. A name that the patch does not have is none too many where it stands
                for the same memory as one that it has (tied weights). It must not lie in the
                memory of the base.
            strict: False leaves alone what only one of model and patch has.

        Raises:
            InputError: the target is of another format; `model` is nothing of the kind; or has
                too few tensors or too many; or one that cannot be written, or two that share
                memory and would differ.
            DtypeMismatch, ShapeMismatch, UnsupportedType: a tensor does not fit.
            InvalidPatch, TargetHashMismatch, LimitExceeded: as `tensor`.
            After any of these the model is as it was.
        """
        if not format_named(self._format).in_c_order:
            known = sorted(one.name for one in FORMATS if one.in_c_order)
            raise InputError(
                f"expected a target in {' or '.join(known)}, found {self._format!r}, "
                "of which the order of elements is not known; make the file with "
                "sapwood.models.apply_patch and load it"
            )
        live = live_tensors(model)
        check_live(live, {name: one.spec for name, one in self._tensors.items()}, strict)
        ready: list[Live] = [
            Live(name, live[name], one.spec, one.load())
            for name, one in self._tensors.items()
            if name in live
        ]
        write_live(ready)

    def _found(self, name: str) -> Lazy:
        found = self._tensors.get(name)
        if found is None:
            hint = near_names(str(name), self._tensors)
            raise InputError(f"expected one of {len(self)} tensors, found {name!r}{hint}")
        return found


def lazy_tensors(origin: Origin) -> Mapping[str, Lazy]:
    """The tensors of a target, in order.

    Raises:
        InputError: none are known, or two have one name.
        InvalidPatch, TargetHashMismatch, LimitExceeded: as `_whole_target`.
    """
    named = [one for one in origin.opened.front.segments if one.name]
    if not named:
        return _tensors_in_bytes(origin)

    def lazy(segment: Segment) -> Lazy:
        spec = TensorSpec(segment.dtype, segment.shape)
        return Lazy(spec, lambda: _tensor_bytes(origin, segment), segment)

    return _unique((one.name, lazy(one)) for one in named)


def _tensors_in_bytes(origin: Origin) -> Mapping[str, Lazy]:
    """The tensors of a target that is patched as bytes: decoded whole, then read."""
    header = origin.opened.front.header
    file_format = header.target_format
    if file_format != "bytes" and header.target.files is None:
        data = _whole_target(origin)
        file = open_model(data)
        if file.format == file_format:
            return _unique(
                (one.name, _in_memory(one.spec, data[one.offset : one.end])) for one in file.tensors
            )
    raise InputError(
        f"no tensors are known in this target, a file of format {file_format!r}; "
        "make it with sapwood.models.apply_patch"
    )


def _in_memory(spec: TensorSpec, data: Bytes) -> Lazy:
    """A tensor whose bytes are there."""
    return Lazy(spec, lambda: data)


def _unique(tensors: Iterable[tuple[str, Lazy]]) -> Mapping[str, Lazy]:
    """The tensors by name.

    Raises:
        InputError: two have one name.
    """
    found: MutableMapping[str, Lazy] = {}
    for name, one in tensors:
        if name in found:
            raise InputError(
                f"two tensors of the target are named {name!r}; "
                "make the file with sapwood.models.apply_patch"
            )
        found[name] = one
    return found


def _tensor_bytes(origin: Origin, segment: Segment) -> Bytes:
    """The bytes of one tensor, checked: a read-only part of a base where it is that.

    Raises:
        InvalidPatch, TargetHashMismatch, LimitExceeded: as `PatchedModel.tensor`.
    """
    if segment.unchanged and isinstance(segment.prediction, BaseRange):
        place = segment.prediction
        shared = origin.bases[place.base][place.offset : place.offset + segment.nbytes]
        shared.flags.writeable = False  # of this array object; its memory stays the caller's
        for chunk, begin, end in segment.spans():
            if chunk_digest(shared[begin:end]) != chunk.digest:
                raise TargetHashMismatch(
                    f"{segment.name}: the base's digest differs at byte {place.offset + begin}; "
                    "it changed since it was opened, or the patch is damaged"
                )
        return shared
    return _decoded(origin, (segment,), segment.target_offset, segment.nbytes)


def _whole_target(origin: Origin) -> Bytes:
    """The whole target in memory, read-only.

    Raises:
        LimitExceeded: it is larger than what is done so.
        InvalidPatch, TargetHashMismatch: as `decode_chunks`.
    """
    front = origin.opened.front
    size = front.header.target.size
    most = MOST_WHOLE if origin.room.memory is None else min(MOST_WHOLE, origin.room.memory)
    if size > most:
        raise LimitExceeded(
            f"the patch names no tensors, and its target has {size} bytes, more than the "
            f"{most} that may be held in memory; make it with sapwood.models.apply_patch"
        )
    data = _decoded(origin, front.segments, 0, size)
    data.flags.writeable = False
    return data


def _decoded(origin: Origin, segments: tuple[Segment, ...], begin: int, size: int) -> Bytes:
    """Adjacent segments in memory of their own; they are `size` bytes from `begin`.

    Raises:
        LimitExceeded: there is not so much.
        InvalidPatch, TargetHashMismatch: as `decode_chunks`.
    """
    what = segments[0].name or "the target"
    try:
        out = np.empty(size, np.uint8)
    except MemoryError as e:
        raise LimitExceeded(f"{what}: {size} bytes do not fit in memory") from e

    def place(first: int, end: int) -> Bytes:
        return out[first - begin : end - begin]

    try:
        for _ in origin.chunks(place, segments):
            pass
    except InvalidPatch as e:
        raise e.behind(what) from e
    return out
