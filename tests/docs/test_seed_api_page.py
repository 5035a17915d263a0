"""Every example of the interface that `sapwood.models` follows runs as it stands.

`mallorn_python_api.md` is the page that describes it, unchanged. `import mallorn` gives
`sapwood.models` here, with the one name that is ours by another: MallornError is SapwoodError.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import hashlib
import inspect
import re
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sapwood import models
from sapwood.errors import SapwoodError
from sapwood.tensors import DType
from support import gguf_files, tflite_files
from support.model_files import tuned, weights
from support.places import TESTS

PAGE = (TESTS / "docs" / "mallorn_python_api.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = [block for block in BLOCKS if block.startswith(("import ", "from "))]
FUNCTIONS = [block for block in BLOCKS if block.startswith("def ")]
CLASSES = [block for block in BLOCKS if block.startswith("@dataclass")]

# The examples open files and leave closing them to Python.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def network(seed: int) -> bytes:
    """An int8 TFLite model, retrained for each seed but the first."""
    arrays = {
        "conv": weights(1, (64, 96), DType.I8),
        "dense": weights(2, (96, 96), DType.F32),
        "norm": weights(3, (96,), DType.F32),
    }
    if seed:
        arrays["dense"] = tuned(arrays["dense"], seed)
        arrays["conv"] = (arrays["conv"] + (weights(seed, (64, 96)) > 0.03)).astype(np.int8)
    return tflite_files.network(arrays)


def language_model(seed: int) -> bytes:
    """A GGUF file of f32 tensors, tuned for each seed but the first."""
    table = weights(5, (128, 64), DType.F32)
    return gguf_files.model({"token_embd.weight": tuned(table, seed) if seed else table})


OLD, NEW = network(0), network(1)
OLD_GGUF, NEW_GGUF = language_model(0), language_model(1)

FILES: Mapping[str, bytes] = {
    "model_v1.tflite": OLD, "model_v2.tflite": NEW,
    "v1.tflite": OLD, "v2.tflite": NEW,
    "v1.gguf": OLD_GGUF, "v2.gguf": NEW_GGUF,
    "model.tflite": OLD, "other_model.tflite": OLD,
    "model_a.tflite": OLD, "model_b.tflite": NEW,
    "wrong_model.tflite": NEW,
    "llama-7b-q4.gguf": OLD_GGUF, "llama-7b-q4-finetuned.gguf": NEW_GGUF,
    "models/v1/a.tflite": OLD, "models/v2/a.tflite": NEW,
    "models/v1/b.tflite": NEW, "models/v2/b.tflite": OLD,
    "models/v1/gone.tflite": OLD, "models/v2/new.tflite": NEW,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the examples run: with every file that they name, and `mallorn` to import."""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "patches").mkdir()
    public, private = models.generate_keypair()
    (tmp_path / "mallorn.pub").write_bytes(public)
    (tmp_path / "mallorn.key").write_bytes(private)
    models.create_patch(OLD, NEW, tmp_path / "patch.tflp", private_key=private)
    models.create_patch(OLD, NEW, tmp_path / "update.tflp")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "MallornError", SapwoodError, raising=False)
    monkeypatch.setitem(sys.modules, "mallorn", models)
    return tmp_path


def run(example: str) -> dict[str, Any]:
    """Runs a block of the page as it stands, and gives the names that it left."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "example", "exec"), names)
    return names


def example(words: str) -> str:
    """The one example of the page that holds these words."""
    found: list[str] = [block for block in EXAMPLES if words in block]
    assert len(found) == 1
    return found[0]


def applied(base: bytes, patch: Path) -> bytes:
    """The target of a patch."""
    out = patch.with_name("applied")
    assert models.apply_patch(base, patch, out).is_valid()
    return out.read_bytes()


def test_the_page_has_the_blocks_that_are_run_here() -> None:
    assert len(EXAMPLES) + len(FUNCTIONS) + len(CLASSES) == len(BLOCKS)
    assert (len(EXAMPLES), len(FUNCTIONS), len(CLASSES)) == (13, 8, 4)
    assert sorted(RUNS) == sorted(set(RUNS))
    held = [[words for words in RUNS if words in block] for block in EXAMPLES]
    assert sorted(words for found in held for words in found) == sorted(RUNS)
    assert all(len(found) == 1 for found in held)


def quick_start(folder: Path, printed: str) -> None:
    assert printed.startswith("Patch size: ")
    assert printed.endswith("Success: True\n")
    assert (folder / "model_v2_restored.tflite").read_bytes() == NEW


def creating(folder: Path, printed: str) -> None:
    assert applied(OLD, folder / "patch.tflp") == NEW
    assert applied(OLD_GGUF, folder / "patch.ggup") == NEW_GGUF
    assert models.patch_info(folder / "patch.tflp").signed
    assert models.patch_info(folder / "patch.ggup").format == "gguf"


def applying(folder: Path, printed: str) -> None:
    assert printed == "Patch applied successfully!\n"
    assert (folder / "v2.tflite").read_bytes() == NEW


def verifying(folder: Path, printed: str) -> None:
    assert printed.splitlines() == [
        "Source valid: True",
        "Patch valid: True",
        f"Expected target: {hashlib.sha256(NEW).hexdigest()}",
    ]


def telling(folder: Path, printed: str) -> None:
    size = (folder / "update.tflp").stat().st_size
    lines = printed.splitlines()
    assert lines[:6] == [
        "Format: tflite",
        f"Source hash: {hashlib.sha256(OLD).hexdigest()}",
        f"Target hash: {hashlib.sha256(NEW).hexdigest()}",
        f"Patch size: {size} bytes",
        "Tensors modified: 2",
        "Tensors unchanged: 1",
    ]
    assert lines[6].startswith("Compression: residual")
    assert lines[7:] == ["Signed: False"]


def making_keys(folder: Path, printed: str) -> None:
    public, private = ((folder / f"mallorn.{end}").read_bytes() for end in ("pub", "key"))
    assert (len(public), len(private)) == (32, 64)
    models.create_patch(OLD, NEW, folder / "new.tflp", private_key=private)
    assert models.verify_patch(OLD, folder / "new.tflp", public).signature_valid


def signing(folder: Path, printed: str) -> None:
    public = (folder / "mallorn.pub").read_bytes()
    assert models.verify_patch(OLD, folder / "update.tflp.signed", public).signature_valid


def fingerprinting(folder: Path, printed: str) -> None:
    lines = printed.splitlines()
    assert lines[0] == f"Size: {len(OLD)} bytes"
    assert re.fullmatch(r"Short ID: [0-9a-f]{16}", lines[3])
    assert lines[4:] == ["Models are the same version"]


def comparing(folder: Path, printed: str) -> None:
    assert printed == "Different versions - update needed\n"


def failing(folder: Path, printed: str) -> None:
    assert printed.startswith("Patch failed: wrong base: expected ")
    assert not (folder / "output.tflite").exists()


def retraining(folder: Path, printed: str) -> None:
    assert re.fullmatch(r"Update size: [0-9.]+ KB\nSavings: [0-9.]+%\n", printed)
    assert applied(OLD, folder / "update.tflp") == NEW


def updating_a_language_model(folder: Path, printed: str) -> None:
    assert re.fullmatch(r"Original: 0\.0 GB\nPatch: [0-9.]+ MB\n", printed)
    assert applied(OLD_GGUF, folder / "update.ggup") == NEW_GGUF


def batch(folder: Path, printed: str) -> None:
    assert printed.count("Created patch: ") == 2
    assert sorted(one.name for one in (folder / "patches").iterdir()) == ["a.tflp", "b.tflp"]
    assert applied(OLD, folder / "patches" / "a.tflp") == NEW


RUNS: Mapping[str, Callable[[Path, str], None]] = {
    '"model_v2_restored.tflite"': quick_start,
    "# From bytes (useful for in-memory models)": creating,
    'print("Patch applied successfully!")': applying,
    'print(f"Source valid: {result.source_valid}")': verifying,
    'print(f"Compression: {info.compression}")': telling,
    "mallorn.generate_keypair()": making_keys,
    'mallorn.sign_patch("update.tflp", private_key': signing,
    'fp2 = mallorn.fingerprint("other_model.tflite")': fingerprinting,
    "mallorn.compare_fingerprints(": comparing,
    "from mallorn import MallornError": failing,
    "import tensorflow as tf": retraining,
    '"llama-7b-q4-finetuned.gguf"': updating_a_language_model,
    "ThreadPoolExecutor(max_workers=4)": batch,
}
"""What holds after an example, by words that it alone has."""


@pytest.mark.parametrize("words", [one for one in RUNS if one != "import tensorflow as tf"])
def test_an_example_runs_as_it_stands(
    words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(example(words))
    RUNS[words](folder, capsys.readouterr().out)


def test_the_tensorflow_example_runs_beside_a_stand_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The block stands as it is, but `tensorflow` is not the real one.

    TensorFlow is far too large to test with. Of it the block uses an interpreter, whose
    result it drops, and a converter: in their place a module gives the bytes of a retrained
    model, as the writer of these tests makes them.
    """
    (folder / "model_v2.tflite").unlink()
    converter = types.SimpleNamespace(convert=lambda: NEW)
    tensorflow = types.ModuleType("tensorflow")
    tensorflow.lite = types.SimpleNamespace(  # type: ignore[attr-defined]
        Interpreter=lambda model_path: Path(model_path).read_bytes(),
        TFLiteConverter=types.SimpleNamespace(from_saved_model=lambda saved_model: converter),
    )
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    run(example("import tensorflow as tf"))
    retraining(folder, capsys.readouterr().out)


@pytest.mark.parametrize("block", FUNCTIONS, ids=lambda block: str(block.split("(")[0][4:]))
def test_a_function_takes_what_the_page_says(block: str) -> None:
    described = ast.parse(block.rstrip() + ":\n    pass").body[0]
    assert isinstance(described, ast.FunctionDef)
    wanted = described.args.args
    defaults = [inspect.Parameter.empty] * (len(wanted) - len(described.args.defaults))
    defaults += [ast.literal_eval(one) for one in described.args.defaults]
    found = inspect.signature(getattr(models, described.name)).parameters.values()
    by_position = [one for one in found if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert [one.name for one in by_position] == [one.arg for one in wanted]
    assert [one.default for one in by_position] == defaults
    # What is ours beyond the page has a default, and is named.
    for one in found:
        assert one in by_position or (one.kind, one.default) != (one.KEYWORD_ONLY, one.empty)


@pytest.mark.parametrize("block", CLASSES, ids=lambda block: str(block.split()[2].rstrip(":")))
def test_a_result_has_the_fields_and_methods_of_the_page(block: str, folder: Path) -> None:
    described = ast.parse(block).body[0]
    assert isinstance(described, ast.ClassDef)
    results = {
        "Fingerprint": models.fingerprint("v1.tflite"),
        "PatchStats": models.create_patch("v1.tflite", "v2.tflite", "p"),
        "PatchVerification": models.verify_patch("v1.tflite", "patch.tflp", public_key()),
        "PatchInfo": models.patch_info("patch.tflp"),
    }
    result = results[described.name]
    assert type(result) is getattr(models, described.name)
    assert dataclasses.is_dataclass(result)
    for one in described.body:
        if isinstance(one, ast.AnnAssign):
            assert isinstance(one.target, ast.Name)
            kinds = [
                vars(builtins)[kind]
                for kind in re.findall(r"int|str|bytes|bool|float", ast.unparse(one.annotation))
            ]
            value = getattr(result, one.target.id)
            assert type(value) in (*kinds, type(None)), one.target.id
            if "None" not in ast.unparse(one.annotation):
                assert value is not None
        else:
            assert isinstance(one, ast.FunctionDef)
            method = getattr(type(result), one.name)
            assert list(inspect.signature(method).parameters) == [a.arg for a in one.args.args]


def public_key() -> bytes:
    """The key beside the examples."""
    return Path("mallorn.pub").read_bytes()


def test_the_comments_of_the_page_hold(folder: Path) -> None:
    stats = models.create_patch("v1.tflite", "v2.tflite", "p")
    assert stats.compression_ratio == stats.target_size / stats.patch_size
    one, same, other = map(models.fingerprint, ("v1.tflite", "model.tflite", "v2.tflite"))
    assert one.short() == one.combined_hash[:16]
    assert one.format == "tflite"
    assert one.matches(same)
    assert one.combined_hash == same.combined_hash
    assert not one.matches(other)
    info = models.patch_info("patch.tflp")
    assert info.source_hash == hashlib.sha256(OLD).digest()
    assert info.target_hash == hashlib.sha256(NEW).digest()


def test_the_errors_of_the_page_are_there_to_catch() -> None:
    listed = re.findall(r"^    # - (\w+)$", example("MallornError"), re.MULTILINE)
    assert listed == [
        "SourceHashMismatch", "TargetHashMismatch", "InvalidPatch", "SignatureError", "IoError",
    ]  # fmt: skip
    for name in listed:
        error = getattr(models, name)
        assert issubclass(error, models.SapwoodError)
        assert name in vars(models)["__all__"]
