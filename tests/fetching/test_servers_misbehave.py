"""Servers are strangers: whatever they answer, an error of ours, and bounded work."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import gzip
import io
import threading
from collections.abc import Callable, Iterator

import httpx2
import numpy as np
import pytest

from sapwood.errors import Changed, IoError, Unavailable
from sapwood.fetching.download import KnownSize, download
from sapwood.fetching.http import MOST_REDIRECTS, HttpFile
from sapwood.fetching.remote import read_part
from support.http_servers import Exchange, Handler, answer, part, scripted, unsized, wanted
from support.remotes import QUICK

CONTENT = np.random.default_rng(5).bytes(300_000)
SIZE = len(CONTENT)
HALF = b"half of a body"


@contextlib.contextmanager
def opened(url: str) -> Iterator[HttpFile]:
    with contextlib.closing(HttpFile(url, QUICK)) as file:
        yield file


def read_whole(url: str) -> bytes:
    with opened(url) as file:
        return read_part(file, 0, SIZE)


def is_first(request: Exchange) -> bool:
    return request.headers.get("range", "").startswith("bytes=0-")


def later(bad: Callable[[Exchange], bytes]) -> Handler:
    """The right answer first, and then a bad one always."""
    return lambda request: part(CONTENT, request) if is_first(request) else bad(request)


def shifted(request: Exchange) -> bytes:
    begin, end = wanted(request, SIZE)
    said = f"bytes {begin - 1}-{end - 2}/{SIZE}"
    return part(CONTENT, request, Content_Range=said)


def of_size(size: str) -> Callable[[Exchange], bytes]:
    def bad(request: Exchange) -> bytes:
        begin, end = wanted(request, SIZE)
        return part(CONTENT, request, Content_Range=f"bytes {begin}-{end - 1}/{size}")

    return bad


def longer(request: Exchange) -> bytes:
    begin, end = wanted(request, SIZE)
    said = f"bytes {begin}-{end - 1}/{SIZE}"
    return unsized(206, CONTENT[begin:end] + b"more", Content_Range=said, ETag='"one"')


def packed(request: Exchange) -> bytes:
    begin, end = wanted(request, SIZE)
    body = gzip.compress(CONTENT[begin:end])
    said = f"bytes {begin}-{end - 1}/{SIZE}"
    return answer(206, body, Content_Range=said, ETag='"one"', Content_Encoding="gzip")


BAD_PARTS: dict[str, tuple[Callable[[Exchange], bytes], type[IoError], str]] = {
    "the whole file where a part was asked for": (
        lambda _: answer(200, CONTENT, ETag='"two"'),
        Changed,
        "changed while it was read",
    ),
    "a part of another version": (
        lambda request: part(CONTENT, request, '"two"'),
        Changed,
        "changed while it was read",
    ),
    "a part without an ETag": (
        lambda request: part(CONTENT, request, ""),
        Changed,
        "changed while it was read",
    ),
    "precondition failed": (lambda _: answer(412), Changed, "changed while it was read"),
    "range not satisfiable": (lambda _: answer(416), Changed, "changed while it was read"),
    "of another size": (of_size("999999"), Changed, "changed while it was read"),
    "of no known size": (of_size("*"), Unavailable, "Content-Range"),
    "of a size of 9000 digits": (of_size("9" * 9000), Unavailable, "Content-Range"),
    "other bytes than asked for": (shifted, Unavailable, "the server is broken"),
    "no Content-Range": (
        lambda _: answer(206, HALF, ETag='"one"'),
        Unavailable,
        "Content-Range",
    ),
    "several parts": (
        lambda _: answer(206, HALF, Content_Type="multipart/byteranges; boundary=x"),
        Unavailable,
        "Content-Range",
    ),
    "more bytes than asked for": (longer, Unavailable, "more came"),
    "compressed": (packed, Unavailable, "encoded as 'gzip'"),
    "gone": (lambda _: answer(404), Unavailable, "answers 404; check the URL"),
    "forbidden": (lambda _: answer(403), Unavailable, "check the permissions"),
    "nothing": (lambda _: b"", Unavailable, "gave up after"),
    "no HTTP": (lambda _: b"SSH-2.0-OpenSSH_9.9\r\n", Unavailable, "gave up after"),
    "busy for ever": (lambda _: answer(503), Unavailable, "answers 503"),
    "headers without end": (
        lambda _: b"HTTP/1.1 206 Part\r\n" + b"A: b\r\n" * 40000,
        Unavailable,
        "gave up",
    ),
}


@pytest.mark.parametrize("case", BAD_PARTS)
def test_a_bad_part_is_told_and_what_came_before_is_right(case: str) -> None:
    bad, error, words = BAD_PARTS[case]
    out = io.BytesIO()
    with scripted(later(bad)) as server, opened(server.url()) as file:
        with pytest.raises(error, match=words):
            download(file, out, KnownSize(file.name, SIZE, ""))
        assert len(server.exchanges) <= 2 + QUICK.failures
    assert CONTENT.startswith(out.getvalue())


STATUSES: dict[str, tuple[Handler, int | None]] = {
    "gone": (lambda _: answer(404), 404),
    "forbidden": (lambda _: answer(403), 403),
    "asks for a login": (lambda _: answer(401), 401),
    "busy for ever": (lambda _: answer(503), 503),
    "too many requests": (lambda _: answer(429), 429),
    "broken": (lambda _: answer(206, HALF), 206),
    "a redirect to itself": (lambda _: answer(302, Location="/"), 302),
    "a redirect to no server": (lambda _: answer(302, Location="http://a..b/"), 302),
    "nothing": (lambda _: b"", None),
    "no HTTP": (lambda _: b"SSH-2.0-OpenSSH_9.9\r\n", None),
}


@pytest.mark.parametrize("case", STATUSES)
def test_callers_see_by_the_status_whether_another_try_may_do(case: str) -> None:
    handler, status = STATUSES[case]
    with scripted(handler) as server, pytest.raises(Unavailable) as caught:
        HttpFile(server.url(), QUICK)
    assert caught.value.status == status


BAD_BEGINNINGS: dict[str, tuple[Handler, str]] = {
    "compressed": (
        lambda _: answer(200, gzip.compress(CONTENT), Content_Encoding="gzip"),
        "encoded as 'gzip'",
    ),
    "a part that does not begin the file": (
        lambda request: part(CONTENT, request, Content_Range=f"bytes 1-{QUICK.head}/{SIZE}"),
        "the server is broken",
    ),
    "a part that is too short": (
        lambda request: part(CONTENT[:-9], request, Content_Range=f"bytes 0-9/{SIZE}"),
        "the server is broken",
    ),
}


@pytest.mark.parametrize("case", BAD_BEGINNINGS)
def test_a_bad_beginning_is_told(case: str) -> None:
    handler, words = BAD_BEGINNINGS[case]
    with scripted(handler) as server, pytest.raises(Unavailable, match=words):
        HttpFile(server.url(), QUICK)


def test_an_empty_file_has_parts() -> None:
    with (
        scripted(lambda _: answer(416, Content_Range="bytes */0")) as server,
        opened(server.url()) as file,
    ):
        assert (file.ranges, file.size, read_part(file, 0, 0)) == (True, 0, b"")


def test_connections_that_break_are_made_again_and_go_on() -> None:
    def cut(request: Exchange) -> bytes:
        begin, end = wanted(request, SIZE)
        head, _, body = part(CONTENT, request).partition(b"\r\n\r\n")
        return head + b"\r\n\r\n" + body[: max(1, (end - begin) // 2)]

    answers = iter([part, cut, cut, part])

    def handler(request: Exchange) -> bytes:
        chosen = next(answers)
        return part(CONTENT, request) if chosen is part else cut(request)

    with scripted(handler) as server:
        assert read_whole(server.url()) == CONTENT
    begins = [wanted(one, SIZE)[0] for one in server.exchanges]
    assert begins == sorted(set(begins))  # none was fetched twice
    assert len(begins) == 4
    assert [one.headers.get("if-range") for one in server.exchanges] == [None, *['"one"'] * 3]


def test_a_server_that_gives_a_byte_at_a_time_is_given_up() -> None:
    def drip(request: Exchange) -> bytes:
        head, _, body = part(CONTENT, request).partition(b"\r\n\r\n")
        return head + b"\r\n\r\n" + body[:1]

    with scripted(later(drip)) as server:
        with pytest.raises(Unavailable, match="gave up after"):
            read_whole(server.url())
        assert len(server.exchanges) == 2 + QUICK.failures


def test_a_busy_server_is_asked_again() -> None:
    answers = iter([503, 429, 206, 502, 206])

    def handler(request: Exchange) -> bytes:
        status = next(answers)
        return part(CONTENT, request) if status == 206 else answer(status)

    with scripted(handler) as server:
        assert read_whole(server.url()) == CONTENT


@pytest.mark.parametrize("sized", [True, False])
def test_a_server_without_parts_gives_the_whole(sized: bool) -> None:
    make = answer if sized else unsized
    with scripted(lambda _: make(200, CONTENT)) as server, opened(server.url()) as file:
        assert (file.ranges, file.size) == (False, SIZE if sized else None)
        assert b"".join(file.whole()) == CONTENT
        assert b"".join(file.whole()) == CONTENT


@pytest.mark.parametrize("status", [404, 206])
def test_a_whole_that_is_none_is_told(status: int) -> None:
    def handler(_: Exchange) -> bytes:
        return answer(200, CONTENT) if len(server.exchanges) == 1 else answer(status, CONTENT)

    with (
        scripted(handler) as server,
        opened(server.url()) as file,
        pytest.raises(Unavailable, match=rf"the file \(200\), the server answers {status}"),
    ):
        next(file.whole())


def test_versions_that_cannot_be_told_for_sure_are_not_named_in_if_range() -> None:
    dates = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    same, before = dates["Date"], "Sun, 06 Nov 1994 08:49:30 GMT"
    for headers, expected in (
        ({"ETag": 'W/"weak"'}, None),
        ({"ETag": '"\xe9"'}, None),  # in bytes that no request can have
        ({"ETag": '"\x7f"'}, None),
        ({"Last_Modified": same, "ETag": "", **dates}, None),
        ({"Last_Modified": "no date", **dates}, None),
        ({"Last_Modified": before}, None),
        ({"Last_Modified": before, **dates}, before),
    ):

        def handler(request: Exchange, headers: dict[str, str] = headers) -> bytes:
            begin, end = wanted(request, SIZE)
            said = {"Content_Range": f"bytes {begin}-{end - 1}/{SIZE}"}
            return answer(206, CONTENT[begin:end], **(said | headers))

        with scripted(handler) as server:
            assert read_whole(server.url()) == CONTENT
        assert server.exchanges[-1].headers.get("if-range") == expected


def test_redirects_are_followed_but_not_for_ever() -> None:
    def handler(request: Exchange) -> bytes:
        if request.path == "/loop":
            return answer(302, Location="/loop")
        if request.path == "/file":
            return answer(302, Location="file:///etc/passwd")
        if request.path == "/name":
            return answer(302, Location="http://0xn--/")
        if request.path == "/patch":
            return answer(307, Location="/moved")
        return part(CONTENT, request)

    with scripted(handler) as server:
        assert read_whole(server.url()) == CONTENT
        before = len(server.exchanges)
        with pytest.raises(Unavailable, match=f"more than {MOST_REDIRECTS} times"):
            HttpFile(server.url("loop"), QUICK)
        assert len(server.exchanges) == before + MOST_REDIRECTS + 1
        with pytest.raises(IoError, match="which is no HTTP"):
            HttpFile(server.url("file"), QUICK)
        with pytest.raises(IoError, match="expected URLs that HTTP can ask for"):
            HttpFile(server.url("name"), QUICK)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    asked: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        place = "http://example.org/patch?token=1" if len(asked) > 1 else "https://example.org/2"
        return httpx2.Response(301, headers={"Location": place})

    transport = httpx2.MockTransport(handler)
    with pytest.raises(IoError, match=r"refused to go on from https to http://example.org/patch"):
        HttpFile("https://example.org/1", QUICK, transport=transport)
    assert asked == ["https://example.org/1", "https://example.org/2"]


def test_a_password_stays_with_its_server_and_is_never_shown() -> None:
    with scripted(lambda request: answer(404)) as other:

        def handler(request: Exchange) -> bytes:
            return answer(302, Location=other.url("elsewhere"))

        with scripted(handler) as server:
            origin = server.origin
            url = f"http://me:secret@{origin}/patch?signature=hidden#part"
            with pytest.raises(IoError) as caught:
                HttpFile(url, QUICK)
        (asked,) = server.exchanges
        assert asked.headers["authorization"] == "Basic bWU6c2VjcmV0"
        assert asked.path == "/patch?signature=hidden"
        (passed_on,) = other.exchanges
        assert "authorization" not in passed_on.headers
    told = str(caught.value)
    assert f"http://{origin}/patch?..." in told
    assert "secret" not in told
    assert "hidden" not in told


def test_a_server_that_is_not_there() -> None:
    with scripted(lambda _: b"") as server:
        url = server.url()
    with pytest.raises(Unavailable, match="gave up after 5 tries: ConnectError"):
        HttpFile(url, QUICK)


def test_a_server_that_hangs_is_given_up() -> None:
    over = threading.Event()

    def handler(_: Exchange) -> bytes:
        over.wait(10)
        return b""

    pace = dataclasses.replace(QUICK, waiting=0.1, failures=1)
    with scripted(handler) as server:
        with pytest.raises(Unavailable, match="gave up after 2 tries: ReadTimeout"):
            HttpFile(server.url(), pace)
        over.set()


def test_the_last_user_closes_the_connections() -> None:
    with scripted(lambda request: part(CONTENT, request)) as server:
        file = HttpFile(server.url(), QUICK)
        client = file._client
        del file
        gc.collect()
        assert client.is_closed
