"""Writes the corpus that is kept beside the targets: small files of every kind that is parsed.

    python fuzz/make_corpus.py

They are made by the writers of the tests, and by the libraries that users have. A file that a
fuzzer found goes beside them by hand, with a name that says what it showed.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import fuzz_chain
import fuzz_documents
import fuzz_journal
import fuzz_patch
import fuzz_recipes
import fuzz_signatures
import fuzz_workspace
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from sapwood.content import zstd  # noqa: E402 (the path comes first)
from sapwood.documents import canonical_json  # noqa: E402
from sapwood.models import create_patch  # noqa: E402
from sapwood.patch.format.parsing import checked_front  # noqa: E402
from sapwood.patch.signatures import serialise_detached, sign_detached  # noqa: E402
from sapwood.tensors import DType  # noqa: E402
from support import (  # noqa: E402
    chain_files,
    coreml_files,
    gguf_files,
    hdf5_files,
    onnx_files,
    tflite_files,
)
from support.model_files import layer, safetensors_file, stacked, tuned, weights  # noqa: E402
from support.zip_files import Item, archive  # noqa: E402

MOST = 16 << 10  # bytes of a file; fuzzers change small ones sooner


def npy_file(array: np.ndarray, **options: int) -> bytes:
    """What `numpy.save` writes."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def checkpoint(value: object) -> bytes:
    """What `torch.save` writes."""
    import torch

    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def torchscript() -> bytes:
    """What `torch.jit.save` writes, of one layer."""
    import torch

    torch.manual_seed(1)
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(4, 3), torch.zeros(1, 4)), file)
    return file.getvalue()


def package() -> bytes:
    """What `torch.package` writes, of one tensor."""
    import torch
    from torch.package.package_exporter import PackageExporter

    file = io.BytesIO()
    with PackageExporter(file) as exporter:
        exporter.save_pickle("model", "weights.pkl", {"w": torch.arange(12.0)})
    return file.getvalue()


def deflated() -> bytes:
    """A .npz whose entries are compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(zipfile.ZipInfo("a.npy"), npy_file(np.zeros((9, 9))))
    return file.getvalue()


def state() -> dict[str, object]:
    """A model and its optimizer, as trainers save them."""
    import torch

    torch.manual_seed(1)
    model = torch.nn.Linear(6, 4)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 6)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}


def safetensors_files() -> Iterator[tuple[str, bytes]]:
    """Of several types, with metadata, holes, padding and a tail."""
    small = {"a": weights(1, (4, 8)), "b": weights(2, (3,), DType.F32)}
    kinds = (DType.F16, DType.I8, DType.I64, DType.BOOL, DType.F8_E4M3, DType.F64)
    yield "small", safetensors_file(small, {"step": "17"})
    yield "loose", safetensors_file(small, order=["b", "a"], padding=7, hole=b"..", tail=b"end")
    yield "types", safetensors_file({kind.name: weights(3, (2, 3), kind) for kind in kinds})
    yield "empty", safetensors_file({})
    yield "layers", safetensors_file({k: v[:8] for k, v in stacked([layer(1), layer(2)]).items()})


def gguf_models() -> Iterator[tuple[str, bytes]]:
    """Of both versions, with metadata of every kind and an alignment."""
    rows = np.arange(2 * 34, dtype=np.uint8).reshape(2, 34)
    yield "kinds", gguf_files.model({"t": weights(1, (4, 8), DType.F32), "q": rows})
    tensors = [
        ("w", [8, 4], gguf_files.F32, 0, bytes(128)),
        ("q", [32], gguf_files.Q8_0, 128, bytes(34)),
    ]
    yield "version 2", gguf_files.gguf(tensors, version=2)
    yield "aligned", gguf_files.gguf(tensors, [gguf_files.aligned(64)], alignment=64, tail=b"tail")


def zip_models() -> Iterator[tuple[str, bytes]]:
    """NumPy's, PyTorch's and Keras', and archives that are unusual or no models."""
    a, b = npy_file(np.arange(6.0).reshape(2, 3)), npy_file(np.arange(5, dtype=np.int16))
    yield "npz-two", archive([Item("a.npy", a), Item("b.npy", b)])
    yield "npz-large", archive([Item("a.npy", a, wide=True)], large=True, comment=b"note")
    yield "npz-deflated", deflated()
    yield "pytorch-training", checkpoint(state())
    yield "pytorch-script", torchscript()
    yield "pytorch-package", package()
    weights_of = hdf5_files.hdf5_file({"w": weights(1, (3, 4), DType.F32)})
    config = [Item("metadata.json", b"{}"), Item("config.json", b"{}")]
    yield "keras-one", archive([*config, Item("model.weights.h5", weights_of)])
    yield "zip-text", archive([Item("a.txt", b"no model at all")])


def model_files() -> Iterator[tuple[str, bytes]]:
    """One of each kind at the least; what comes before the first hyphen is the format."""
    for make, form in ((safetensors_files, "safetensors"), (gguf_models, "gguf")):
        for name, data in make():
            yield f"{form}-{name}", data
    yield from zip_models()
    yield "npy-rows", npy_file(np.arange(6, dtype=np.float32).reshape(2, 3))
    yield "npy-columns", npy_file(np.asfortranarray(np.ones((3, 4), np.int32)))
    yield "npy-big-endian", npy_file(np.arange(7, dtype=">f8"), version=(2, 0))
    yield "onnx-everything", onnx_files.everything()
    yield "onnx-network", onnx_files.network({"w": weights(1, (4, 4), DType.F32)})
    yield "tflite-small", tflite_files.small()
    yield "tflite-large", tflite_files.large({"w": weights(1, (4, 8), DType.F32)})
    yield "coreml-everything", coreml_files.everything()
    blobs = [(1, weights(1, (9,), DType.F16).tobytes()), (2, weights(2, (5,), DType.F32).tobytes())]
    yield "coreml_weights-two", coreml_files.blob_storage(blobs)
    yield "hdf5-newer", hdf5_files.NEWER
    yield "hdf5-older", hdf5_files.hdf5_file({"w": weights(1, (3, 4), DType.F32)})
    data = '<data element_type="f32" shape="2, 3" offset="0" size="24"/>'
    layers = f'<layers><layer id="0" name="w" type="Const">{data}</layer></layers>'
    yield "openvino-one", f'<?xml version="1.0"?><net version="11">{layers}</net>'.encode()
    yield "bytes-text", b"no model at all\n" * 9


def patches() -> Iterator[tuple[str, bytes]]:
    """Of tensors in every coding, and of model files."""
    for number, (_, _, patch) in enumerate(fuzz_patch.good_patches()):
        yield f"tensor-{number}", patch
    old = {"a": weights(1, (32, 32)), "b": weights(2, (40,), DType.F32)}
    new = {**old, "a": tuned(old["a"], 3), "c": weights(4, (5, 5), DType.I8)}
    pairs = {
        "safetensors": (safetensors_file(old), safetensors_file(new, {"step": "2"})),
        "same": (safetensors_file(old), safetensors_file(old)),
        "empty": (b"", b""),
        "bytes": (b"0123456789" * 90, b"0123456789" * 40 + b"put in" + b"0123456789" * 50),
    }
    for name, (base, target) in pairs.items():
        yield f"model-{name}", patch_of(base, target)
    yield "signed", fuzz_signatures.signed_patch()


def patch_of(base: bytes, target: bytes) -> bytes:
    """The patch between two files."""
    out = io.BytesIO()
    create_patch(base, target, out, metadata={"run": 17, "words": ["é", None]}, threads=1)
    return out.getvalue()


def signatures() -> Iterator[tuple[str, bytes]]:
    """Patches that are signed, lists of signatures, files of them, and keys."""
    signed = fuzz_signatures.signed_patch()
    yield "patch-signed", signed
    yield "patch-bare", fuzz_signatures.bare_patch()
    made = []
    for number, counter in ((1, 3), (2, 2), (9, 5)):
        name, one = sign_detached(
            checked_front(signed), fuzz_signatures.keypair(number)[1], counter
        )
        made.append(one)
        yield f"file-{number}", serialise_detached(name, [one])
        yield f"key-{number}", fuzz_signatures.keypair(number)[0]
    yield "file-all", serialise_detached(name, made)
    yield "list", serialise_detached(name, made).partition(b'"signatures":')[2].rstrip(b"}\n")
    yield "file-later", serialise_detached(name, made[:1]).replace(b"ed25519", b"ml-dsa-65")


def chains() -> Iterator[tuple[str, bytes]]:
    """One way and both ways, and one that was cut off while it was appended to."""
    files = fuzz_chain.FILES
    yield "both-ways", fuzz_chain.good_chain()
    yield "forward", chain_files.chain_of(files, reverse=False)
    yield "cut-off", chain_files.chain_of(files)[:-70]


def recipes() -> Iterator[tuple[str, bytes]]:
    """Each recipe with another number in it, and with bases of large and small numbers."""
    numbers = np.array([1.0, -0.3, 1e-40, 65520.0, np.inf, np.nan], "<f4").tobytes()
    for number, recipe in enumerate(fuzz_recipes.RECIPES):
        kind = recipe.prediction["kind"]
        text = json.dumps(recipe.prediction).encode()
        at = text.index(b'"offset": ') + len(b'"offset": ')
        yield f"{kind}-{number}", bytes([number]) + at.to_bytes(2, "little") + b"\x017"
        yield f"{kind}-{number}-numbers", bytes([number]) + numbers


def journals() -> Iterator[tuple[str, bytes]]:
    """Of an update half-way, with a way back and without, and one that was cut off."""
    for name, undo in (("undo", True), ("no-undo", False)):
        yield name, fuzz_journal.good(undo)[2]
    yield "cut-off", fuzz_journal.good()[2][:-70]


def workspaces() -> Iterator[tuple[str, bytes]]:
    """One input for each reader of workspaces, which the first byte chooses."""
    for number, (read, seed) in enumerate(fuzz_workspace.READERS):
        yield read.__name__.removeprefix("read_"), bytes([number]) + seed


def documents() -> Iterator[tuple[str, bytes]]:
    """One of each kind that is read, whose reader the first byte chooses."""
    number = {name: bytes([i]) for i, name in enumerate(fuzz_documents.READERS)}
    value = {"a": "é", "b": [1, -2, 0.5], "c": {"d": None, "e": True}, "f": [{"g": "00ff00ff"}]}
    yield "json", number["json"] + json.dumps(value, indent=1).encode()
    yield "canonical", number["canonical"] + canonical_json.serialise(value)
    toml = b'a.b = "c"\n[d.e]\nf = 0xff\ng = 2025-01-15\n[[h]]\ni = [{ j = inf }]\n'
    yield "toml", number["toml"] + toml
    yield "paths", number["paths"] + "a/b\t.git/c\tNUL.x\té\te\u0301\tA\ta\t../d".encode()


def archives() -> Iterator[tuple[str, bytes]]:
    """Zips as they may be packed, and tars of all dialects and packings."""
    items = [Item("folder/"), Item("folder/a", b"stored"), Item("b", b"deflated" * 20, 8)]
    yield "zip-plain", archive(items)
    yield "zip-large", archive([Item("a", b"x", wide=True)], large=True, comment=b"note")
    yield "zip-written-forwards", archive([Item("a", b"x" * 40, 8, flags=1 << 3)])
    yield "zip-bzip2", archive([Item("a", b"x" * 40, 12)])
    forms = {"posix": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
    for name, form in forms.items():
        yield f"tar-{name}", tar_file({"folder/é": b"content", "a/" * 60 + "b": b"x"}, form)
    small = tar_file({"a": b"content"}, tarfile.PAX_FORMAT)
    yield "tar-gzip", gzip.compress(small, mtime=0) + gzip.compress(b"", mtime=0)
    yield "tar-zstd", zstd.compress(small, 3)


def tar_file(files: Mapping[str, bytes], form: int) -> bytes:
    """What `tarfile` writes in one of its formats."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return file.getvalue()[: 512 * (-(-len(file.getvalue().rstrip(b"\0")) // 512) + 2)]


CORPORA: Mapping[str, Iterator[tuple[str, bytes]]] = {
    "modelfiles": model_files(),
    "safetensors": safetensors_files(),
    "patch": patches(),
    "signatures": signatures(),
    "chain": chains(),
    "recipes": recipes(),
    "journal": journals(),
    "documents": documents(),
    "workspace": workspaces(),
    "archives": archives(),
}
"""The files of each target, by their names."""


def main() -> None:
    for target, files in CORPORA.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files:
            if len(data) > MOST:
                raise SystemExit(f"{target}/{name}: {len(data)} bytes, more than {MOST}")
            (folder / name.replace(" ", "-")).write_bytes(data)


if __name__ == "__main__":
    main()
