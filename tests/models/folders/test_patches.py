"""Folders are patched as folders: every file comes back, wherever its tensors were before."""

from __future__ import annotations

import io
import os
import resource
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from sapwood import models
from sapwood.documents.paths import portable_name, unportable
from sapwood.errors import InputError, IoError, SourceHashMismatch
from sapwood.files import trees
from sapwood.files.trees import ReadFile
from sapwood.models.making.inputs import open_input
from sapwood.patch.applying.opening import open_patch
from sapwood.patch.format.predictions import BaseRange, QuantiseEntry
from sapwood.tensors import DType
from support.coreml_files import blob_storage, model, network
from support.folder_trees import (
    Tree,
    fine_tuned,
    layers,
    names_below,
    read_tree,
    repository,
    write_tree,
)
from support.model_files import Array, safetensors_file, tuned, weights
from support.requantised_files import blocks_of, gguf_file

MODEL = layers(6)
SMALL_PATCH = 8 << 10  # bytes, of a repository in which no tensor changed


def update(base: Tree, target: Tree, folder: Path, **options: object) -> bytes:
    """The patch between two folders, applied and compared."""
    old, new = write_tree(folder / "v1", base), write_tree(folder / "v2", target)
    models.create_patch(old, new, folder / "p.ttp", **options)  # type: ignore[arg-type]
    found = models.apply_patch(old, folder / "p.ttp", folder / "out")
    assert found.is_valid()
    assert read_tree(folder / "out") == dict(target)
    return (folder / "p.ttp").read_bytes()


names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='/\\:<>"|?*'),
    min_size=1,
    max_size=6,
).filter(lambda name: portable_name(name) is None)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.one_of(
    st.binary(max_size=40),
    st.integers(0, 3).map(lambda seed: np.random.default_rng(seed).bytes(3000)),
    st.sampled_from(
        [safetensors_file({"a": np.arange(200, dtype=np.float32) + i}) for i in (0, 1)]
    ),
)


def consistent(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without files that cannot lie beside the others."""
    kept: dict[str, bytes] = {}
    for path, data in files.items():
        if unportable([*kept, path]) is None:
            kept[path] = data
    return kept


trees_of_files = st.dictionaries(paths, contents, max_size=6).map(consistent)


@settings(max_examples=40)
@given(trees_of_files, trees_of_files, st.booleans())
def test_any_folder_comes_back(base: Tree, target: Tree, alike: bool) -> None:
    target = consistent({**base, **target}) if alike else target
    with tempfile.TemporaryDirectory() as folder:
        update(base, target, Path(folder), include=["**"])


@settings(max_examples=20)
@given(trees_of_files, contents)
def test_a_folder_and_a_file_lead_to_each_other(tree: Tree, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = write_tree(folder / "tree", tree)
        (folder / "file").write_bytes(data)
        out = io.BytesIO()
        models.create_patch(root, folder / "file", folder / "to-file", include=["**"])
        models.apply_patch(root, folder / "to-file", out)
        assert out.getvalue() == data
        models.create_patch(data, root, folder / "to-folder", include=["**"])
        models.apply_patch(folder / "file", folder / "to-folder", folder / "out")
        assert read_tree(folder / "out") == dict(tree)


def test_other_shards_of_the_same_tensors_take_some_kilobytes(tmp_path: Path) -> None:
    patch = update(repository(MODEL, 2), repository(MODEL, 3), tmp_path)
    assert len(patch) < SMALL_PATCH
    info = models.patch_info(tmp_path / "p.ttp")
    assert (info.tensors_modified, info.tensors_unchanged) == (0, len(MODEL))


def test_one_file_becomes_shards_and_shards_one_file(tmp_path: Path) -> None:
    single = {"model.safetensors": safetensors_file(MODEL, {"format": "pt"})}
    for name, base, target in (
        ("apart", single, repository(MODEL, 3, 10)),
        ("together", repository(MODEL, 3, 10), single),
    ):
        (tmp_path / name).mkdir()
        assert len(update(base, target, tmp_path / name)) < SMALL_PATCH


def torch_shards(tensors: Mapping[str, Array], shards: int) -> dict[str, bytes]:
    """A repository of PyTorch files."""
    names = list(tensors)
    each = -(-len(names) // shards)
    files = {}
    for i in range(shards):
        own = {name: torch.from_numpy(tensors[name]) for name in names[i * each : (i + 1) * each]}
        out = io.BytesIO()
        torch.save(own, out)
        files[f"pytorch_model-{i + 1:05d}-of-{shards:05d}.bin"] = out.getvalue()
    return files


def test_shards_of_pytorch_are_cut_anew_too(tmp_path: Path) -> None:
    patch = update(torch_shards(MODEL, 2), torch_shards(MODEL, 3), tmp_path)
    assert len(patch) < 2 * SMALL_PATCH
    assert models.patch_info(tmp_path / "p.ttp").tensors_unchanged == len(MODEL)


def test_a_checkpoint_with_model_optimizer_and_all_else(tmp_path: Path) -> None:
    """Each is what it is, in formats of its own; the folder's name of a step changes too."""
    old, new = layers(2), fine_tuned(layers(2))
    state, later = layers(2, seed=3), fine_tuned(layers(2, seed=3))
    trees_of_steps = [
        {
            f"step-{step}/model.safetensors": safetensors_file(weights),
            f"step-{step}/optimizer.bin": torch_shards(moments, 1).popitem()[1],
            f"step-{step}/rng.npy": np.random.default_rng(1).bytes(500),
            "trainer_state.json": b'{"step": %d}' % step,
        }
        for step, weights, moments in ((100, old, state), (200, new, later))
    ]
    patch = update(trees_of_steps[0], trees_of_steps[1], tmp_path)
    assert len(patch) < 0.6 * sum(map(len, trees_of_steps[1].values()))
    info = models.patch_info(tmp_path / "p.ttp")
    assert (info.format, info.tensors_modified) == ("folder", 2 * len(new))


def test_a_package_of_core_ml_is_a_folder(tmp_path: Path) -> None:
    weights = np.random.default_rng(4).normal(0, 0.1, (200, 300)).astype(np.float32)
    tuned = weights + np.float32(1e-5)
    packages = [
        {
            "Manifest.json": b"{}",
            "Data/com.apple.CoreML/model.mlmodel": model(500, network([])),
            "Data/com.apple.CoreML/weights/weight.bin": blob_storage([(2, array.tobytes())]),
        }
        for array in (weights, tuned)
    ]
    patch = update(packages[0], packages[1], tmp_path)
    assert len(patch) < 0.7 * weights.nbytes
    assert models.patch_info(tmp_path / "p.ttp").tensors_modified == 1


def test_a_fine_tuned_repository_costs_no_more_than_its_files(tmp_path: Path) -> None:
    base, target = repository(MODEL, 3), repository(fine_tuned(MODEL), 3)
    size = len(update(base, target, tmp_path))
    alone = 0
    for path, data in target.items():
        out = io.BytesIO()
        models.create_patch(base[path], data, out)
        alone += len(out.getvalue())
    assert size < alone


def test_a_fine_tune_in_other_shards_is_found(tmp_path: Path) -> None:
    tuned = fine_tuned(MODEL)
    (tmp_path / "same").mkdir()
    (tmp_path / "other").mkdir()
    base = repository(MODEL, 2)
    same = len(update(base, repository(tuned, 2), tmp_path / "same"))
    other = len(update(base, repository(tuned, 3), tmp_path / "other"))
    assert other < 1.02 * same + SMALL_PATCH


def test_files_that_stay_or_are_renamed_cost_next_to_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(7)
    big, bigger = noise.bytes(2 << 20), noise.bytes(3 << 20)
    many = {f"notes/{i:04d}.txt": noise.bytes(200) for i in range(300)}
    base = {"data.bin": big, "more.bin": bigger, **many}
    target = {"data.bin": big, "renamed/more.bin": bigger, **many, "new.txt": b"new"}
    target["notes/0100.txt"] = b"changed"
    patch = update(base, target, tmp_path)
    header = sum(len(path) + 30 for path in (*base, *target))
    assert len(patch) < header + 2048


def test_a_large_file_of_no_known_format_is_patched_against_its_namesake(tmp_path: Path) -> None:
    data = np.random.default_rng(8).bytes(3 << 20)
    moved = data[:1000] + b"inserted" + data[1000:2_000_000] + data[2_000_100:]
    patch = update({"a/x": data, "b": b"1"}, {"a/x": moved, "b": b"2"}, tmp_path)
    assert len(patch) < 2048


def test_a_large_file_that_was_renamed_and_changed_is_found(tmp_path: Path) -> None:
    noise = np.random.default_rng(8)
    data, other = noise.bytes(3 << 20), noise.bytes(1 << 21)
    changed = data[:1_000_000] + b"inserted" + data[1_000_000:]
    patch = update({"x": data, "y": other}, {"z/new": changed, "y": other}, tmp_path)
    assert len(patch) < 2048


def test_names_that_several_files_have_stay_apart(tmp_path: Path) -> None:
    weights, state = layers(2), layers(2, seed=9)
    base = {**repository(weights, 2, 10), "optimizer.safetensors": safetensors_file(state)}
    target = {
        **repository(fine_tuned(weights), 3, 10),
        "optimizer.safetensors": safetensors_file(fine_tuned(state)),
    }
    patch = update(base, target, tmp_path)
    found = models.load_patched(tmp_path / "v1", patch)
    name = next(iter(weights))
    expected = fine_tuned(weights)[name], fine_tuned(state)[name]
    assert np.array_equal(found.tensor(f"model.safetensors:{name}"), expected[0])
    assert np.array_equal(found.tensor(f"optimizer.safetensors:{name}"), expected[1])
    assert len(patch) < 0.6 * sum(map(len, target.values()))


def test_tensors_of_a_repository_are_given_without_a_file(tmp_path: Path) -> None:
    tuned = fine_tuned(MODEL)
    update(repository(MODEL, 2, 10), repository(tuned, 3, 10), tmp_path)
    found = models.load_patched(tmp_path / "v1", tmp_path / "p.ttp")
    assert set(found) == set(tuned)
    live = {name: np.zeros_like(array) for name, array in tuned.items()}
    found.update(live)
    assert all(np.array_equal(live[name], array) for name, array in tuned.items())


def test_a_folder_that_names_no_tensors_gives_none(tmp_path: Path) -> None:
    update({"a": b"1"}, {"a": b"2"}, tmp_path)
    with pytest.raises(InputError, match="no tensors are known"):
        models.load_patched(tmp_path / "v1", tmp_path / "p.ttp")


def test_a_folder_is_led_back(tmp_path: Path) -> None:
    base = write_tree(tmp_path / "v1", repository(MODEL, 2, 10))
    target = write_tree(tmp_path / "v2", repository(fine_tuned(MODEL), 3, 10))
    models.create_patch(base, target, tmp_path / "p", reverse=tmp_path / "r")
    models.apply_patch(target, tmp_path / "r", tmp_path / "out")
    assert read_tree(tmp_path / "out") == read_tree(base)
    with pytest.raises(InputError, match="inside of"):
        models.create_patch(base, target, tmp_path / "p", reverse=base / "r")


def test_several_bases_may_be_folders_and_files(tmp_path: Path) -> None:
    one, other = layers(2), layers(2, seed=5)
    merged = {
        name: ((one[name].astype(np.float32) + other[name]) / 2).astype(np.float16) for name in one
    }
    folder = write_tree(tmp_path / "one", repository(one, 2, 10))
    file = tmp_path / "other.safetensors"
    file.write_bytes(safetensors_file(other))
    target = repository(merged, 1, 10)
    models.create_patch([folder, file], write_tree(tmp_path / "t", target), tmp_path / "p")
    assert (tmp_path / "p").stat().st_size < 0.5 * sum(map(len, target.values()))
    models.apply_patch([file, folder], tmp_path / "p", tmp_path / "out")
    assert read_tree(tmp_path / "out") == target


def test_executable_files_stay_executable(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        root = write_tree(tmp_path / version, {"run.sh": b"echo", "x": version.encode()})
        (root / "run.sh").chmod(0o755)
        (root / "x").chmod(0o600)
    models.create_patch(tmp_path / "v1", tmp_path / "v2", tmp_path / "p")
    models.apply_patch(tmp_path / "v1", tmp_path / "p", tmp_path / "out")
    assert (tmp_path / "out/run.sh").stat().st_mode & stat.S_IXUSR
    assert not (tmp_path / "out/x").stat().st_mode & 0o111


def test_links_to_files_are_carried_as_what_they_lead_to(tmp_path: Path) -> None:
    blobs = write_tree(tmp_path / "blobs", repository(MODEL, 2, 10))
    snapshot = tmp_path / "v1"
    snapshot.mkdir()
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(os.path.relpath(path, snapshot))
    target = write_tree(tmp_path / "v2", repository(fine_tuned(MODEL), 2, 10))
    models.create_patch(snapshot, target, tmp_path / "p")
    models.apply_patch(snapshot, tmp_path / "p", tmp_path / "out")
    assert read_tree(tmp_path / "out") == read_tree(target)
    assert not any(path.is_symlink() for path in (tmp_path / "out").iterdir())


def test_what_no_patch_can_carry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    for make, error in (
        (os.mkfifo, InputError),
        (lambda path: path.symlink_to(tmp_path), InputError),
        (lambda path: path.symlink_to("nowhere"), IoError),
        (lambda path: path.symlink_to(path.name), IoError),
    ):
        root = tmp_path / "odd"
        root.mkdir()
        make(root / "it")
        with pytest.raises(error, match="it"):
            models.create_patch(tmp_path / "v1", root, tmp_path / "p")
        (root / "it").unlink()
        root.rmdir()
    assert names_below(tmp_path) == {"v1"}


@pytest.mark.parametrize(
    "paths",
    [
        *(["a\\b"], ["a\nb"], ["C:x"], [b"\xff".decode("utf-8", "surrogateescape")], ["a?"]),
        *(["CON"], ["sub/aux.txt"], ["a:b"], ["x."], ["x /y"], ["git~1/config"], ["a/.Hg/x"]),
        *(["A", "a"], ["\u00e9", "e\u0301"], ["A", "a/b"]),
    ],
)
def test_what_cannot_be_written_everywhere_is_put_into_no_patch(
    tmp_path: Path, paths: list[str]
) -> None:
    good = write_tree(tmp_path / "v1", {"a": b"1"})
    odd = write_tree(tmp_path / "odd", dict.fromkeys(paths, b""))
    for base, target in ((good, odd), (odd, good)):
        with pytest.raises(InputError, match="rename it, or leave it out"):
            models.create_patch(base, target, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_an_output_inside_of_what_is_read_is_refused(tmp_path: Path) -> None:
    base, target = write_tree(tmp_path / "v1", {"a": b"1"}), write_tree(tmp_path / "v2", {})
    for place in (base / "p.ttp", target / "p.ttp"):
        with pytest.raises(InputError, match="inside of"):
            models.create_patch(base, target, place)
    assert names_below(tmp_path) == {"v1", "v1/a", "v2"}


def test_a_folder_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    base = write_tree(tmp_path / "v1", {"a": b"1"})
    target = write_tree(tmp_path / "v2", {"a": b"2" * 5000})

    def change(done: int, total: int) -> None:
        (target / "new").write_bytes(b"")

    with pytest.raises(IoError, match="changed while it was read"):
        models.create_patch(base, target, tmp_path / "p", progress=change)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        ("config.json", None, "config.json: expected a file of .* found nothing"),
        ("config.json", b"x", "config.json: expected a file of .* found 1 bytes"),
    ],
)
def test_a_file_that_is_missing_or_of_another_size_is_named(
    tmp_path: Path, path: str, data: bytes | None, words: str
) -> None:
    update(repository(MODEL, 2, 10), repository(MODEL, 3, 10), tmp_path)
    (tmp_path / "v1" / path).unlink()
    if data is not None:
        (tmp_path / "v1" / path).write_bytes(data)
    with pytest.raises(SourceHashMismatch, match=words):
        models.apply_patch(tmp_path / "v1", tmp_path / "p.ttp", tmp_path / "again")
    found = models.verify_patch(tmp_path / "v1", tmp_path / "p.ttp")
    assert (found.source_valid, found.patch_valid) == (False, True)
    assert names_below(tmp_path) & {"again"} == set()


def test_a_base_with_other_content_is_refused_and_one_with_more_files_is_not(
    tmp_path: Path,
) -> None:
    base = repository(MODEL, 2, 10)
    update(base, repository(MODEL, 3, 10), tmp_path)
    more = write_tree(tmp_path / "more", {**base, "extra/file": b"x"})
    models.apply_patch(more, tmp_path / "p.ttp", tmp_path / "again")
    assert "extra" not in names_below(tmp_path / "again")
    (more / "README.md").write_bytes(base["README.md"].upper())
    with pytest.raises(SourceHashMismatch, match="expected BLAKE3"):
        models.apply_patch(more, tmp_path / "p.ttp", tmp_path / "third")
    with pytest.raises(SourceHashMismatch):
        models.apply_patch(tmp_path / "p.ttp", tmp_path / "p.ttp", tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_an_output_that_cannot_become_the_folder_is_refused(tmp_path: Path) -> None:
    base = repository(MODEL, 2, 10)
    update(base, repository(MODEL, 3, 10), tmp_path)
    before = names_below(tmp_path)
    for output in (tmp_path / "v1", tmp_path / "p.ttp"):
        with pytest.raises(InputError, match="nothing there, or an empty folder"):
            models.apply_patch(tmp_path / "v1", tmp_path / "p.ttp", output)
    with pytest.raises(InputError, match="name a path"):
        models.apply_patch(tmp_path / "v1", tmp_path / "p.ttp", io.BytesIO())
    assert names_below(tmp_path) == before
    assert read_tree(tmp_path / "v1") == base


def test_files_that_are_not_kept_open_are_read_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "MOST_MAPPED", 0)
    model = layers(2, rows=4096)
    update(repository(model, 2, 10), repository(fine_tuned(model), 3, 10), tmp_path)


def test_a_file_that_is_cut_off_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(3 << 20))
    file = ReadFile(path, 3 << 20)
    assert len(file[0 : 3 << 20]) == 3 << 20
    os.truncate(path, 1 << 20)
    for part in (slice(0, 3 << 20), slice(2 << 20, (2 << 20) + 5)):
        with pytest.raises(IoError, match="cut off"):
            file[part]


def test_the_same_folders_give_the_same_patch(tmp_path: Path) -> None:
    base, target = repository(MODEL, 2), repository(fine_tuned(MODEL), 3)
    patch = update(base, target, tmp_path, threads=1)
    models.create_patch(tmp_path / "v1", tmp_path / "v2", tmp_path / "again", threads=3)
    assert (tmp_path / "again").read_bytes() == patch


def test_many_large_folders_take_few_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "LEAST_MAPPED", 1)
    folders = [
        write_tree(tmp_path / str(i), {f"{j}": b"%d,%d" % (i, j) * 20 for j in range(30)})
        for i in range(12)
    ]
    models.create_patch(folders[:-1], folders[-1], tmp_path / "p")
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(trees, "MOST_MAPPED", 16)
    parts = [part for one in folders for part in open_input(one, len(folders)).parts]
    assert 12 <= sum(isinstance(part.content, np.ndarray) for part in parts) <= 64
    del parts
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 110, usual[1]))
    try:
        models.apply_patch(folders[:-1], tmp_path / "p", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert read_tree(tmp_path / "out") == read_tree(folders[-1])


def test_blocks_in_folders_are_quantised_and_taken_apart(tmp_path: Path) -> None:
    model = {f"l{i}.weight": weights(i, (96, 256), DType.F32) for i in range(2)}

    def gguf(tensors: Mapping[str, Array]) -> bytes:
        return gguf_file(
            {
                name: ("q8_0", one.shape, blocks_of("q8_0", DType.F32, one.tobytes()))
                for name, one in tensors.items()
            }
        )

    old = write_tree(tmp_path / "old", {"model.safetensors": safetensors_file(model), "e": b""})
    new = write_tree(tmp_path / "new", {"model.gguf": gguf(model)})
    next_one = {name: tuned(one, 1) for name, one in model.items()}
    newer = write_tree(tmp_path / "newer", {"model.gguf": gguf(next_one)})
    for base, target, found in ((old, new, QuantiseEntry), (new, newer, BaseRange)):
        patch = tmp_path / f"{target.name}.patch"
        models.create_patch(base, target, patch)
        segments = open_patch(np.fromfile(patch, np.uint8)).front.segments
        named = [one for one in segments if one.name]
        assert len(named) == 2
        assert all(isinstance(one.prediction, found) for one in named)
        assert all((one.blocks is not None) == (target is newer) for one in named)
        models.apply_patch(base, patch, tmp_path / f"{target.name}.out")
        assert read_tree(tmp_path / f"{target.name}.out") == read_tree(target)
