"""Models in zip archives: what is stored in them is found, and hostile archives do no harm."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch.package.package_exporter import PackageExporter

from sapwood import models
from sapwood.modelfile import storage_pickle
from sapwood.modelfile.storage_pickle import Budget, find_storages
from sapwood.modelfile.zip_entries import read_directory
from sapwood.tensors.dtypes import DType
from support.layouts import (
    assert_prefixes_open,
    assert_refused,
    assert_survives_damage,
    contents,
    opened,
)
from support.model_files import patched, tuned, weights
from support.zip_files import Item, archive

pytestmark = pytest.mark.quick

STATE = {
    "weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "bias": torch.ones(3, dtype=torch.bfloat16),
}


def checkpoint(value: Any, **options: Any) -> bytes:
    """A file of torch.save."""
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def specs(file: bytes) -> dict[str, str]:
    return {name: spec for name, (spec, _) in contents(file).items()}


def raw(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().view(torch.uint8).numpy())


# PyTorch


def test_a_state_dict_gives_its_tensors() -> None:
    file = checkpoint(STATE)
    assert contents(file) == {
        "weight": ("f32[2, 3]", raw(STATE["weight"])),
        "bias": ("bf16[3]", raw(STATE["bias"])),
    }
    assert (opened(file).format, opened(file).warning) == ("pytorch", None)


TYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn,
    torch.float8_e5m2, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8,
    torch.uint16, torch.uint32, torch.uint64, torch.bool,
]  # fmt: skip
LABELS = ["f64", "f32", "f16", "bf16", "f8_e4m3", "f8_e5m2", "i8", "i16", "i32", "i64", "u8",
          "u16", "u32", "u64", "bool"]  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_type_of_element_and_protocol(protocol: int) -> None:
    state = {
        label: torch.zeros(4, 8, dtype=kind) for label, kind in zip(LABELS, TYPES, strict=True)
    }
    file = checkpoint(state, pickle_protocol=protocol)
    assert specs(file) == {label: f"{label}[4, 8]" for label in LABELS}


def test_what_is_not_known_is_bytes() -> None:
    state = {
        "complex": torch.zeros(3, dtype=torch.complex64),
        "untyped": torch.zeros(3).untyped_storage(),
    }
    assert specs(checkpoint(state)) == {"complex": "bytes[24]", "untyped": "bytes[12]"}


def test_model_and_optimizer_are_named_by_their_keys() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 8)).sum().backward()
    optimizer.step()
    whole = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    found = specs(checkpoint(whole))
    assert found["model.1.weight"] == "f32[2, 4]"
    assert found["optimizer.state.0.exp_avg"] == "f32[4, 8]"
    assert found["optimizer.state.3.step"] == "f32[]"
    assert len(found) == 4 + 3 * 4
    # A whole module, its classes unknown to whoever reads it.
    module = specs(checkpoint(model))
    assert module["_modules.0._parameters.weight"] == "f32[4, 8]"


def test_shapes_are_those_of_memory() -> None:
    whole = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    state = {
        "transposed": whole.t(),
        "sliced": torch.zeros(5, 7)[1:, 2:],
        "tied": (tied := torch.zeros(3, 3)),
        "again": tied,
        "list": [torch.zeros(2), (torch.zeros(1, 3), {7: torch.zeros(4)})],
        "parameter": torch.nn.Parameter(torch.zeros(2, 2)),
        "empty": torch.zeros(0, 3),
    }
    assert specs(checkpoint(state)) == {
        "transposed": "f32[4, 6]",
        "sliced": "f32[35]",
        "tied": "f32[3, 3]",
        "list.0": "f32[2]",
        "list.1.0": "f32[1, 3]",
        "list.1.1.7": "f32[4]",
        "parameter": "f32[2, 2]",
        "empty": "f32[0, 3]",
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_archives_of_torch_give_their_storages(tmp_path: Path) -> None:
    linear = torch.nn.Linear(3, 2)
    expected = {
        "weight": ("f32[2, 3]", raw(linear.weight.detach())),
        "bias": ("f32[2]", raw(linear.bias.detach())),
    }
    script, package = tmp_path / "module.pt", tmp_path / "package.pt"
    torch.jit.trace(linear, torch.zeros(1, 3)).save(str(script))  # type: ignore[no-untyped-call]
    assert contents(script.read_bytes()).items() >= expected.items()
    with PackageExporter(str(package)) as exporter:
        exporter.extern("torch.**")
        exporter.save_pickle("model", "weights.pkl", linear.state_dict())
    assert contents(package.read_bytes()) == expected


def test_torchscript_constants_are_tensors_too() -> None:
    # What torch.jit.script makes of a linear layer, and what it compresses.
    items = [
        Item("m/data/0", bytes(24)),
        Item("m/data.pkl", script_pickle()),
        Item("m/code/__torch__/m.py", b"def forward(self): ...\n" * 20, method=8),
        Item("m/constants/0", bytes(8)),
        Item("m/constants.pkl", b"\x80\x02)."),
        Item("m/version", b"3\n"),
    ]
    assert specs(archive(items)) == {"weight": "f32[2, 3]", "constants/0": "bytes[8]"}


def script_pickle() -> bytes:
    return (
        b"\x80\x02c__torch__\nLinear\nq\x00)\x81}(X\x06\x00\x00\x00weightctorch._utils\n"
        b"_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
        b"X\x03\x00\x00\x00cpuK\x06tQK\x00(K\x02K\x03t(K\x03K\x01t\x89ccollections\nOrderedDict\n"
        b")RtRX\x08\x00\x00\x00training\x88ub."
    )


def test_torch_packages_give_their_storages() -> None:
    inner = script_pickle().replace(b"X\x01\x00\x00\x000", b"K\x00")
    items = [
        Item("p/.data/0.storage", bytes(24)),
        Item("p/m/w.pkl", inner),
        Item("p/.data/version", b"6\n"),
    ]
    assert specs(archive(items)) == {"weight": "f32[2, 3]"}


def test_big_endian_checkpoints_are_bytes() -> None:
    items = [
        Item("m/data.pkl", script_pickle()),
        Item("m/byteorder", b"big"),
        Item("m/data/0", bytes(24)),
    ]
    assert specs(archive(items)) == {"data/0": "bytes[24]"}


def model_state(seed: int = 0) -> dict[str, torch.Tensor]:
    return {
        f"layers.{i}.{end}": torch.from_numpy(weights(seed + i, (128, 256), DType.F32))
        for i in range(4)
        for end in ("up", "down")
    }


def test_a_container_saved_again_costs_little(tmp_path: Path) -> None:
    state = model_state()
    base = checkpoint(state)
    # Under another name, which stands in front of every storage, and in another order.
    again = tmp_path / "final-checkpoint.pt"
    torch.save(dict(reversed(state.items())), again)
    patch, stats = patched(base, again.read_bytes())
    assert (stats.tensors_modified, stats.tensors_unchanged) == (0, 8)
    assert len(patch) < min(3000, len(base) // 300)

    again = tmp_path / "archive.pt"
    torch.save({"state": state, "epoch": 3}, again)
    patch, stats = patched(base, again.read_bytes())
    assert (stats.tensors_modified, stats.tensors_unchanged) == (0, 8)
    assert len(patch) < 3000


def test_a_step_of_training_is_coded_by_tensors() -> None:
    old = model_state()
    steps = enumerate(reversed(old.items()))
    new = {name: torch.from_numpy(tuned(w.numpy(), i)) for i, (name, w) in steps}
    patch, stats = patched(checkpoint(old), checkpoint(new))
    assert stats.tensors_modified == 8
    info = models.patch_info(patch)
    assert (info.format, info.neural) == ("pytorch", True)
    assert len(patch) < 0.8 * sum(w.nbytes for w in old.values())
    one = {name: w.clone() for name, w in old.items()}
    one["layers.2.up"][3, 5] += 1
    patch, stats = patched(checkpoint(old), checkpoint(one))
    assert stats.tensors_modified == 1
    assert len(patch) < 3000


# The pickle, which is never loaded


class Attack:
    """Would call something when it is unpickled."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], tuple(self.call[1:])


def with_pickle(data: bytes) -> bytes:
    items = [Item("m/data.pkl", data), Item("m/data/0", bytes(24)), Item("m/version", b"3\n")]
    return archive(items)


def test_nothing_in_a_pickle_is_run(tmp_path: Path) -> None:
    file = checkpoint([Attack(Path.touch, tmp_path / "made"), torch.zeros(2)])
    assert specs(file) == {"1": "f32[2]"}
    assert not (tmp_path / "made").exists()


def frames(opcodes: bytes) -> bytes:
    return b"\x80\x04" + opcodes + b"."


PICKLES = {
    "empty": b"",
    "no pickle": b"\xff" * 50,
    "cut off": script_pickle()[:60],
    "stack too short": frames(b"tRQ\x81b"),
    "marks missing": frames(b"ut"),
    "mark below what was taken": frames(b"K\1K\2(\x86u"),
    "nested without end": frames(b"(" * 100_000),
    "tuples in tuples": frames(b")" + b"\x85" * 100_000),
    "lists in themselves": frames(b"]q\0h\0ah\0h\0h\0\x87"),
    "doubled without end": frames(b")" + b"q\0h\0\x86" * 5000),
    "string of 2^63 bytes": frames(b"\x8d" + b"\xff" * 7 + b"\x7f"),
    "bytes of 2^64 - 1": frames(b"\x8e" + b"\xff" * 8),
    "number of 2^31 bytes": frames(b"\x8b\xff\xff\xff\x7f"),
    "negative length": frames(b"\x8b\xff\xff\xff\xff"),
    "number of 9000 digits": frames(b"I" + b"9" * 9000 + b"\n"),
    "memo of 9000 digits": frames(b"g" + b"9" * 9000 + b"\n"),
    "bad escapes": frames(b"S'\\d'\n"),
    "bad unicode": frames(b"V\\ud800\\u12\n"),
    "surrogate": script_pickle().replace(b"weight", b"\xed\xa0\x80abc"),
    "negative elements": script_pickle().replace(b"K\x06tQ", b"J\xff\xff\xff\xfftQ"),
    "2^63 elements": script_pickle().replace(b"K\x06tQ", b"\x8a\x09" + b"\xff" * 7 + b"\x7f\0tQ"),
    "shape that overflows": script_pickle().replace(
        b"(K\x02K\x03t", b"(" + 2 * (b"\x8a\x08" + b"\xff" * 7 + b"\x7f") + b"t"
    ),
    "negative shape": script_pickle().replace(b"(K\x02K", b"(J\xfe\xff\xff\xff\x8a\x01\xfdK"),
    "shape of text": script_pickle().replace(b"(K\x02K", b"(X\x01\x00\x00\x002K"),
    "key that is a number of 9000 digits": script_pickle().replace(
        b"X\x06\x00\x00\x00weight", b"\x8b" + struct.pack("<I", 4000) + b"\x7f" * 4000
    ),
    "key of a megabyte": script_pickle().replace(
        b"X\x06\x00\x00\x00weight", b"X" + struct.pack("<I", 1 << 20) + b"k" * (1 << 20)
    ),
}


@pytest.mark.parametrize("name", PICKLES)
def test_hostile_pickles_leave_the_storage_as_it_is(name: str) -> None:
    found = contents(with_pickle(PICKLES[name]))
    assert len(found) == 1
    ((spec, data),) = found.values()
    assert data == bytes(24)
    assert spec in ("bytes[24]", "f32[6]", "f32[2, 3]")


def test_a_long_pickle_is_followed_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_pickle, "MOST_OPCODES", 10)
    budget = Budget()
    assert find_storages(script_pickle(), budget) == []
    assert budget.left == 0
    assert specs(checkpoint(STATE)) == {"data/0": "bytes[24]", "data/1": "bytes[6]"}


@given(
    st.lists(st.sampled_from([bytes([n]) for n in b"()]}tu\x85\x86\x87RQbsaeK\1q0h12N\x94\x93c"]))
)
def test_any_opcodes_open(opcodes: list[bytes]) -> None:
    opened(with_pickle(b"".join(opcodes)))
    opened(with_pickle(script_pickle()[:-1] + b"".join(opcodes)))


def test_two_tensors_of_one_name_are_named_by_their_entries() -> None:
    renamed = pickle.dumps({"a": 1})
    assert specs(with_pickle(renamed)) == {"data/0": "bytes[24]"}
    second = script_pickle().replace(b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x001")
    items = [
        Item("m/data.pkl", script_pickle()), Item("m/data/0", bytes(24)),
        Item("m/other.pkl", second), Item("m/other/1", bytes(24)),
    ]  # fmt: skip
    assert specs(archive(items)) == {"data/0": "f32[2, 3]", "other/1": "f32[2, 3]"}


# NumPy and Keras


def test_npz_files_give_their_arrays() -> None:
    file = io.BytesIO()
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(["text"])}
    np.savez(file, allow_pickle=False, **arrays)
    assert contents(file.getvalue()) == {
        "a": ("f32[2, 3]", arrays["a"].tobytes()),
        "b": ("bytes[16]", arrays["b"].tobytes()),
    }
    assert opened(file.getvalue()).format == "npz"


def test_compressed_npz_files_are_skeleton() -> None:
    file = io.BytesIO()
    np.savez_compressed(file, a=np.zeros(100))
    layout = opened(file.getvalue())
    assert (layout.format, layout.tensors, layout.warning) == ("npz", (), None)


def test_broken_arrays_in_npz_are_bytes() -> None:
    assert specs(archive([Item("a.npy", b"\x93NUMPY\1\0"), Item("b.npy")])) == {
        "a": "bytes[8]",
        "b": "bytes[0]",
    }


def test_npz_pairs_cost_little() -> None:
    old = {f"w{i}": weights(i, (64, 256), DType.F32) for i in range(4)}
    new = old | {"w2": old["w2"].copy()}
    new["w2"][1, 2] = 0
    files = [io.BytesIO(), io.BytesIO()]
    np.savez(files[0], allow_pickle=False, **old)
    np.savez(files[1], allow_pickle=False, **new)
    patch, stats = patched(files[0].getvalue(), files[1].getvalue())
    assert (stats.tensors_modified, stats.tensors_unchanged) == (1, 3)
    assert len(patch) < 2500
    assert models.patch_info(patch).format == "npz"


def keras(values: Any) -> bytes:
    weights_file = b"\x89HDF\r\n\x1a\n" + bytes(500) + values.tobytes() + bytes(500)
    return archive(
        [
            Item("metadata.json", json.dumps({"keras_version": "3.0.0"}).encode()),
            Item("config.json", b'{"class_name": "Sequential"}'),
            Item("model.weights.h5", weights_file),
        ]
    )


def test_keras_archives_are_patched_as_bytes() -> None:
    old = weights(1, (128, 256), DType.F32)
    new = old.copy()
    new[4, 4:9] += 1
    assert opened(keras(old)).tensors == ()
    patch, _ = patched(keras(old), keras(new))
    assert models.patch_info(patch).format == "keras"
    assert len(patch) < 2000


def test_other_archives_are_bytes_without_warning() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        target.writestr("word/document.xml", "<xml/>")
    layout = opened(file.getvalue())
    assert (layout.format, layout.tensors, layout.warning) == ("zip", (), None)


# Hostile archives


ARRAY = io.BytesIO()
np.save(ARRAY, np.arange(4, dtype=np.int32))
NPY = ARRAY.getvalue()
KEPT = {"kept": "i32[4]"}
GOOD = Item("kept.npy", NPY)


def test_large_archives_and_comments() -> None:
    for file in (
        archive([GOOD], large=True),
        archive([Item("kept.npy", NPY, wide=True)]),
        archive([Item("kept.npy", NPY, wide=True)], large=True, comment=b"PK\5\6 and words"),
        archive([Item("kept.npy", NPY, extra=b"FB\4\0ZZZZ")], comment=b"x" * 65535),
        archive([Item("kept.npy", NPY, flags=1 << 3)]),
    ):
        assert specs(file) == KEPT


def placed(name: str, **fields: Any) -> list[Item]:
    return [GOOD, Item(name, NPY, **fields)]


LEFT_OUT: dict[str, list[Item]] = {
    "encrypted": placed("x.npy", flags=1),
    "encrypted directory": placed("x.npy", flags=1 << 13),
    "compressed": placed("x.npy", method=8),
    "of an unknown method": placed("x.npy", method=93),
    "another name in the local header": placed("x.npy", local_name=b"kept.npy"),
    "larger than the file": placed("x.npy", size=2**31),
    "into the directory": placed("x.npy", size=len(NPY) + 1),
    "of 2^63 bytes": placed("x.npy", size=2**63, wide=True),
    "of 2^64 - 1 bytes": placed("x.npy", size=2**64 - 1, wide=True),
    "at offset 2^63": placed("x.npy", header=2**63, wide=True),
    "at an offset outside": placed("x.npy", header=10**6),
    "at an offset between headers": placed("x.npy", header=3),
    "sizes that are not there": placed("x.npy", size=2**32 - 1),
    "two of one name": [GOOD, Item("x.npy", NPY), Item("x.npy", NPY[:-1])],
    "two in one place": [GOOD, Item("x.npy", header=0, written=False)],
    "one in another": [
        GOOD,
        Item("x.npy", NPY, size=len(NPY) + 20),
    ],
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_doubtful_entries_are_skeleton(case: str) -> None:
    assert specs(archive(LEFT_OUT[case])) == KEPT


def test_an_entry_inside_another_is_skeleton() -> None:
    inner = archive([GOOD])
    outer = Item("outer.npy", inner[: inner.index(b"PK\1\2")])
    # The directory also names the entry that lies in the data of the first.
    start = 30 + len("outer.npy")
    file = archive([outer, Item("kept.npy", NPY, header=start, written=False)])
    assert specs(file) == {"outer": f"bytes[{len(outer.data)}]"}


@pytest.mark.parametrize(
    "name", ["../../up.npy", "/etc/passwd.npy", "a\0b.npy", "\\..\\x.npy", ".npy"]
)
def test_names_are_only_names(name: str) -> None:
    assert specs(archive([Item(name, NPY)])) == {name.removesuffix(".npy"): "i32[4]"}


def test_names_that_are_no_text() -> None:
    assert specs(archive([Item(b"\xe1\xfe.npy", NPY)])) == {"\u00df\u25a0": "i32[4]"}


ATTACKS: dict[str, tuple[bytes, str]] = {
    "no end record": (archive([GOOD])[:-22], "end record"),
    "comment cut off": (archive([GOOD], comment=b"xxxx")[:-2], "comment"),
    "directory of 2^32 - 2 bytes": (
        archive([GOOD], directory=(2**32 - 2, None)), "a central directory",
    ),
    "directory past the end": (archive([GOOD], directory=(None, 10**6)), "a central directory"),
    "directory of 2^63 bytes": (
        archive([GOOD], large=True, directory=(2**63, None)), "a central directory",
    ),
    "directory that wraps around": (
        archive([GOOD], large=True, directory=(2**64 - 50, 50)), "a central directory",
    ),
    "large end record elsewhere": (
        archive([GOOD], large=True)[:-34] + struct.pack("<QL", 2**63, 1) + archive([])[-22:],
        "end record of a large",
    ),
    "directory that begins too late": (archive([GOOD], directory=(20, None)), "an entry of"),
    "directory that is none": (archive([GOOD], directory=(46, 4)), "an entry of"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_and_read_as_bytes(attack: str) -> None:
    assert_refused(*ATTACKS[attack])


def test_a_prefix_is_bytes() -> None:
    file = checkpoint(STATE)
    for length in range(4, len(file), 7):
        assert opened(file[:length]).format == "bytes"
    assert_prefixes_open(archive([GOOD, Item("x.npy", NPY, method=8)]))


def test_any_damage_opens() -> None:
    file = with_pickle(script_pickle())
    assert_survives_damage(file, range(len(file)))


def test_many_entries_that_overlap_take_no_longer() -> None:
    items = [GOOD, *(Item(f"{i}.npy", header=0, written=False) for i in range(5000))]
    file = archive(items)
    assert len(read_directory(memoryview(file)).stored) == 1
    assert len(opened(file).tensors) == 1
