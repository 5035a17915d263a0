"""One file on an HTTP server: its parts, the same file throughout, every answer checked.

Servers are strangers. What they say of lengths decides nothing but what is asked for next, and
no more bytes are taken than were asked for. A file that changes between two requests is noticed:
by If-Range, where the server gives a validator for it, and by the headers of each answer.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import re
import ssl
import sys
import time
import weakref
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from sapwood.errors import InputError, IoError
from sapwood.fetching.urls import SCHEMES, shown
from sapwood.fetching.versions import Version

if TYPE_CHECKING:
    import httpx2

HEAD = 1 << 16  # bytes asked for first: most often the whole front
MOST_REDIRECTS = 10
MOST_FAILURES = 4  # in a row; the fifth is told
PROGRESS = 1 << 20  # bytes after which failures count anew
PAUSE = 0.5  # seconds before the second try; twice as long before each that follows
CONNECTING, WAITING = 10.0, 30.0  # seconds for a connection, and for more bytes to come
BUSY = frozenset({429, 500, 502, 503, 504})  # answers after which one tries again

CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
NOTHING_THERE = re.compile(r"bytes \*/0")
LENGTH = re.compile(r"[0-9]{1,18}")


def library() -> ModuleType:
    """The HTTP library.

    Raises:
        InputError: it is not installed.
    """
    try:
        import httpx2
    except ImportError as e:
        raise InputError(
            "patches from URLs need httpx2, which is not installed; pip install 'sapwood[http]'"
        ) from e
    return httpx2


@functools.cache
def authorities() -> ssl.SSLContext:
    """Whose certificates are trusted; reading them takes a while."""
    context: ssl.SSLContext = library().create_ssl_context()
    return context


class BrokenOff(Exception):
    """A connection ended, or a server was busy: worth another try. `Tries` makes it an IoError."""


class FileChanged(IoError):
    """The server has another version of the file than when it was opened."""


class RemoteFile:
    """A file behind a URL; may be read by several threads at once.

    Attributes:
        name: the URL as it may be shown.
        size: bytes; None where the server does not say before the last of them.
        head: the first bytes, up to `HEAD`; empty where parts cannot be had.
        ranges: whether parts can be had.
    """

    size: int | None

    def __init__(self, url: str, *, most_failures: int = MOST_FAILURES) -> None:
        """Asks the server for the beginning of the file.

        Args:
            url: of the file.
            most_failures: of connections in a row, after which another try is made.

        Raises:
            InputError: the URL is none, or httpx2 is not installed.
            IoError: the server cannot be reached, or answers otherwise than HTTP asks for.
        """
        self._httpx = library()
        self.name = shown(url)
        self._most_failures = most_failures
        self._url, self._headers = self._taken_apart(url)
        timeout = self._httpx.Timeout(WAITING, connect=CONNECTING)
        client = self._httpx.Client(timeout=timeout, follow_redirects=False, verify=authorities())
        self.close = weakref.finalize(self, client.close)
        self._client: httpx2.Client = client
        self._version: Version | None = None
        self.ranges = False
        self.head = b""
        self.size = None
        self._open()

    def __enter__(self) -> RemoteFile:
        """Itself; closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, begin: int, end: int) -> bytes:
        """The bytes [begin, end) of a file whose parts can be had.

        Raises:
            IoError: the file changed since it was opened, the connection is lost for good, or
                the server does not answer as it should.
        """
        out = bytearray(self.head[begin:end])
        for piece in self.pieces(begin + len(out), end):
            out += piece
        return bytes(out)

    def pieces(self, begin: int, end: int) -> Iterator[bytes]:
        """As `read`, piece by piece. A lost connection is made again, and goes on where it was.

        Raises:
            IoError: as `read`.
        """
        at = begin
        tries = self.tries()
        while at < end:
            try:
                with self._answer(at, end) as response:
                    self._check_part(response, at, end)
                    for piece in self._body(response, end - at):
                        at += len(piece)
                        tries.came(len(piece))
                        yield piece
                if at < end:
                    raise BrokenOff(f"{end - at} bytes are missing")
            except BrokenOff as e:
                tries.failed(e)

    def tries(self) -> Tries:
        """Counts failures to read it."""
        return Tries(self.name, self._most_failures)

    def whole(self) -> Iterator[bytes]:
        """The file from its beginning, for servers that have no parts; in one go.

        It may never end: whoever takes the bytes must know how many are enough.

        Raises:
            BrokenOff: the connection was lost; begin anew.
            IoError: as `read`.
        """
        with self._answer(None, None) as response:
            if response.status_code != 200:
                raise self._unexpected(response, "the file (200)")
            self._check_encoding(response)
            yield from self._body(response, sys.maxsize)

    def _taken_apart(self, url: str) -> tuple[httpx2.URL, dict[str, str]]:
        """The URL without user and password, and the headers of every request."""
        try:
            parsed = self._httpx.URL(url)
        except (self._httpx.InvalidURL, ValueError) as e:
            raise InputError(f"{self.name}: expected a URL; check it") from e
        if not parsed.host:
            raise InputError(f"{self.name}: expected a URL with a host; check it")
        headers = {"Accept-Encoding": "identity"}
        if parsed.userinfo:
            # As a header: it is left out when a redirect leads to another server.
            login = f"{parsed.username}:{parsed.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        return parsed.copy_with(userinfo=b""), headers

    def _open(self) -> None:
        tries = self.tries()
        while True:
            try:
                with self._answer(0, HEAD) as response:
                    self._begin(response)
                return
            except BrokenOff as e:
                tries.failed(e)

    def _begin(self, response: httpx2.Response) -> None:
        """Takes the first answer, with what it says of the file."""
        said = response.headers.get("content-range", "")
        match response.status_code:
            case 206:
                self._check_encoding(response)
                first, last, size = self._content_range(response)
                expected = min(HEAD, size)
                if first != 0 or last != expected - 1:
                    raise IoError(
                        f"{self.name}: expected the bytes 0 to {expected - 1}, found {first} to "
                        f"{last}; the server is broken"
                    )
                head = b"".join(self._body(response, expected))
                if len(head) < expected:
                    raise BrokenOff(f"{expected - len(head)} bytes are missing")
                self.size, self.head, self.ranges = size, head, True
            case 416 if NOTHING_THERE.fullmatch(said):
                self.size, self.ranges = 0, True
            case 200:  # a server without parts: what comes is not looked at yet
                self._check_encoding(response)
                self.size = self._length(response)
            case _:
                raise self._unexpected(response, "a part (206) or the file (200)")
        self._version = Version.of(response)

    @contextlib.contextmanager
    def _answer(self, begin: int | None, end: int | None) -> Iterator[httpx2.Response]:
        """The answer to a request for the bytes [begin, end), or for all; its body not read.

        Raises:
            BrokenOff: no connection, or a busy server.
            IoError: redirects that are not followed.
        """
        headers = dict(self._headers)
        if begin is not None and end is not None:
            headers["Range"] = f"bytes={begin}-{end - 1}"
            if self._version is not None and self._version.validator is not None:
                headers["If-Range"] = self._version.validator
        try:
            response = self._sent(self._client.build_request("GET", self._url, headers=headers))
        except self._httpx.UnsupportedProtocol as e:
            raise IoError(f"{self.name}: {e}; check the URL") from e
        except (self._httpx.TransportError, self._httpx.InvalidURL) as e:
            raise BrokenOff(f"{type(e).__name__}: {e}") from e
        try:
            if response.status_code in BUSY:
                raise BrokenOff(f"the server answers {response.status_code}")
            yield response
        finally:
            response.close()

    def _sent(self, request: httpx2.Request) -> httpx2.Response:
        """The answer at the end of all redirects."""
        for _ in range(MOST_REDIRECTS + 1):
            response = self._client.send(request, stream=True)
            following = response.next_request
            if following is None:
                return response
            response.close()
            place = shown(str(following.url))
            if following.url.scheme not in SCHEMES:
                raise IoError(f"{self.name}: refused to go on to {place}, which is no HTTP")
            if request.url.scheme == "https" and following.url.scheme != "https":
                raise IoError(
                    f"{self.name}: refused to go on from https to {place}, where anybody on the "
                    "way may read and change it; give a URL that stays with https"
                )
            request = following
        raise IoError(f"{self.name}: redirected more than {MOST_REDIRECTS} times; check the URL")

    def _body(self, response: httpx2.Response, most: int) -> Iterator[bytes]:
        """The bytes of an answer as they come.

        Raises:
            BrokenOff: the connection was lost.
            IoError: more come than there can be.
        """
        left = most
        stream = response.iter_raw()
        while True:
            try:
                piece = next(stream, b"")
            except self._httpx.TransportError as e:
                raise BrokenOff(f"{type(e).__name__}: {e}") from e
            if not piece:
                return
            if len(piece) > left:
                raise IoError(
                    f"{self.name}: expected {most} bytes, and more came; the server is broken, "
                    "nothing was written"
                )
            left -= len(piece)
            yield piece

    def _check_part(self, response: httpx2.Response, begin: int, end: int) -> None:
        """That an answer is the part that was asked for, of the file that was opened."""
        if response.status_code in {200, 412, 416}:
            raise self._changed(f"the server answers {response.status_code} and not 206")
        if response.status_code != 206:
            raise self._unexpected(response, "a part (206)")
        self._check_encoding(response)
        first, last, size = self._content_range(response)
        if size != self.size:
            raise self._changed(f"it has {size} bytes and had {self.size}")
        if (first, last) != (begin, end - 1):
            raise IoError(
                f"{self.name}: expected the bytes {begin} to {end - 1}, found {first} to {last}; "
                "the server is broken"
            )
        if self._version is not None and not self._version.same(Version.of(response)):
            raise self._changed("ETag or Last-Modified differs")

    def _changed(self, how: str) -> FileChanged:
        return FileChanged(
            f"{self.name}: changed while it was read ({how}), nothing was written; try again"
        )

    def _check_encoding(self, response: httpx2.Response) -> None:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            raise IoError(
                f"{self.name}: expected the bytes as they are, found them encoded as "
                f"{encoding!r:.40}; keep the server from compressing them"
            )

    def _content_range(self, response: httpx2.Response) -> tuple[int, int, int]:
        """First byte, last byte, and bytes in all, as the answer has them."""
        said = response.headers.get("content-range", "")
        found = CONTENT_RANGE.fullmatch(said)
        if found is None:
            raise IoError(
                f"{self.name}: expected a Content-Range of known size, found {said!r:.60}; "
                "the server is broken"
            )
        return int(found[1]), int(found[2]), int(found[3])

    def _length(self, response: httpx2.Response) -> int | None:
        said = response.headers.get("content-length")
        return int(said) if said is not None and LENGTH.fullmatch(said) else None

    def _unexpected(self, response: httpx2.Response, what: str) -> IoError:
        advice = {401: "give a user and password", 403: "check the permissions"}
        return IoError(
            f"{self.name}: expected {what}, the server answers {response.status_code}; "
            + advice.get(response.status_code, "check the URL")
        )


class Tries:
    """How often something may fail before that is told."""

    def __init__(self, name: str, most: int) -> None:
        """Begins without failures.

        Args:
            name: of the file, for the error.
            most: failures in a row; the one that follows is told.
        """
        self._name = name
        self._most = most
        self._failures = 0
        self._since = 0

    def came(self, size: int) -> None:
        """Counts bytes that came; many of them make good for failures before."""
        self._since += size
        if self._since >= PROGRESS:
            self._failures = 0

    def failed(self, why: BrokenOff) -> None:
        """Waits before the next try.

        Raises:
            IoError: there were enough.
        """
        if self._failures == self._most:
            raise IoError(
                f"{self._name}: gave up after {self._most + 1} tries: {why}; "
                "check the connection and try again"
            ) from why
        time.sleep(PAUSE * 2**self._failures)
        self._failures += 1
        self._since = 0
