"""Servers are strangers: whatever they answer, an error of ours, nothing written, bounded work."""

from __future__ import annotations

import functools
import gzip
import io
import itertools
from collections.abc import Callable
from pathlib import Path

import httpx2
import numpy as np
import pytest

from sapwood import models
from sapwood.errors import InputError, InvalidPatch, IoError, SapwoodError, TruncatedPatch
from sapwood.fetching import http as remote
from sapwood.fetching.http import HEAD, MOST_FAILURES, MOST_REDIRECTS, RemoteFile
from support.http_servers import Exchange, Handler, answer, part, scripted, unsized, wanted
from support.model_files import safetensors_file

RANDOM = np.random.default_rng(5)
OLD = {"a": RANDOM.standard_normal((300, 300), dtype=np.float32)}
BASE = safetensors_file(OLD)
TARGET = safetensors_file({"a": RANDOM.standard_normal((300, 300), dtype=np.float32)})
HALF = b"half of a body"


@functools.cache
def patch() -> bytes:
    """Longer than what is asked for first."""
    out = io.BytesIO()
    models.create_patch(BASE, TARGET, out)
    made = out.getvalue()
    assert len(made) > 3 * HEAD
    return made


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0.0)
    monkeypatch.setattr(remote, "WAITING", 5.0)


def is_first(request: Exchange) -> bool:
    return request.headers.get("range", "").startswith("bytes=0-")


def later(bad: Callable[[Exchange], bytes]) -> Handler:
    """The right answer first, and then a bad one always."""
    return lambda request: part(patch(), request) if is_first(request) else bad(request)


def shifted(request: Exchange) -> bytes:
    begin, end = wanted(request, len(patch()))
    said = f"bytes {begin - 1}-{end - 2}/{len(patch())}"
    return part(patch(), request, Content_Range=said)


def of_size(size: str) -> Callable[[Exchange], bytes]:
    def bad(request: Exchange) -> bytes:
        begin, end = wanted(request, len(patch()))
        return part(patch(), request, Content_Range=f"bytes {begin}-{end - 1}/{size}")

    return bad


def longer(request: Exchange) -> bytes:
    begin, end = wanted(request, len(patch()))
    said = f"bytes {begin}-{end - 1}/{len(patch())}"
    return unsized(206, patch()[begin:end] + b"more", Content_Range=said, ETag='"one"')


def packed(request: Exchange) -> bytes:
    begin, end = wanted(request, len(patch()))
    body = gzip.compress(patch()[begin:end])
    said = f"bytes {begin}-{end - 1}/{len(patch())}"
    return answer(206, body, Content_Range=said, ETag='"one"', Content_Encoding="gzip")


BAD_PARTS: dict[str, tuple[Callable[[Exchange], bytes], str]] = {
    "the whole file where a part was asked for": (
        lambda _: answer(200, patch(), ETag='"two"'),
        "changed while it was read",
    ),
    "a part of another version": (
        lambda request: part(patch(), request, '"two"'),
        "changed while it was read",
    ),
    "a part without an ETag": (
        lambda request: part(patch(), request, ""),
        "changed while it was read",
    ),
    "precondition failed": (lambda _: answer(412), "changed while it was read"),
    "range not satisfiable": (lambda _: answer(416), "changed while it was read"),
    "of another size": (of_size("999999"), "changed while it was read"),
    "of no known size": (of_size("*"), "Content-Range"),
    "of a size of 9000 digits": (of_size("9" * 9000), "Content-Range"),
    "other bytes than asked for": (shifted, "the server is broken"),
    "no Content-Range": (lambda _: answer(206, HALF, ETag='"one"'), "Content-Range"),
    "several parts": (
        lambda _: answer(206, HALF, Content_Type="multipart/byteranges; boundary=x"),
        "Content-Range",
    ),
    "more bytes than asked for": (longer, "more came"),
    "compressed": (packed, "encoded as 'gzip'"),
    "gone": (lambda _: answer(404), "answers 404; check the URL"),
    "forbidden": (lambda _: answer(403), "check the permissions"),
    "nothing": (lambda _: b"", "gave up after"),
    "no HTTP": (lambda _: b"SSH-2.0-OpenSSH_9.9\r\n", "gave up after"),
    "busy for ever": (lambda _: answer(503), "answers 503"),
    "headers without end": (lambda _: b"HTTP/1.1 206 Part\r\n" + b"A: b\r\n" * 40000, "gave up"),
}


@pytest.mark.parametrize("case", BAD_PARTS)
def test_a_bad_part_is_told_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    bad, words = BAD_PARTS[case]
    with scripted(later(bad)) as server:
        for resume in (False, True):
            with pytest.raises(IoError, match=words):
                models.apply_patch(BASE, server.url(), tmp_path / "out", resume=resume)
        assert {path.suffix for path in tmp_path.iterdir()} <= {".download"}
        assert len(server.exchanges) <= 2 * (2 + MOST_FAILURES)


BAD_BEGINNINGS: dict[str, tuple[Handler, type[SapwoodError], str]] = {
    "a web page": (
        lambda _: answer(200, b"<html>" + b" " * 1000),
        InvalidPatch,
        "not a patch",
    ),
    "part of a web page": (lambda request: part(b"<html>" * 99, request), InvalidPatch, "not a p"),
    "an empty file": (
        lambda _: answer(416, Content_Range="bytes */0"),
        TruncatedPatch,
        "found 0",
    ),
    "a patch cut off": (lambda request: part(patch()[:-9], request), TruncatedPatch, "cut off"),
    "a patch and more": (
        lambda request: part(patch() + b"x", request),
        InvalidPatch,
        "1 bytes after the end",
    ),
    "the whole of a patch and more": (
        lambda _: answer(200, patch() + b"x"),
        InvalidPatch,
        "1 bytes after the end",
    ),
    "the whole of a patch, without end": (
        lambda _: unsized(200, patch() + bytes(1 << 24)),
        InvalidPatch,
        "more than the",
    ),
    "the whole of a patch cut off": (
        lambda _: answer(200, patch()[:-9]),
        TruncatedPatch,
        "cut off",
    ),
    "compressed": (
        lambda _: answer(200, gzip.compress(patch()), Content_Encoding="gzip"),
        IoError,
        "encoded as 'gzip'",
    ),
    "a part that does not begin the file": (
        lambda request: part(patch(), request, Content_Range=f"bytes 1-{HEAD}/{len(patch())}"),
        IoError,
        "the server is broken",
    ),
    "a damaged body": (
        lambda request: part(patch()[:-1] + b"\0", request),
        InvalidPatch,
        "damaged body",
    ),
}


@pytest.mark.parametrize("case", BAD_BEGINNINGS)
def test_a_bad_beginning_is_told_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    handler, error, words = BAD_BEGINNINGS[case]
    with scripted(handler) as server:
        for resume in (False, True):
            with pytest.raises(error, match=words):
                models.apply_patch(BASE, server.url(), tmp_path / "out", resume=resume)
        assert list(tmp_path.iterdir()) == []


def test_connections_that_break_are_made_again_and_go_on() -> None:
    def cut(request: Exchange) -> bytes:
        begin, end = wanted(request, len(patch()))
        head, _, body = part(patch(), request).partition(b"\r\n\r\n")
        return head + b"\r\n\r\n" + body[: max(1, (end - begin) // 2)]

    answers = iter([part, cut, cut, part])

    def handler(request: Exchange) -> bytes:
        chosen = next(answers)
        return part(patch(), request) if chosen is part else cut(request)

    with scripted(handler) as server, RemoteFile(server.url()) as file:
        assert file.read(0, len(patch())) == patch()
    begins = [wanted(one, len(patch()))[0] for one in server.exchanges]
    assert begins == sorted(set(begins))  # none was fetched twice
    assert len(begins) == 4
    assert [one.headers.get("if-range") for one in server.exchanges] == [None, *['"one"'] * 3]


def test_a_server_that_gives_a_byte_at_a_time_is_given_up() -> None:
    def drip(request: Exchange) -> bytes:
        head, _, body = part(patch(), request).partition(b"\r\n\r\n")
        return head + b"\r\n\r\n" + body[:1]

    with scripted(later(drip)) as server, RemoteFile(server.url()) as file:
        with pytest.raises(IoError, match="gave up after"):
            file.read(0, len(patch()))
        assert len(server.exchanges) == 2 + MOST_FAILURES


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    answers = iter([503, 429, 206, 502, 206])

    def handler(request: Exchange) -> bytes:
        status = next(answers)
        return part(patch(), request) if status == 206 else answer(status)

    with scripted(handler) as server:
        models.apply_patch(BASE, server.url(), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == TARGET


@pytest.mark.parametrize("sized", [True, False])
def test_a_server_without_parts_gives_the_whole(sized: bool, tmp_path: Path) -> None:
    make = answer if sized else unsized
    broken = itertools.chain([True], itertools.repeat(False))

    def handler(request: Exchange) -> bytes:
        whole = make(200, patch())
        return whole[: len(whole) // 2] if len(seen) > 1 and next(broken) else whole

    with scripted(handler) as server:
        seen = server.exchanges
        models.apply_patch(BASE, server.url(), tmp_path / "out", resume=True)
        assert list(models.load_patched(BASE, server.url())) == ["a"]
    assert (tmp_path / "out").read_bytes() == TARGET
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_versions_that_cannot_be_told_for_sure_are_not_named_in_if_range() -> None:
    dates = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    same, before = dates["Date"], "Sun, 06 Nov 1994 08:49:30 GMT"
    for headers, expected in (
        ({"ETag": 'W/"weak"'}, None),
        ({"Last_Modified": same, "ETag": "", **dates}, None),
        ({"Last_Modified": "no date", **dates}, None),
        ({"Last_Modified": before}, None),
        ({"Last_Modified": before, **dates}, before),
    ):

        def handler(request: Exchange, headers: dict[str, str] = headers) -> bytes:
            begin, end = wanted(request, len(patch()))
            said = {"Content_Range": f"bytes {begin}-{end - 1}/{len(patch())}"}
            return answer(206, patch()[begin:end], **(said | headers))

        with scripted(handler) as server, RemoteFile(server.url()) as file:
            assert file.read(0, len(patch())) == patch()
        assert server.exchanges[-1].headers.get("if-range") == expected


def test_redirects_are_followed_but_not_for_ever() -> None:
    def handler(request: Exchange) -> bytes:
        if request.path == "/loop":
            return answer(302, Location="/loop")
        if request.path == "/file":
            return answer(302, Location="file:///etc/passwd")
        if request.path == "/patch":
            return answer(307, Location="/moved")
        return part(patch(), request)

    with scripted(handler) as server:
        with RemoteFile(server.url()) as file:
            assert file.read(0, 10) == patch()[:10]
        before = len(server.exchanges)
        with pytest.raises(IoError, match=f"more than {MOST_REDIRECTS} times"):
            RemoteFile(server.url("loop"))
        assert len(server.exchanges) == before + MOST_REDIRECTS + 1
        with pytest.raises(IoError, match="which is no HTTP"):
            RemoteFile(server.url("file"))


def test_a_redirect_from_https_to_http_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        place = "http://example.org/patch?token=1" if len(asked) > 1 else "https://example.org/2"
        return httpx2.Response(301, headers={"Location": place})

    real = httpx2.Client
    monkeypatch.setattr(
        httpx2, "Client", lambda **options: real(transport=httpx2.MockTransport(handler), **options)
    )
    with pytest.raises(IoError, match=r"refused to go on from https to http://example.org/patch"):
        RemoteFile("https://example.org/1")
    assert asked == ["https://example.org/1", "https://example.org/2"]


def test_a_password_stays_with_its_server_and_is_never_shown() -> None:
    with scripted(lambda request: answer(404)) as other:

        def handler(request: Exchange) -> bytes:
            return answer(302, Location=other.url("elsewhere"))

        with scripted(handler) as server:
            origin = server.origin
            url = f"http://me:secret@{origin}/patch?signature=hidden#part"
            with pytest.raises(IoError) as caught:
                models.patch_info(url)
        (asked,) = server.exchanges
        assert asked.headers["authorization"] == "Basic bWU6c2VjcmV0"
        assert asked.path == "/patch?signature=hidden"
        (passed_on,) = other.exchanges
        assert "authorization" not in passed_on.headers
    told = str(caught.value)
    assert f"http://{origin}/patch?..." in told
    assert "secret" not in told
    assert "hidden" not in told


@pytest.mark.parametrize(
    "url", ["http://", "https://[::1", "http://user@", "http://\0/", "http:// "]
)
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises((InputError, IoError)):
        models.patch_info(url)


def test_a_server_that_is_not_there() -> None:
    with scripted(lambda _: b"") as server:
        url = server.url()
    with pytest.raises(IoError, match="gave up after 5 tries: ConnectError"):
        models.patch_info(url)
