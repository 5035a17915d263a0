"""Patches behind URLs, on a real server: whole, and in parts."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sapwood import models
from sapwood.errors import (
    Changed,
    InputError,
    InvalidPatch,
    SignatureError,
    SourceHashMismatch,
    TargetHashMismatch,
    Unavailable,
)
from sapwood.fetching.openers import Fetching
from sapwood.fetching.pace import DEFAULT_PACE
from sapwood.models.receiving import ranges
from sapwood.models.receiving.received import received
from sapwood.patch.format.parsing import parse_front
from support.cli_session import Session, write_pairs
from support.http_servers import Exchange, FileServer, answer, part, scripted, unsized
from support.model_files import safetensors_file, tuned, weights
from support.remotes import HASTY

HEAD = DEFAULT_PACE.head

OLD = {f"layers.{i:02}.weight": weights(i, (256, 256)) for i in range(100)}
NEW = {name: tuned(array, i) for i, (name, array) in enumerate(OLD.items())}
BASE, TARGET = safetensors_file(OLD), safetensors_file(NEW)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    models.create_patch(BASE, TARGET, folder / "patch")
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[FileServer]:
    with FileServer(folder) as server:
        yield server


@pytest.fixture
def server(running: FileServer) -> FileServer:
    running.exchanges.clear()
    return running


def test_a_patch_is_applied_and_verified_from_its_url(server: FileServer, tmp_path: Path) -> None:
    url = server.url("patch")
    assert models.apply_patch(BASE, url, tmp_path / "out").is_valid()
    assert (tmp_path / "out").read_bytes() == TARGET
    assert models.verify_patch(BASE, url).is_valid()
    assert models.apply_patch(BASE, url, tmp_path / "out", resume=True).is_valid()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {one.headers["accept-encoding"] for one in server.exchanges} == {"identity"}
    found = models.verify_patch(TARGET, url)
    assert not found.source_valid
    assert found.patch_valid
    with pytest.raises(SourceHashMismatch):
        models.apply_patch(TARGET, url, tmp_path / "out", resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_showing_a_patch_fetches_its_front_alone(server: FileServer, folder: Path) -> None:
    data = (folder / "patch").read_bytes()
    info = models.patch_info(server.url("patch"))
    assert info == models.patch_info(data)
    assert info.patch_size == len(data)
    assert server.sent == HEAD < len(data) // 4
    (asked,) = server.exchanges
    assert (asked.status, asked.headers["range"]) == (206, f"bytes=0-{HEAD - 1}")


def test_one_tensor_of_a_hundred_fetches_the_front_and_its_own_part(
    server: FileServer, folder: Path
) -> None:
    front = parse_front((folder / "patch").read_bytes())
    model = models.load_patched(BASE, server.url("patch"))
    assert list(model) == list(NEW)
    assert len(server.exchanges) == 1
    named = {segment.name: segment for segment in front.segments}
    for name in ("layers.30.weight", "layers.97.weight"):
        server.exchanges.clear()
        assert np.array_equal(model[name], NEW[name])
        (asked,) = server.exchanges
        assert asked.sent == named[name].payload_size
        assert asked.headers["if-range"].startswith('"')
    server.exchanges.clear()
    with pytest.raises(InputError):
        model["layers.98"]
    assert server.exchanges == []


def test_a_large_tensor_comes_in_few_requests(server: FileServer, folder: Path) -> None:
    old = {"big": weights(1, (2048, 1024))}
    new = {"big": tuned(old["big"], 2)}
    base = safetensors_file(old)
    models.create_patch(base, safetensors_file(new), folder / "big", chunk_size=1 << 16)
    (segment,) = [one for one in parse_front((folder / "big").read_bytes()).segments if one.name]
    assert len(segment.chunks) == 64
    server.exchanges.clear()
    fetching = Fetching(pace=dataclasses.replace(DEFAULT_PACE, window=1 << 19))
    receiving = models.Receiving(threads=2, fetching=fetching)
    model = models.load_patched(base, server.url("big"), receiving=receiving)
    begun = server.sent
    assert np.array_equal(model["big"], new["big"])
    # What the first request brought of it is not fetched again.
    assert server.sent <= begun + segment.payload_size
    assert len(server.exchanges) <= 2 + segment.payload_size // (1 << 19)


def test_a_file_that_is_replaced_between_two_tensors_is_noticed(
    server: FileServer, folder: Path
) -> None:
    data = (folder / "patch").read_bytes()
    (folder / "replaced").write_bytes(data)
    model = models.load_patched(BASE, server.url("replaced"))
    assert np.array_equal(model["layers.50.weight"], NEW["layers.50.weight"])
    for after in (data[:-1] + b"\0", data + b"longer"):
        (folder / "new").write_bytes(after)
        os.utime(folder / "new", (1, 1))
        (folder / "new").replace(folder / "replaced")
        with pytest.raises(Changed, match="changed while it was read"):
            model["layers.51.weight"]


def test_a_damaged_payload_is_found_by_its_chunk(server: FileServer, folder: Path) -> None:
    data = bytearray((folder / "patch").read_bytes())
    front = parse_front(bytes(data))
    segment = front.segments[60]
    data[front.size + segment.body_offset + segment.payload_size // 2] ^= 1
    (folder / "damaged").write_bytes(data)
    model = models.load_patched(BASE, server.url("damaged"))
    with pytest.raises((InvalidPatch, TargetHashMismatch)):
        model[segment.name]
    intact = front.segments[61].name
    assert np.array_equal(model[intact], NEW[intact])


def test_signatures_are_demanded_before_payloads_are_fetched(
    server: FileServer, folder: Path
) -> None:
    public, private = models.generate_keypair()
    stranger, _ = models.generate_keypair()
    models.sign_patch(folder / "patch", private, folder / "signed", counter=3)
    url = server.url("signed")
    name = "layers.10.weight"
    model = models.load_patched(
        BASE, url, receiving=models.Receiving(models.Trust(public, minimum_counter=3))
    )
    assert np.array_equal(model[name], NEW[name])
    server.exchanges.clear()
    for trust in (models.Trust(stranger), models.Trust(public, minimum_counter=4)):
        with pytest.raises(SignatureError):
            models.load_patched(BASE, url, receiving=models.Receiving(trust))
    assert server.sent == 2 * HEAD


def test_nothing_is_fetched_without_the_library(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(InputError, match=r"pip install 'sapwood\[http\]'"):
        models.patch_info(server.url("patch"))
    assert server.exchanges == []


def test_a_download_that_is_cut_short_goes_on(folder: Path, tmp_path: Path) -> None:
    data = (folder / "patch").read_bytes()

    def broken(request: Exchange) -> bytes:
        if len(cutting.exchanges) > 2:
            return answer(503)
        whole = part(data, request)
        return whole if len(cutting.exchanges) == 1 else whole[: len(data) // 2]

    with scripted(broken) as cutting:
        with (
            pytest.raises(Unavailable, match="gave up"),
            received(cutting.url(), resumed=tmp_path / "out", fetching=HASTY),
        ):
            pytest.fail("it cannot be whole")
        (kept,) = tmp_path.iterdir()
        assert kept.suffix == ".download"
        have = kept.stat().st_size
        assert HEAD < have < len(data)
        assert kept.read_bytes() == data[:have]
        cutting.handler = lambda request: part(data, request)
        cutting.exchanges.clear()
        models.apply_patch(BASE, cutting.url(), tmp_path / "out", resume=True)
        _, rest = cutting.exchanges
        assert rest.headers["range"] == f"bytes={have}-{len(data) - 1}"
        assert rest.headers["if-range"] == '"one"'
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_bytes() == TARGET


@pytest.mark.parametrize("left", [b"", b"short", b"x" * 99999, b"damaged", b"too long"])
def test_what_is_left_of_a_download_is_not_trusted(
    left: bytes, folder: Path, tmp_path: Path, server: FileServer
) -> None:
    data = (folder / "patch").read_bytes()
    name = f".out.{parse_front(data).digest[:8].hex()}.download"
    if left == b"damaged":  # where only the digest of the body can see it
        left = data[: 2 * HEAD] + b"?" * 1000
    (tmp_path / name).write_bytes(data + b"more" if left == b"too long" else left)
    url = server.url("patch")
    for _ in range(2):
        try:
            models.apply_patch(BASE, url, tmp_path / "out", resume=True)
        except InvalidPatch:
            assert list(tmp_path.iterdir()) == []  # so that the next try begins anew
        else:
            break
    assert (tmp_path / "out").read_bytes() == TARGET
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("sized", [True, False])
def test_a_server_without_parts_gives_the_whole(sized: bool, folder: Path, tmp_path: Path) -> None:
    data = (folder / "patch").read_bytes()
    make = answer if sized else unsized
    with scripted(lambda _: make(200, data)) as server:
        models.apply_patch(BASE, server.url(), tmp_path / "out", resume=True)
        assert list(models.load_patched(BASE, server.url())) == list(NEW)
    assert (tmp_path / "out").read_bytes() == TARGET
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_command_line_takes_urls(tmp_path: Path, server: FileServer, folder: Path) -> None:
    write_pairs(tmp_path)
    here = Session(tmp_path)
    for kind in ("safetensors", "npy", "bin"):
        here.succeed(f"create --base a.{kind} --target b.{kind} --out p.ttp")
        (folder / "p.ttp").write_bytes(here.bytes("p.ttp"))
        url = server.url("p.ttp")
        assert here.succeed(f"inspect {url}") == here.succeed("inspect p.ttp")
        assert b"intact" in here.succeed(f"verify --base a.{kind} --patch {url} --memory 64MiB")
        here.succeed(f"apply --base a.{kind} --patch {url} --out made --resume --memory 16MiB")
        assert here.bytes("made") == here.bytes(f"b.{kind}")
    facts = here.json(f"apply --base a.bin --patch {url}?token=secret --out made")
    assert facts["patch"] == f"{url}?..."
    told = here.fail(f"apply --base b.bin --patch {url}?token=secret --out new", 4)
    assert "secret" not in told
    told = here.fail(f"verify --base a.bin --patch {server.url('none')}?token=secret", 7)
    assert (
        told == f"{server.url('none')}?...: expected a part (206) or the file (200), the "
        "server answers 404; check the URL"
    )
    told = here.fail("apply --base a.bin --patch p.ttp --out - --resume", 2)
    assert "--resume goes on with a file" in told


def test_windows_hold_what_was_announced_and_no_more() -> None:
    data = np.random.default_rng(1).integers(0, 256, 1000).astype(np.uint8)
    asked: list[tuple[int, int]] = []

    class Body(ranges.RemoteBody):
        def __init__(self) -> None:
            self._length = len(data)
            self.window = len(data)

        def __getitem__(self, part: slice, /) -> np.ndarray:
            asked.append((part.start, part.stop))
            return data[part]

    window = ranges.Window(Body(), 100, 900, 50)
    at = 100
    for size in (10, 0, 30, 20, 200, 1, 49, 490):
        assert np.array_equal(window[at : at + size], data[at : at + size])
        at += size
    assert asked[0] == (100, 150)
    assert [begin for begin, _ in asked[1:]] == [end for _, end in asked[:-1]]
    assert asked[-1][1] == 900
    assert len(window) == 1000
    assert np.array_equal(window[0:7], data[:7])  # elsewhere, and back
