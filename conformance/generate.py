"""Writes conformance vectors that are not there yet; never changes one that is.

    python conformance/generate.py

Payloads of the residual, sparse and value codings are written by the reference encoder of the
tests, which knows nothing of the kernel, in every element type and context mode. The rest is
made by `create_patch` and by changes to what it made. Each valid case is applied before it
is written, each invalid one tried.
"""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

import numpy as np  # noqa: E402
from blake3 import blake3  # noqa: E402
from blend_vectors import blend_vectors  # noqa: E402
from recipe_vectors import recipe_vectors  # noqa: E402

from sapwood import create_patch, create_patch_from_chunks, inspect_patch, models  # noqa: E402
from sapwood.codec import Coding  # noqa: E402
from sapwood.patch.applying.opening import open_patch  # noqa: E402
from sapwood.tensors import DType  # noqa: E402
from sapwood.tensors.block_types import BLOCK_TYPES  # noqa: E402
from support.block_files import block_pair, block_patch  # noqa: E402
from support.folder_trees import write_tree  # noqa: E402
from support.hostile_folders import BASE, HOSTILE, patch_of  # noqa: E402
from support.hostile_patches import BLOCKED_SEGMENTS, FRONTS, PLANES, PREFIXES, SPLICES  # noqa: E402
from support.patch_cases import changed, example, words_of_normals  # noqa: E402
from support.patch_writer import Parts, parts_of  # noqa: E402
from support.payload_cases import (  # noqa: E402
    CODINGS,
    CONTEXTS,
    FLOATS,
    TYPES,
    Case,
    element_of,
    make_case,
    some_levels,
)
from support.reference_codec import NONE, ROW  # noqa: E402
from support.reference_tables import RESIDUAL, SPARSE, VALUE  # noqa: E402
from support.strategies import nasty_words, numpy_type, word_type  # noqa: E402

LETTERS = {RESIDUAL: "u", SPARSE: "s", VALUE: "v"}
NAMES = {RESIDUAL: "residual", SPARSE: "sparse", VALUE: "value"}
CONTEXT_NAMES = ("none", "one", "row")
ROWS, COLUMNS = 8, 32
N = ROWS * COLUMNS
LANES_BY_CONTEXT = (1, 16, 4)
STEPS = (1000, -500)  # residuals of 32-bit elements that come again, with tokens of their own
MOST_HOSTILE = 1300  # bytes of an invalid patch


@dataclasses.dataclass(frozen=True)
class Vector:
    """A valid case: its files by their content."""

    name: str
    about: str
    base: tuple[str, bytes]
    target: tuple[str, bytes]
    patch: bytes
    more_bases: tuple[tuple[str, bytes], ...] = ()

    def entry(self) -> dict[str, Any]:
        """What the list says of it."""
        front = open_patch(np.frombuffer(self.patch, np.uint8)).front
        codings = ["".join(c.coding.value for c in s.chunks) for s in front.segments]
        bases = [name for name, _ in (self.base, *self.more_bases)]
        return {
            "name": self.name,
            "about": self.about,
            "base": self.base[0],
            **({"bases": bases} if self.more_bases else {}),
            "target": self.target[0],
            "patch": f"{self.name}.patch",
            "codings": codings,
            "inspection": inspect_patch(self.patch),
        }


@dataclasses.dataclass(frozen=True)
class Refusal:
    """An invalid case."""

    name: str
    about: str
    base: tuple[str, bytes]
    patch: bytes
    stage: str
    error: str

    def entry(self) -> dict[str, Any]:
        """What the list says of it."""
        return {
            "name": self.name,
            "about": self.about,
            "base": self.base[0],
            "patch": f"{self.name}.patch",
            "stage": self.stage,
            "error": self.error,
        }


def elements(dtype: DType) -> tuple[list[int], list[int]]:
    """Words of a base and of a target a few steps away, nasty ones among them."""
    nasty = nasty_words(dtype)
    if dtype.family == "float":
        base = words_of_normals(dtype, N, 11)
    else:
        raw = np.random.default_rng(11).integers(0, 256, N * dtype.size, dtype=np.uint8)
        base = raw.view(word_type(dtype)).copy()
    base[: len(nasty)] = nasty
    steps = np.random.default_rng(12).integers(-2, 3, N)
    steps[: 2 * COLUMNS] = 0  # two rows in which nothing changes
    steps[np.random.default_rng(13).random(N) < 0.7] = 0
    target = (base.astype(np.uint64) + steps.astype(np.uint64)).astype(base.dtype)
    target[-1] = nasty[-1]  # one large step
    words = target.tolist()
    if dtype.size == 4:
        for i in range(200, 212):
            words[i] = element_of(dtype).moved(int(base[i]), STEPS[i % 2])
    return base.tolist(), words


def coded_cases(dtype: DType) -> Iterator[tuple[str, str, Case]]:
    """Every coding and context mode of a type, with shared tables and with their own."""
    base, target = elements(dtype)
    for coding in CODINGS:
        if coding == VALUE and dtype not in FLOATS:
            continue
        for context in CONTEXTS if coding != VALUE else (NONE,):
            table = None if context == CONTEXTS[1] else context // 2
            case = make_case(
                dtype,
                coding,
                base,
                target,
                lanes=LANES_BY_CONTEXT[context],
                context=context,
                levels=some_levels(dtype, context, ROWS, 14),
                row_length=COLUMNS,
                table=table,
                specials=STEPS if dtype.size == 4 and context == NONE else (),
                starts=(0, 12, 16, 20) if context == ROW else (0,),
                first_exponent=800 if dtype is DType.F64 and coding == VALUE else 0,
            )
            mode = f"-{CONTEXT_NAMES[context]}" if coding != VALUE else ""
            where = "tables in the payload" if table is None else f"shared tables {table}"
            about = f"{NAMES[coding]} coding of {dtype}, context {CONTEXT_NAMES[context]}, {where}"
            yield f"{dtype}-{NAMES[coding]}{mode}", about, case


def coded_patch(case: Case) -> bytes | None:
    """A patch of one chunk with the case's payload; None where it is not smaller than raw."""
    dtype = case.dtype
    base, target = (
        np.array(words, word_type(dtype)).view(np.uint8).tobytes()
        for words in (case.base, case.target)
    )
    if len(case.payload) >= len(target):
        return None
    bare = numpy_type(dtype) if dtype is not DType.BYTES else np.dtype(np.uint8)
    held = [np.frombuffer(one, bare).reshape(ROWS, COLUMNS) for one in (base, target)]
    parts = parts_of(create_patch(*held, compress=False, threads=1).to_bytes())
    parts.header["dtype"] = parts.segment["dtype"] = dtype.label
    parts.segment.update(
        codings=LETTERS[case.coding], sizes=[len(case.payload)], row=COLUMNS, chunk=N
    )
    parts.body = case.payload
    if case.layout.table is not None:
        parts.tables = [case.serialised] * (case.layout.table + 1)
    return parts.write()


def coded_vectors() -> Iterator[Vector]:
    """The kernel's codings, in every type."""
    for dtype in TYPES:
        for name, about, case in coded_cases(dtype):
            patch = coded_patch(case)
            if patch is None:
                continue
            words = word_type(dtype)
            base = np.array(case.base, words).tobytes()
            target = np.array(case.target, words).tobytes()
            # Sparse classes may leave a change out, so that targets differ.
            which = blake3(target).hexdigest(4)
            yield Vector(
                name, about, (f"{dtype}.base", base), (f"{dtype}-{which}.target", target), patch
            )


def tensor_vector(
    name: str, about: str, base: Any, target: Any, base_file: str = "", **options: Any
) -> Vector:
    """What `create_patch` makes of two tensors."""
    patch = create_patch(base, target, threads=1, **options).to_bytes()
    old, new = (
        one if isinstance(one, bytes) else np.ascontiguousarray(one).tobytes()
        for one in (base, target)
    )
    return Vector(name, about, (base_file or f"{name}.base", old), (f"{name}.target", new), patch)


def made_vectors() -> Iterator[Vector]:
    """Shapes, sizes and the codings that are not the kernel's."""
    f32 = np.float32
    yield tensor_vector("empty", "no elements", np.zeros((3, 0), f32), np.zeros((3, 0), f32))
    yield tensor_vector("scalar", "no dimensions", np.array(1, f32), np.array(-0.0, f32))
    one = np.arange(5, dtype=f32)
    yield tensor_vector("equal", "a target that is its base", one, one)
    notes = {"note": "größer ≥ 1", "list": [1, -0.5, True, None, {"a": []}], "big": 2**63 - 1}
    yield tensor_vector("metadata", "user metadata of every kind", one, one + 1, metadata=notes)
    noise = np.random.default_rng(3)
    mixed = noise.integers(0, 1 << 16, 2048, dtype=np.uint16)
    after = mixed.copy()
    after[512:1024] = noise.integers(0, 1 << 16, 512, dtype=np.uint16)
    after[1024:1536] = 7
    after[1536:] += noise.integers(0, 2, 512, dtype=np.uint16)
    about = "a chunk each that is copied, raw, compressed and coded"
    yield tensor_vector("mixed-chunks", about, mixed, after, chunk_size=1024)
    weights = words_of_normals(DType.BF16, 4_000, 21)
    steps = changed(weights, "dense", 22)
    bf16 = numpy_type(DType.BF16)
    yield tensor_vector(
        "bf16-rows",
        "a matrix in chunks whose last is shorter",
        weights.view(bf16).reshape(40, 100),
        steps.view(bf16).reshape(40, 100),
        "bf16-large.base",
        chunk_size=4096,
    )
    out = io.BytesIO()
    create_patch_from_chunks(
        [weights], [steps], out, dtype="bf16", shape=(4_000,), chunk_size=4096, threads=1
    )
    files = (("bf16-large.base", weights.tobytes()), ("bf16-rows.target", steps.tobytes()))
    yield Vector("bf16-streamed", "each chunk with its own tables and row", *files, out.getvalue())
    base = noise.bytes(3000)
    moved = base[2000:] + b"something new" + base[:1987]
    yield tensor_vector("splice", "bytes that moved", base, moved, chunk_size=1024)
    found = example(Coding.PREFIXED)
    about = "bytes that go on from a part of the base"
    yield tensor_vector("prefixed", about, found.base, found.target)


def block_vectors() -> Iterator[Vector]:
    """Quantised blocks, of every type, against a prediction and without one."""
    for name, kind in BLOCK_TYPES.items():
        base, target = block_pair(name, 4 if kind.weights > 64 else 12)
        patch = block_patch(name, base, target, 2 * kind.nbytes, chunk_size=1024)
        about = f"blocks of {name}, planes apart"
        files = (f"blocks-{name}.base", base.tobytes()), (f"blocks-{name}.target", target.tobytes())
        yield Vector(f"blocks-{name}", about, *files, patch)
    base, target = (one.copy() for one in block_pair("q4_1", 120, step=0.02))
    for n, pattern in enumerate((0, 0x8000, 0x7C00, 0xFC00, 0x7E01, 0x0001)):
        for one, at in ((base, 40 * n), (target, 40 * n + 20)):
            one[at : at + 2] = [pattern & 0xFF, pattern >> 8]
    patch = block_patch("q4_1", base, target, None, chunk_size=2000)
    about = "edges, and scales that are 0, infinite or no numbers"
    files = ("blocks-edges.base", base.tobytes()), ("blocks-edges.target", target.tobytes())
    yield Vector("blocks-edges", about, *files, patch)
    patch = block_patch("q4_1", None, target, chunk_size=2000)
    files = ("blocks-alone.base", bytes(len(target))), files[1]
    yield Vector("blocks-alone", "blocks that nothing predicts", *files, patch)


def sum_vectors() -> Iterator[Vector]:
    """Predictions that are computed."""
    for one in blend_vectors():
        which = [(f"blend-{blake3(data).hexdigest(4)}.base", data) for data in one.bases]
        target = (f"{one.name}.target", one.target)
        yield Vector(one.name, one.about, which[0], target, one.patch, tuple(which[1:]))


def made_from_types() -> Iterator[Vector]:
    """Predictions that are a base's elements in another type."""
    for one in recipe_vectors():
        first, *more = one.bases
        yield Vector(
            one.name, one.about, first, (f"{one.name}.target", one.target), one.patch, tuple(more)
        )


def model_vectors() -> Iterator[Vector]:
    """Whole files."""
    weights = words_of_normals(DType.F16, 512, 31)
    tuned = changed(weights, "dense", 32)
    old = safetensors({"a": weights, "b": weights[:64], "gone": weights[:8]})
    new = safetensors({"a": tuned, "added": tuned[:16], "renamed": weights[:64]})
    text = b"".join(b"line %d of a file of no known format\n" % i for i in range(60))
    pairs = {
        "model-safetensors": (old, new, "tensors changed, added, removed and renamed"),
        "model-bytes": (text, b"a new start\n" + text[300:], "a file of no known format"),
        "model-from-nothing": (b"", text, "an empty base"),
        "model-to-nothing": (text, b"", "an empty target"),
    }
    for name, (base, target, about) in pairs.items():
        out = io.BytesIO()
        models.create_patch(base, target, out, created_at=1_700_000_000, threads=1)
        files = (f"{name}.base", base), (f"{name}.target", target)
        yield Vector(name, about, *files, out.getvalue())


def folder_vectors() -> Iterator[Vector]:
    """A model whose tensors move to other files, and files of every other kind."""
    weights = words_of_normals(DType.F16, 512, 41)
    tuned = changed(weights, "dense", 42)
    text = b"".join(b"%d: a line of a file\n" % i for i in range(40))
    old = {
        "a.safetensors": safetensors({"x": weights[:256], "y": weights[256:]}),
        "run.sh": b"#!/bin/sh\n",
        "sub/words.txt": text,
        "zero": b"",
    }
    new = {
        "a-1.safetensors": safetensors({"x": tuned[:256]}),
        "a-2.safetensors": safetensors({"y": weights[256:]}),
        "empty/zero": b"",
        "größe.txt": b"new",
        "run.sh": b"#!/bin/sh\n",
        "sub/deeper/words.txt": text[:300] + b"changed\n" + text[300:],
    }
    with tempfile.TemporaryDirectory() as name:
        base = write_tree(Path(name, "old"), old)
        target = write_tree(Path(name, "new"), new)
        for root in (base, target):
            (root / "run.sh").chmod(0o755)
        out = io.BytesIO()
        models.create_patch(base, target, out, created_at=1_700_000_000, threads=1)
    files = (
        ("folder.base", b"".join(old[path] for path in sorted(old))),
        ("folder.target", b"".join(new[path] for path in sorted(new))),
    )
    yield Vector("folder", "files and tensors of a folder, moved", *files, out.getvalue())


def folder_refusals() -> Iterator[Refusal]:
    """Lists of files that must be refused."""
    with tempfile.TemporaryDirectory() as name:
        patch = patch_of(Path(name))
    base = ("hostile-folder.base", b"".join(BASE[path] for path in sorted(BASE)))
    for about, change in HOSTILE.items():
        parts = parts_of(patch)
        change(parts)
        parts.header = json.dumps(parts.header).encode()
        written = parts.write()
        if len(written) <= MOST_HOSTILE:
            yield refusal(f"folder-{slug(about)}", f"folder: {about}", base, written)


def safetensors(tensors: dict[str, Any]) -> bytes:
    """A safetensors file of f16 tensors."""
    fields = {}
    at = 0
    for name, words in tensors.items():
        fields[name] = {
            "dtype": "F16",
            "shape": [len(words)],
            "data_offsets": [at, at + words.nbytes],
        }
        at += words.nbytes
    header = json.dumps(fields).encode()
    return (
        len(header).to_bytes(8, "little") + header + b"".join(w.tobytes() for w in tensors.values())
    )


def refusals() -> Iterator[Refusal]:
    """Patches that must be refused."""
    weights = words_of_normals(DType.F16, 400, 3)  # as FRONTS expects it
    steps = weights.copy()
    steps[::40] += 1
    base, target = weights.view(np.float16), steps.view(np.float16)
    patch = create_patch(base, target, threads=1).to_bytes()
    files = ("hostile.base", base.tobytes())
    yield from damaged(files, patch)
    for about, change in FRONTS.items():
        parts = parts_of(patch)
        change(parts)
        written = parts.write()
        if len(written) <= MOST_HOSTILE:
            yield refusal(f"front-{slug(about)}", f"front: {about}", files, written)
    yield from hostile_payloads(files, patch)
    bytes_base = np.random.default_rng(1).bytes(3000)
    spliced = create_patch(bytes_base, bytes_base[2000:] + bytes_base[:2000], threads=1).to_bytes()
    for kind, letter, bodies in (("splice", "x", SPLICES), ("prefixed", "p", PREFIXES)):
        for about, body in bodies.items():
            parts = parts_of(spliced)
            parts.body = body
            parts.segment.update(codings=letter, sizes=[len(body)])
            written = parts.write()
            if len(written) <= MOST_HOSTILE:
                where = ("hostile-splice.base", bytes_base)
                yield refusal(f"{kind}-{slug(about)}", f"{kind}: {about}", where, written)
    yield from hostile_blocks()


def hostile_blocks() -> Iterator[Refusal]:
    """A patch of blocks with other payloads, and with other fields in its index."""
    base, target = block_pair("q4_0", 64)
    patch = block_patch("q4_0", base, target)
    files = ("hostile-blocks.base", base.tobytes())
    for about, body in PLANES.items():
        parts = parts_of(patch)
        parts.body = body
        parts.segment["sizes"] = [len(body)]
        yield refusal(f"blocks-{slug(about)}", f"blocks: {about}", files, parts.write())
    for about, fields in BLOCKED_SEGMENTS.items():
        parts = parts_of(patch)
        parts.segment.update(fields)
        yield refusal(f"blocks-{slug(about)}", f"blocks: {about}", files, parts.write())


def damaged(files: tuple[str, bytes], patch: bytes) -> Iterator[Refusal]:
    """A good patch with damage of the plain kind."""
    for about, written in {
        "nothing at all": b"",
        "cut off in the preamble": patch[:50],
        "cut off in the header": patch[:300],
        "cut off before its last byte": patch[:-1],
        "followed by a byte": patch + b"\0",
        "a bit flipped in the preamble": flipped(patch, 60),
        "a bit flipped in the header": flipped(patch, 200),
        "a bit flipped in the body": flipped(patch, len(patch) - 1),
    }.items():
        yield refusal(f"damaged-{slug(about)}", f"damaged: {about}", files, written)
    wrong = ("hostile-wrong.base", files[1][::-1])
    yield refusal("wrong-base", "a good patch, and another base", wrong, patch)


def flipped(patch: bytes, at: int) -> bytes:
    """The bytes with one bit of one of them changed."""
    return patch[:at] + bytes([patch[at] ^ 1]) + patch[at + 1 :]


def hostile_payloads(files: tuple[str, bytes], patch: bytes) -> Iterator[Refusal]:
    """A good patch with another payload, every digest right."""
    good: Parts = parts_of(patch)
    bodies = {
        "empty but for zeros": bytes(len(good.body)),
        "of ones": b"\xff" * len(good.body),
        "with a flipped bit at its start": flipped(good.body, 0),
        "with a flipped bit in its middle": flipped(good.body, len(good.body) // 2),
        "with a flipped bit at its end": flipped(good.body, len(good.body) - 1),
        "without its last byte": good.body[:-1],
        "with a byte more": good.body + b"\0",
    }
    for about, body in bodies.items():
        parts = parts_of(patch)
        parts.body = body
        parts.segment["sizes"] = [len(body)]
        yield refusal(f"payload-{slug(about)}", f"payload: {about}", files, parts.write())
    parts = parts_of(patch)
    parts.segment["digests"] = "00" * 16
    yield refusal("digest-of-another-target", "a chunk's digest is another's", files, parts.write())


def refusal(name: str, about: str, base: tuple[str, bytes], patch: bytes) -> Refusal:
    """The case, with what comes of reading it now."""
    from support.vector_reading import refused  # the reader that the tests use

    stage, error = refused(base[1], patch)
    return Refusal(name, about, base, patch, stage, error)


def slug(text: str) -> str:
    """A part of a file's name."""
    return "".join(c if c.isalnum() else "-" for c in text.lower())


def write(path: Path, data: bytes) -> None:
    """Writes a file that is not there yet; one that is must have this content."""
    if not path.exists():
        path.write_bytes(data)
    elif path.read_bytes() != data:
        raise SystemExit(f"{path} is there and differs; a golden file is never changed")


def in_lines(document: dict[str, Any]) -> str:
    """JSON with one case a line."""
    parts = []
    for key, value in document.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(one, ensure_ascii=False) for one in value)
            parts.append(f' "{key}": [\n{rows}\n ]')
        else:
            parts.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Adds the cases whose names are not listed yet."""
    listed = HERE / "cases.json"
    document: dict[str, Any] = {"format": "ttpatch/v1", "valid": [], "invalid": []}
    if listed.exists():
        document = json.loads(listed.read_text(encoding="utf-8"))
    there = {one["name"] for kind in ("valid", "invalid") for one in document[kind]}
    made = [
        *coded_vectors(),
        *made_vectors(),
        *block_vectors(),
        *sum_vectors(),
        *model_vectors(),
        *made_from_types(),
        *folder_vectors(),
    ]
    valid = [one for one in made if one.name not in there]
    invalid = [one for one in (*refusals(), *folder_refusals()) if one.name not in there]
    files: dict[str, bytes] = {}
    for one in (*valid, *invalid):
        added = [one.base, (f"{one.name}.patch", one.patch)]
        if isinstance(one, Vector):
            added += [one.target, *one.more_bases]
        for name, data in added:
            if files.setdefault(name, data) != data:
                raise SystemExit(f"two files of the name {name}")
    (HERE / "data").mkdir(exist_ok=True)
    for name, data in files.items():
        write(HERE / "data" / name, data)
    document["valid"] += [one.entry() for one in valid]
    document["invalid"] += [one.entry() for one in invalid]
    listed.write_text(in_lines(document), encoding="utf-8")
    size = sum(map(len, files.values()))
    counts = f"{len(valid)} valid and {len(invalid)} invalid"
    sys.stdout.write(f"added {counts}; {size} bytes in {len(files)} files\n")


if __name__ == "__main__":
    main()
