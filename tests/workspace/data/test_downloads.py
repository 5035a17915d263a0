"""Data on demand: downloaded once, gone on with after a cut, from the first server that has it."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sapwood.errors import InputError, IoError
from sapwood.fetching.openers import Fetching
from sapwood.fetching.pace import Pace
from sapwood.fetching.remote import Remote
from sapwood.workspace import (
    DataCache,
    UpdateRequest,
    Workspace,
    fetch_data,
    find_dataset,
    read_manifest,
)
from support.data_templates import CONTENT, OTHER, entry, kept, template_with
from support.http_servers import (
    Exchange,
    FileServer,
    Handler,
    answer,
    part,
    scripted,
    unsized,
    wanted,
)
from support.remotes import HASTY, QUICK, MemoryFile, fetching_from

SIZE = len(CONTENT)
HEAD = QUICK.head


def fetch(template: Path, fetching: Fetching = HASTY) -> Path:
    """As `fetch_data` of the digits, without pauses."""
    manifest = read_manifest(template)
    dataset = find_dataset(manifest.data, "digits")
    return DataCache(fetching=fetching).fetch(manifest.name, dataset).path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, by the environment."""
    monkeypatch.setenv("SAPWOOD_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    """A server with the data."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served/digits.bin").write_bytes(CONTENT)
    with FileServer(tmp_path / "served") as server:
        yield server


def course(tmp_path: Path, *urls: str, size: int | None = None) -> Path:
    """A template that names the data."""
    return template_with(tmp_path / "template", [entry(*urls, size=size)])


def good(request: Exchange) -> bytes:
    return part(CONTENT, request)


def cut(request: Exchange) -> bytes:
    """Half of what is asked for; then the connection ends."""
    begin, end = wanted(request, SIZE)
    head, _, body = good(request).partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + body[: (end - begin) // 2]


def gone(_: Exchange) -> bytes:
    return answer(404)


def cut_short(tmp_path: Path, cache: Path) -> int:
    """Downloads until the server goes away; returns the bytes that are kept."""
    answers = itertools.chain([good, cut], itertools.repeat(gone))

    def handler(request: Exchange) -> bytes:
        return next(answers)(request)

    with scripted(handler) as server, pytest.raises(IoError, match="answers 404"):
        fetch(course(tmp_path, server.url()))
    (size,) = kept(cache).values()
    assert HEAD < size < SIZE
    return size


def test_it_is_downloaded_once_and_then_needs_no_network(
    tmp_path: Path, cache: Path, server: FileServer
) -> None:
    template = course(tmp_path, server.url("digits.bin"))
    path = fetch(template)
    assert path.read_bytes() == CONTENT
    assert cache in path.parents
    assert server.sent == SIZE
    server.__exit__()
    assert fetch(template) == path
    assert kept(cache) == {"digits.bin": SIZE}


def test_a_damaged_file_is_replaced(tmp_path: Path, cache: Path, server: FileServer) -> None:
    template = course(tmp_path, server.url("digits.bin"))
    path = fetch(template)
    for damage in (OTHER, CONTENT[:100], b""):
        path.write_bytes(damage)
        assert fetch(template).read_bytes() == CONTENT
    assert server.sent == 4 * SIZE


def test_files_of_one_name_lie_in_one_folder(
    tmp_path: Path, cache: Path, server: FileServer
) -> None:
    (tmp_path / "served/labels.bin").write_bytes(b"labels")
    template = template_with(
        tmp_path / "template",
        [
            entry(server.url("digits.bin")),
            entry(server.url("x"), name="other"),
            entry(server.url("labels.bin"), file="labels.bin", content=b"labels"),
        ],
    )
    folder = fetch(template)
    assert {one.name: one.read_bytes() for one in folder.iterdir() if one.name != ".lock"} == {
        "digits.bin": CONTENT,
        "labels.bin": b"labels",
    }
    (folder / "labels.bin").unlink()
    fetch(template)
    assert server.sent == SIZE + 2 * len(b"labels")


def test_an_update_of_the_workspace_leaves_the_cache_alone(
    tmp_path: Path, cache: Path, server: FileServer
) -> None:
    url = server.url("digits.bin")
    workspace, _ = Workspace.init(tmp_path / "mine", course(tmp_path, url))
    path = fetch_data(tmp_path / "template", "digits")
    newer = template_with(tmp_path / "newer", [entry(url), entry(url, name="more")], "1.1.0")
    workspace.update(newer, UpdateRequest(replace=True))
    server.__exit__()
    assert fetch_data(newer, "digits") == path
    assert tmp_path / "mine" not in path.parents


def test_versions_of_the_data_do_not_take_each_others_place(
    tmp_path: Path, cache: Path, server: FileServer
) -> None:
    old = course(tmp_path, server.url("digits.bin"))
    (tmp_path / "served/2.bin").write_bytes(OTHER)
    new = template_with(tmp_path / "new", [entry(server.url("2.bin"), content=OTHER)], "1.1.0")
    assert fetch_data(old, "digits").read_bytes() == CONTENT
    assert fetch_data(new, "digits").read_bytes() == OTHER
    server.__exit__()
    assert fetch_data(old, "digits").read_bytes() == CONTENT


def test_a_connection_that_breaks_is_made_again_and_goes_on(tmp_path: Path, cache: Path) -> None:
    answers = itertools.chain([good, cut, cut], itertools.repeat(good))

    def handler(request: Exchange) -> bytes:
        return next(answers)(request)

    with scripted(handler) as server:
        fetch(course(tmp_path, server.url()))
        begins = [wanted(one, SIZE)[0] for one in server.exchanges]
        assert begins == sorted(set(begins))  # none was fetched twice
        assert [one.headers.get("if-range") for one in server.exchanges] == [None, *['"one"'] * 3]


def test_a_download_that_was_cut_short_goes_on(
    tmp_path: Path, cache: Path, server: FileServer
) -> None:
    there = cut_short(tmp_path, cache)
    path = fetch(course(tmp_path, server.url("digits.bin")))
    assert path.read_bytes() == CONTENT
    # The beginning is fetched again, to see whether it is the same.
    assert server.sent == HEAD + SIZE - there
    assert [one.headers["range"] for one in server.exchanges][1] == f"bytes={there}-{SIZE - 1}"
    assert kept(cache) == {"digits.bin": SIZE}


def test_a_server_without_parts_begins_anew(tmp_path: Path, cache: Path) -> None:
    cut_short(tmp_path, cache)
    for whole in (answer(200, CONTENT), unsized(200, CONTENT)):

        def handler(_: Exchange, whole: bytes = whole) -> bytes:
            return whole

        with scripted(handler) as server:
            path = fetch(course(tmp_path, server.url()))
        assert path.read_bytes() == CONTENT
        path.unlink()


def test_what_is_left_and_wrong_is_dropped_and_the_server_asked_anew(
    tmp_path: Path, cache: Path
) -> None:
    there = cut_short(tmp_path, cache)
    (left,) = (one for one in cache.rglob("*.part"))
    with scripted(good) as server:
        template = course(tmp_path, server.url())
        for wrong in (
            b"x" * there,  # another beginning
            CONTENT[: there - 1] + b"x",  # a beginning that is right, and then wrong
            OTHER,  # all there
            CONTENT + b"and more",
        ):
            left.write_bytes(wrong)
            path = fetch(template)
            assert path.read_bytes() == CONTENT
            assert not left.exists()
            path.unlink()
        left.write_bytes(CONTENT)
        asked = len(server.exchanges)
        assert fetch(template).read_bytes() == CONTENT
        assert len(server.exchanges) == asked  # all was there


def test_a_file_that_changes_meanwhile_is_begun_anew(tmp_path: Path, cache: Path) -> None:
    """The server gets the right version after the first answer."""

    def handler(request: Exchange) -> bytes:
        if request is changing.exchanges[0]:
            return part(bytes(SIZE), request, etag='"old"')
        if request.headers.get("if-range") == '"old"':
            return answer(200, CONTENT, ETag='"new"')
        return part(CONTENT, request, etag='"new"')

    with scripted(handler) as changing:
        assert fetch(course(tmp_path, changing.url())).read_bytes() == CONTENT
        assert [one.headers.get("if-range") for one in changing.exchanges] == [
            *(None, '"old"'),
            *(None, '"new"'),
        ]
    assert kept(cache) == {"digits.bin": SIZE}


def test_an_interrupt_while_the_hash_is_compared_loses_nothing(
    tmp_path: Path, cache: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    template = course(tmp_path, server.url("digits.bin"))
    with monkeypatch.context() as patch:
        patch.setattr("pooch.hashes.file_hash", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(template)
    assert kept(cache) == {".digits.bin.part": SIZE}
    server.__exit__()
    assert fetch(template).read_bytes() == CONTENT
    assert kept(cache) == {"digits.bin": SIZE}


def test_a_file_that_shares_its_bytes_with_what_grew_is_replaced(
    tmp_path: Path, cache: Path
) -> None:
    """As a kill leaves them between the last two steps, and damage afterwards."""
    with scripted(good) as server:
        template = course(tmp_path, server.url())
        path = fetch(template)
        left = path.with_name(".digits.bin.part")
        for damage in (OTHER, CONTENT[:100_000], b"x" * 100, b""):
            left.unlink(missing_ok=True)
            left.hardlink_to(path)
            path.write_bytes(damage)
            assert fetch(template).read_bytes() == CONTENT
            assert kept(cache) == {"digits.bin": SIZE}


def test_a_link_in_the_place_of_what_grows_is_not_written_through(
    tmp_path: Path, cache: Path
) -> None:
    cut_short(tmp_path, cache)
    (left,) = (one for one in cache.rglob("*.part"))
    left.unlink()
    left.symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_bytes(b"mine")
    with scripted(good) as server, pytest.raises(IoError):
        fetch(course(tmp_path, server.url()))
    assert (tmp_path / "victim").read_bytes() == b"mine"


def moved(place: str) -> Handler:
    return lambda _: answer(302, Location=place)


def longer(request: Exchange) -> bytes:
    begin, end = wanted(request, SIZE)
    said = f"bytes {begin}-{end - 1}/{SIZE}"
    return unsized(206, CONTENT[begin:end] + b"more", Content_Range=said, ETag='"one"')


BAD: dict[str, tuple[Handler, str]] = {
    "not there": (gone, "answers 404"),
    "forbidden": (lambda _: answer(403), "answers 403"),
    "out of order": (lambda _: answer(500), "answers 500"),
    "another file of that size": (lambda request: part(OTHER, request), "another SHA-256"),
    "a longer file": (lambda request: part(CONTENT + b"x", request), "found 300001"),
    "a shorter file": (lambda request: part(CONTENT[:-1], request), "found 299999"),
    "an empty file": (lambda _: answer(416, Content_Range="bytes */0"), "found 0"),
    "more than it says": (longer, "more came"),
    "without end": (lambda _: unsized(200, CONTENT + bytes(1 << 20)), "more came"),
    "without parts, cut off": (lambda _: answer(200, CONTENT)[:-9], "gave up after"),
    "without parts and size, cut off": (lambda _: unsized(200, CONTENT[:-9]), "9 bytes are miss"),
    "a web page": (lambda _: answer(200, b"<html>"), "found 6"),
    "nothing": (lambda _: b"", "gave up after"),
    "no HTTP": (lambda _: b"SSH-2.0-OpenSSH_9.9\r\n", "gave up after"),
    "moved to a file": (moved("file:///etc/passwd"), "which is no HTTP"),
    "moved for ever": (moved("/"), "redirected more than"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_server_is_told_and_the_next_is_asked(
    case: str, tmp_path: Path, cache: Path, server: FileServer
) -> None:
    handler, words = BAD[case]
    told: list[str] = []

    def progress(done: int, total: int) -> None:
        assert 0 <= done <= total == SIZE

    with scripted(handler) as bad:
        template = course(tmp_path, bad.url())
        with pytest.raises(IoError, match=words):
            fetch(template)
        assert set(kept(cache)) <= {".digits.bin.part"}
        assert max(kept(cache).values(), default=0) <= SIZE
        manifest = read_manifest(course(tmp_path, bad.url(), server.url("digits.bin")))
        cache_of_data = DataCache(fetching=HASTY)
        fetched = cache_of_data.fetch("course", manifest.data[0], progress, told.append)
        (said,) = told
        assert bad.url() in said
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.downloaded == {"digits.bin": server.url("digits.bin")}
    assert kept(cache) == {"digits.bin": SIZE}


def test_of_several_places_each_is_asked_less_patiently(tmp_path: Path, cache: Path) -> None:
    lost = MemoryFile(CONTENT, cuts=[100] * 9)
    there = MemoryFile(CONTENT)
    files = fetching_from({"https://a/lost": lost, "https://a/there": there})
    template = course(tmp_path, "https://a/lost", "https://a/there")
    assert fetch(template, files).read_bytes() == CONTENT
    assert len(lost.asked) == 2
    assert there.asked == [(0, 200), (200, SIZE)]  # what came from the other was right
    alone = fetching_from({"https://a/lost": MemoryFile(CONTENT, cuts=[1] * 9)})
    (cache / "course").rename(tmp_path / "moved")
    with pytest.raises(IoError, match="gave up after 5 tries"):
        fetch(course(tmp_path, "https://a/lost"), alone)


def test_a_setting_that_is_of_no_use_is_told_once(tmp_path: Path, cache: Path) -> None:
    asked: list[str] = []

    def refused(url: str, _: Pace) -> Remote:
        asked.append(url)
        raise InputError("HTTPS_PROXY: expected a proxy")

    with pytest.raises(InputError, match=r"\AHTTPS_PROXY: expected a proxy\Z"):
        fetch(course(tmp_path, "https://a/1", "https://a/2"), Fetching({"https": refused}))
    assert asked == ["https://a/1"]


def test_a_server_that_hangs_is_given_up(tmp_path: Path, cache: Path, server: FileServer) -> None:
    soon = Fetching(pace=dataclasses.replace(QUICK, waiting=0.2))
    over = threading.Event()

    def handler(_: Exchange) -> bytes:
        over.wait(10)
        return b""

    with scripted(handler) as hanging:
        template = course(tmp_path, hanging.url(), server.url("digits.bin"))
        assert fetch(template, soon).read_bytes() == CONTENT
        over.set()


def test_when_all_fail_each_failure_is_told(tmp_path: Path, cache: Path) -> None:
    with scripted(gone) as first, scripted(lambda request: part(OTHER, request)) as second:
        a, b = first.url("a"), second.url("b")
        with pytest.raises(IoError) as caught:
            fetch(course(tmp_path, f"{a}?key=secret", b))
    said = str(caught.value)
    assert said.startswith("digits.bin: could not be downloaded: ")
    assert f"{a}?...: expected a part" in said
    assert f"{b}: expected another SHA-256" in said
    assert "secret" not in said
    assert kept(cache) == {}


def test_a_wrong_size_in_the_manifest_is_told(
    tmp_path: Path, cache: Path, server: FileServer
) -> None:
    for size in (SIZE - 1, SIZE + 1, 1):
        template = course(tmp_path, server.url("digits.bin"), size=size)
        with pytest.raises(IoError, match=f"expected {size} bytes, found {SIZE}"):
            fetch(template)
    assert kept(cache) == {}


def test_what_a_killed_program_left_is_tidied(
    tmp_path: Path, cache: Path, server: FileServer
) -> None:
    template = course(tmp_path, server.url("digits.bin"))
    path = fetch(template)
    path.rename(path.with_name("tmpab_1cd9x"))
    path.with_name("tmp_other").write_bytes(b"")
    fetch(template)
    assert kept(cache) == {"digits.bin": SIZE, "tmp_other": 0}


def test_how_much_is_there(tmp_path: Path, cache: Path, server: FileServer) -> None:
    template = course(tmp_path, server.url("digits.bin"))
    (dataset,) = read_manifest(template).data
    status = DataCache().status("course", dataset)
    assert (status.size, status.have, status.whole) == (SIZE, 0, False)
    there = cut_short(tmp_path, cache)
    assert DataCache().status("course", dataset).have == there
    path = fetch(course(tmp_path, server.url("digits.bin")))
    status = DataCache().status("course", dataset)
    assert (status.path, status.have, status.whole) == (path, SIZE, True)


@pytest.mark.parametrize("library", ["pooch", "httpx2"])
def test_without_the_extra_it_is_named(
    library: str,
    tmp_path: Path,
    cache: Path,
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"{library}.*pip install 'sapwood\[data\]'"):
        fetch(course(tmp_path, server.url("digits.bin")))
    assert server.exchanges == []
    assert not cache.exists()


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path, cache: Path) -> None:
    template = template_with(
        tmp_path / "template", [entry("http://a/b"), entry("http://a/b", name="cifar10")]
    )
    with pytest.raises(InputError, match="expected one of digits, cifar10"):
        fetch_data(template, "../digits")
    with pytest.raises(InputError, match="names no data"):
        fetch_data(template_with(tmp_path / "bare", []), "digits")


def test_the_default_is_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAPWOOD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in DataCache().folder.parents
    assert DataCache().folder.parts[-2:] == ("sapwood", "data")
    assert DataCache("here").folder == Path.cwd() / "here"
