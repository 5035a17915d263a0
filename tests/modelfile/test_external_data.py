"""Tensors that one file of a folder describes and another holds: ONNX and OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood import models
from sapwood.modelfile import ModelFile, open_model
from sapwood.modelfile.folder import open_folder, resolved, whole_folder
from sapwood.modelfile.openvino import DEEPEST, LARGEST_TAG, MOST_WORDS
from sapwood.tensors import DType, TensorSpec
from support.folder_trees import Tree, read_tree, write_tree
from support.layouts import assert_damage_is_harmless, assert_harmless, assert_refused
from support.model_files import Array, tuned, weights
from support.onnx_files import KIND_OF, graph, model
from support.protobuf_writer import field, fields

TENSORS = {f"w{i}": weights(i, (40, 70), DType.F32) for i in range(6)}
Entries = dict[str, Any]


def place(location: str, offset: object = None, length: object = None) -> Entries:
    """What a tensor says of its data."""
    entries = {"location": location, "offset": offset, "length": length}
    return {key: str(value) for key, value in entries.items() if value is not None}


def external(name: str, array: Array, entries: Entries) -> bytes:
    """A tensor with external data."""
    said = b"".join(field(13, field(1, key) + field(2, value)) for key, value in entries.items())
    kind = KIND_OF[array.dtype]
    return fields(1, array.shape) + field(2, kind) + field(8, name) + said + field(14, 1)


def onnx_folder(tensors: dict[str, Array], location: str = "model.onnx.data") -> dict[str, bytes]:
    """A model whose tensors are in a file beside it, aligned to 64 bytes."""
    data = bytearray()
    written = []
    for name, array in tensors.items():
        data += bytes(-len(data) % 64)
        written.append(external(name, array, place(location, len(data), array.nbytes)))
        data += array.tobytes()
    return {"model.onnx": model(graph([], written)), location: bytes(data)}


def openvino_folder(tensors: dict[str, Array]) -> dict[str, bytes]:
    """A model of OpenVINO: XML, and the weights beside it."""
    data = b""
    layers = []
    for i, (name, array) in enumerate(tensors.items()):
        shape = ", ".join(map(str, array.shape))
        layers.append(
            f'<layer id="{i}" name="{name}" type="Const" version="opset1"><data element_type="f32" '
            f'shape="{shape}" offset="{len(data)}" size="{array.nbytes}"/><output/></layer>'
        )
        data += array.tobytes()
    net = f'<net name="n" version="11"><layers>{"".join(layers)}</layers></net>'
    return {"m.xml": f'<?xml version="1.0"?>\n{net}\n'.encode(), "m.bin": data}


def layouts(files: Tree) -> dict[str, ModelFile]:
    """The layout of each file, which covers it."""
    found = open_folder(sorted(files), lambda path: memoryview(files[path]))
    for path, data in files.items():
        own = found[path]
        ranges = sorted([*((t.offset, t.spec.nbytes) for t in own.tensors), *own.skeleton])
        at = 0
        for offset, length in ranges:
            assert offset == at
            at += length
        assert at == own.size == len(data)
    return found


def tensors_in(files: Tree, path: str) -> dict[str, tuple[TensorSpec, bytes]]:
    own = layouts(files)[path]
    return {one.name: (one.spec, files[path][one.offset : one.end]) for one in own.tensors}


MAKERS = [onnx_folder, openvino_folder]


@pytest.mark.parametrize("make", MAKERS)
def test_tensors_are_found_in_the_file_beside(
    make: Callable[[dict[str, Array]], dict[str, bytes]],
) -> None:
    files = make(TENSORS)
    (data,) = set(files) - {"model.onnx", "m.xml"}
    expected = {
        name: (TensorSpec(DType.F32, array.shape), array.tobytes())
        for name, array in TENSORS.items()
    }
    assert tensors_in(files, data) == expected
    whole = whole_folder(layouts(files))
    assert whole.format in {"onnx", "openvino"}
    assert [one.name for one in whole.tensors] == list(TENSORS)
    assert whole.warning is None


@pytest.mark.parametrize("make", MAKERS)
def test_a_retrained_model_is_patched_by_its_tensors(
    tmp_path: Path, make: Callable[[dict[str, Array]], dict[str, bytes]]
) -> None:
    target = {name: tuned(array, i) for i, (name, array) in enumerate(TENSORS.items())}
    # In another order, so that nothing lies where it lay.
    target = dict(reversed(target.items()))
    base = write_tree(tmp_path / "v1", make(TENSORS))
    stats = models.create_patch(base, write_tree(tmp_path / "v2", make(target)), tmp_path / "p")
    assert stats.tensors_modified == len(TENSORS)
    assert stats.patch_size < 0.75 * stats.target_size
    models.apply_patch(base, tmp_path / "p", tmp_path / "out")
    assert read_tree(tmp_path / "out") == make(target)


def test_constants_of_a_few_bytes_share_a_segment(tmp_path: Path) -> None:
    crumbs = {f"c{i}": np.full(2, i, np.float32) for i in range(500)}
    base = write_tree(tmp_path / "v1", openvino_folder({**crumbs, **TENSORS}))
    target = write_tree(tmp_path / "v2", openvino_folder({**TENSORS, **crumbs}))
    stats = models.create_patch(base, target, tmp_path / "p")
    assert (stats.tensors_unchanged, stats.tensors_modified) == (len(TENSORS), 0)
    models.apply_patch(base, tmp_path / "p", tmp_path / "out")
    assert read_tree(tmp_path / "out") == read_tree(target)


def test_data_in_a_folder_below_and_in_several_files() -> None:
    files = {
        "sub/model.onnx": model(
            graph(
                [],
                [
                    external("a", TENSORS["w0"], place("./data/a.bin", 0, 11200)),
                    external("b", TENSORS["w1"], place("b.bin")),
                    external("tied", TENSORS["w1"], place("b.bin", 0)),
                ],
            )
        ),
        "sub/data/a.bin": TENSORS["w0"].tobytes(),
        "sub/b.bin": TENSORS["w1"].tobytes(),
    }
    assert list(tensors_in(files, "sub/data/a.bin")) == ["a"]
    assert list(tensors_in(files, "sub/b.bin")) == ["b"]


ONE = TENSORS["w0"]
WRONG: dict[str, Entries] = {
    "outside": place("../model.onnx.data", 0, ONE.nbytes),
    "absolute": place("/model.onnx.data", 0, ONE.nbytes),
    "outside and back": place("x/../model.onnx.data", 0, ONE.nbytes),
    "a backslash": place("..\\model.onnx.data", 0, ONE.nbytes),
    "past the end": place("model.onnx.data", 64, ONE.nbytes),
    "far past the end": place("model.onnx.data", 2**62, ONE.nbytes),
    "longer than the file": place("model.onnx.data", 0, 2**62),
    "missing": place("other.data", 0, ONE.nbytes),
    "in the model itself": place("model.onnx", 0, 16),
}


@pytest.mark.parametrize("case", WRONG)
def test_data_that_lies_elsewhere_is_bytes_with_a_warning(tmp_path: Path, case: str) -> None:
    files = {
        "model.onnx": model(graph([], [external("w", ONE, WRONG[case])])),
        "model.onnx.data": ONE.tobytes(),
    }
    found = layouts(files)
    assert found["model.onnx.data"].tensors == ()
    assert found["model.onnx"].warning is not None
    assert (whole_folder(found).warning or "").startswith("model.onnx: ")
    root = write_tree(tmp_path / "v1", files)
    models.create_patch(b"", root, tmp_path / "p")
    models.apply_patch(b"", tmp_path / "p", tmp_path / "out")
    assert read_tree(tmp_path / "out") == files


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"location": ""},
        place("model.onnx.data", "-1", ONE.nbytes),
        place("model.onnx.data", "1e3", ONE.nbytes),
        place("model.onnx.data", "9" * 5000, ONE.nbytes),
        place("model.onnx.data", "\u0661", ONE.nbytes),
        place("model.onnx.data", 0, 0),
    ],
)
def test_data_of_no_place_is_passed_over(entries: Entries) -> None:
    files = {
        "model.onnx": model(graph([], [external("w", ONE, entries)])),
        "model.onnx.data": ONE.tobytes(),
    }
    assert layouts(files)["model.onnx.data"].tensors == ()


def test_tensors_that_overlap_are_bytes_with_a_warning() -> None:
    written = [
        external("a", ONE, place("d", 0, ONE.nbytes)),
        external("b", ONE, place("d", 8, ONE.nbytes - 8)),
    ]
    found = layouts({"model.onnx": model(graph([], written)), "d": ONE.tobytes()})
    assert found["d"].tensors == ()
    assert "overlap" in (found["d"].warning or "")


def test_a_length_that_is_not_the_shapes_gives_opaque_bytes() -> None:
    files = {
        "model.onnx": model(graph([], [external("a", ONE, place("d", 0, ONE.nbytes - 4))])),
        "d": ONE.tobytes(),
    }
    ((spec, _),) = tensors_in(files, "d").values()
    assert spec == TensorSpec(DType.BYTES, (ONE.nbytes - 4,))


@given(st.text("ab./\\", max_size=12), st.sampled_from(["m.onnx", "x/m.onnx", "x/y/m.onnx"]))
def test_a_location_never_leads_out_of_the_models_folder(location: str, path: str) -> None:
    found = resolved(path, location)
    if found is not None:
        folder = path.rpartition("/")[0]
        assert found.startswith(f"{folder}/" if folder else "")
        assert not {"", ".", ".."} & set(found.split("/"))


def xml(body: str) -> bytes:
    return f'<?xml version="1.0"?><net name="n" version="11">{body}</net>'.encode()


CONST = '<layer name="w" type="Const"><data element_type="f32" {}/></layer>'
HOSTILE_XML = {
    "entities": (
        b'<?xml version="1.0"?>\n<net version="11">&lol;</net>',
        "no sound XML",
    ),
    "cut off": (xml("<layers>")[:-6], "no sound XML"),
    "deep": (xml("<a>" * DEEPEST + "</a>" * DEEPEST), "in one another"),
    "a huge tag": (xml(f'<a b="{"x" * (LARGEST_TAG + (1 << 17))}"/>'), "tags of at most"),
    "a huge comment": (xml(f"<!--{'x' * (LARGEST_TAG + (1 << 17))}-->"), "tags of at most"),
    "ever new names": (xml("".join(f"<a{i}/>" for i in range(MOST_WORDS + 1))), "at most"),
    "ever new attributes": (xml("".join(f'<a b{i}=""/>' for i in range(MOST_WORDS + 1))), "most"),
    "a negative offset": (xml(CONST.format('offset="-1" size="4"')), "offset and size"),
    "no size": (xml(CONST.format('offset="1"')), "offset and size"),
    "a long number": (xml(CONST.format(f'offset="{"9" * 9999}" size="1"')), "offset and size"),
    "a sum that overflows": (xml(CONST.format(f'offset="{2**63 - 1}" size="1"')), "offset and"),
    "two roots": (xml("") + b"<net/>", "no sound XML"),
}


@pytest.mark.parametrize("case", HOSTILE_XML)
def test_hostile_xml_is_refused(case: str) -> None:
    file, reason = HOSTILE_XML[case]
    assert_refused(file, reason)


def test_a_document_type_is_refused_before_it_is_expanded() -> None:
    """Ten entities of ten entities of ... would be gigabytes."""
    entities = '<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)
    )
    file = f'<?xml version="1.0"?><net version="11"/><!DOCTYPE x [{entities}]>'.encode()
    assert_refused(file, "no sound XML")
    early = f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><net version="11">&a9;</net>'.encode()
    assert open_model(memoryview(early)).format == "bytes"


def test_damaged_xml_is_harmless() -> None:
    assert_damage_is_harmless(openvino_folder({"w": ONE[:1, :4]})["m.xml"], rounds=500)


@given(st.binary(max_size=60))
def test_any_bytes_in_xml_are_harmless(body: bytes) -> None:
    assert_harmless(b"<net " + body)


@pytest.mark.parametrize("codec", ["gbk", "utf-16", "idna", "hex", "unicode_escape", "no such"])
def test_no_codec_is_looked_up_that_xml_names(codec: str) -> None:
    head = f'<?xml version="1.0" encoding="{codec}"?>'.encode()
    found = xml(CONST.format('shape="2" offset="0" size="8"'))
    file = head + found[found.index(b"<net") :]
    if " " in codec:
        assert_refused(file, "no sound XML")
        return
    assert [one.entry.name for one in open_model(memoryview(file)).elsewhere] == ["w"]


def test_other_xml_is_bytes() -> None:
    for file in (b"<?xml version='1.0'?><network/>", b"<html><net/></html>", b"<?xml", b"<net"):
        assert open_model(memoryview(file)).format == "bytes"


def test_a_file_of_weights_alone_is_bytes() -> None:
    files = openvino_folder(TENSORS)
    assert open_model(memoryview(files["m.bin"])).tensors == ()
    assert layouts({"other.xml": files["m.xml"], "m.bin": files["m.bin"]})["m.bin"].tensors == ()


def test_weights_of_constants_in_bodies_are_found() -> None:
    inner = CONST.format('shape="2" offset="8" size="8"').replace('"w"', '"inner"')
    body = f'<layer name="loop" type="Loop"><body><layers>{inner}</layers></body></layer>'
    files = {"a.xml": xml(CONST.format('shape="2" offset="0" size="8"') + body), "a.bin": bytes(16)}
    assert list(tensors_in(files, "a.bin")) == ["w", "inner"]


def test_as_many_layers_as_large_models_have() -> None:
    tensors = {f"layer/{i}": np.full(1, i, np.float32) for i in range(5000)}
    assert len(tensors_in(openvino_folder(tensors), "m.bin")) == len(tensors)
