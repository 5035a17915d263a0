"""One file on an HTTP server: its parts, the same file throughout, every answer checked.

Servers are strangers. What they say of lengths decides nothing but what is asked for next, and
no more bytes are taken than were asked for. A file that changes between two requests is noticed:
by If-Range, where the server gives a validator for it, and by the headers of each answer.
"""

from __future__ import annotations

import base64
import contextlib
import re
import ssl
import sys
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sapwood.errors import Changed, InputError, IoError, Unavailable
from sapwood.fetching.pace import DEFAULT_PACE, BrokenOff, Pace, Tries
from sapwood.fetching.settings import http_library, new_client, proxy_on_the_way
from sapwood.fetching.urls import SCHEMES, fault_of_url, shown
from sapwood.fetching.validators import Validator

if TYPE_CHECKING:
    import httpx2

MOST_REDIRECTS = 10
BUSY = frozenset({429, 500, 502, 503, 504})  # answers after which one tries again
ADVICE = {
    401: "give a user and password",
    403: "check the permissions",
    407: "give the proxy's user and password in its setting",
}

CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
NOTHING_THERE = re.compile(r"bytes \*/0")
LENGTH = re.compile(r"[0-9]{1,18}")


class HttpFile:
    """A file behind a URL, as `Remote` describes it.

    Attributes:
        name: the URL as it may be shown.
        size: bytes of the file; None where the server does not say before the last of them.
        ranges: whether parts can be had.
        pace: how patiently it is read.
    """

    def __init__(
        self,
        url: str,
        pace: Pace = DEFAULT_PACE,
        *,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Asks the server for the beginning of the file.

        Args:
            url: a URL of http or https, which may have a user and a password.
            pace: how patiently the file is read.
            transport: what requests go through instead of connections of its own.

        Raises:
            InputError: the URL is none, httpx2 is not installed, or the environment has settings
                of proxies or certificates that it cannot use.
            Unavailable: the server cannot be reached, or answers otherwise than HTTP asks for.
            IoError: the server leads to where one must not go, or its certificate is not
                trusted.
        """
        self._httpx = http_library()
        self.name = shown(url)
        self.pace = pace
        self._url, self._headers = self._taken_apart(url)
        client = new_client(pace, transport)
        self._finalizer = weakref.finalize(self, client.close)
        self._client = client
        self._validator = Validator()
        self._head = b""
        self.ranges = False
        self.size: int | None = None
        self._open()

    def close(self) -> None:
        """Ends the connections, which also end when nobody has the file any more."""
        self._finalizer()

    def part(self, begin: int, end: int) -> Iterator[bytes]:
        """As `Remote.part`. What came with the first answer is not asked for again.

        Raises:
            BrokenOff: the connection was lost.
            Changed: another version is there now.
            Unavailable: the server does not answer as it should.
        """
        here = self._head[begin:end]
        if here:
            yield here
        begin += len(here)
        if begin == end:
            return
        with self._answer(begin, end) as response:
            self._check_part(response, begin, end)
            yield from self._body(response, end - begin)

    def whole(self) -> Iterator[bytes]:
        """As `Remote.whole`.

        Raises:
            BrokenOff: the connection was lost.
            Unavailable: the server does not answer as it should.
        """
        with self._answer() as response:
            if response.status_code != 200:
                raise self._unexpected(response, "the file (200)")
            self._check_encoding(response)
            yield from self._body(response, sys.maxsize)

    def _taken_apart(self, url: str) -> tuple[httpx2.URL, dict[str, str]]:
        """The URL without user and password, and the headers of every request."""
        try:
            parsed = self._httpx.URL(url)
            # Requests need both, as people write them and as the network has them: not every name
            # has both.
            _ = parsed.host, parsed.netloc
        except (self._httpx.InvalidURL, ValueError) as e:
            raise InputError(f"{self.name}: expected a URL; check it") from e
        fault = fault_of_url(str(parsed))
        if fault:
            raise InputError(f"{self.name}: {fault}; check it")
        headers = {"Accept-Encoding": "identity"}
        if parsed.userinfo:
            # As a header: it is left out when a redirect leads to another server.
            login = f"{parsed.username}:{parsed.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        return parsed.copy_with(userinfo=b""), headers

    def _open(self) -> None:
        tries = Tries(self.name, self.pace)
        while True:
            try:
                with self._answer(0, self.pace.head) as response:
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
                expected = min(self.pace.head, size)
                if first != 0 or last != expected - 1:
                    raise self._broken(
                        response, f"the bytes 0 to {expected - 1}, found {first} to {last}"
                    )
                head = b"".join(self._body(response, expected))
                if len(head) < expected:
                    raise BrokenOff(f"{expected - len(head)} bytes are missing")
                self.size, self._head, self.ranges = size, head, True
            case 416 if NOTHING_THERE.fullmatch(said):
                self.size, self.ranges = 0, True
            case 200:  # a server without parts: what comes is not looked at yet
                self._check_encoding(response)
                length = response.headers.get("content-length", "")
                self.size = int(length) if LENGTH.fullmatch(length) else None
            case _:
                raise self._unexpected(response, "a part (206) or the file (200)")
        self._validator = Validator.of(response)

    @contextlib.contextmanager
    def _answer(self, begin: int = 0, end: int | None = None) -> Iterator[httpx2.Response]:
        """The answer to a request for the bytes [begin, end), or for all; its body not read.

        Raises:
            BrokenOff: no connection, or a busy server.
            IoError: redirects that are not followed.
        """
        headers = dict(self._headers)
        if end is not None:
            headers["Range"] = f"bytes={begin}-{end - 1}"
            if self._validator.strong is not None:
                headers["If-Range"] = self._validator.strong
        response = self._sent(self._client.build_request("GET", self._url, headers=headers))
        try:
            if response.status_code in BUSY:
                raise BrokenOff(
                    f"the server answers {response.status_code}", status=response.status_code
                )
            yield response
        finally:
            response.close()

    def _sent(self, request: httpx2.Request) -> httpx2.Response:
        """The answer at the end of all redirects.

        Raises:
            BrokenOff: no connection.
            Unavailable: the redirects go round in circles, or to no server.
            IoError: they lead to where one must not go, or a certificate is not trusted.
        """
        for _ in range(MOST_REDIRECTS + 1):
            response = self._sent_once(request)
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
            if fault_of_url(str(following.url)):
                raise self._broken(response, f"a redirect to a URL, found {place}")
            request = following
        raise Unavailable(
            f"{self.name}: redirected more than {MOST_REDIRECTS} times; check the URL",
            status=response.status_code,
        )

    def _sent_once(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to a request, which may be a redirect.

        Raises:
            BrokenOff: no connection.
            IoError: no URL for HTTP, or a certificate that is not trusted.
        """
        try:
            return self._client.send(request, stream=True)
        except (self._httpx.UnsupportedProtocol, self._httpx.LocalProtocolError, ValueError) as e:
            # ValueError: a redirect to a name that IDNA cannot have. The words of these errors
            # are not shown: they may have a header in them.
            raise IoError(
                f"{self.name}: expected URLs that HTTP can ask for, found one that it cannot; "
                "check the URL"
            ) from e
        except self._httpx.TransportError as e:
            untrusted = _untrusted_certificate(e)
            if untrusted is not None:
                raise IoError(
                    f"{self.name}: expected a certificate that is trusted here, found one that is "
                    f"not: {untrusted.verify_message}; if its authority is your own, name its "
                    "certificate in SSL_CERT_FILE"
                ) from e
            raise BrokenOff(f"{type(e).__name__}: {e}{self._by_proxy(e, request.url)}") from e

    def _by_proxy(self, error: httpx2.TransportError, url: httpx2.URL) -> str:
        """Words for a connection that was not made, if it was to be made by a proxy."""
        kinds = self._httpx.ConnectError, self._httpx.ConnectTimeout, self._httpx.ProxyError
        setting = proxy_on_the_way(url) if isinstance(error, kinds) else None
        return f" (by the proxy that {setting} names)" if setting else ""

    def _body(self, response: httpx2.Response, most: int) -> Iterator[bytes]:
        """The bytes of an answer as they come.

        Raises:
            BrokenOff: the connection was lost.
            Unavailable: more than `most` bytes come.
        """
        left = most
        try:
            for piece in response.iter_raw():
                left -= len(piece)
                if left < 0:
                    raise self._broken(response, f"{most} bytes, and more came")
                yield piece
        except self._httpx.TransportError as e:
            raise BrokenOff(f"{type(e).__name__}: {e}") from e

    def _check_part(self, response: httpx2.Response, begin: int, end: int) -> None:
        """Refuses an answer but the part that was asked for, of the version that was opened.

        Raises:
            Changed: it is of another version.
            Unavailable: it is another part, or none.
        """
        if response.status_code in {200, 412, 416}:
            raise self._changed(f"the server answers {response.status_code} and not 206")
        if response.status_code != 206:
            raise self._unexpected(response, "a part (206)")
        self._check_encoding(response)
        first, last, size = self._content_range(response)
        if size != self.size:
            raise self._changed(f"it has {size} bytes and had {self.size}")
        if (first, last) != (begin, end - 1):
            raise self._broken(response, f"the bytes {begin} to {end - 1}, found {first} to {last}")
        if not self._validator.same(Validator.of(response)):
            raise self._changed("ETag or Last-Modified differs")

    def _changed(self, how: str) -> Changed:
        """The error for a file that has another version by now, as `how` shows."""
        return Changed(
            f"{self.name}: changed while it was read ({how}), nothing was written; try again"
        )

    def _check_encoding(self, response: httpx2.Response) -> None:
        """Refuses bytes that are encoded, which are not those of the file.

        Raises:
            Unavailable: they are.
        """
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            raise Unavailable(
                f"{self.name}: expected the bytes as they are, found them encoded as "
                f"{encoding!r:.40}; keep the server from compressing them",
                status=response.status_code,
            )

    def _content_range(self, response: httpx2.Response) -> tuple[int, int, int]:
        """First byte, last byte, and bytes in all, as the answer has them.

        Raises:
            Unavailable: it does not tell them.
        """
        said = response.headers.get("content-range", "")
        found = CONTENT_RANGE.fullmatch(said)
        if found is None:
            raise self._broken(response, f"a Content-Range of known size, found {said!r:.60}")
        return int(found[1]), int(found[2]), int(found[3])

    def _broken(self, response: httpx2.Response, what: str) -> Unavailable:
        """The error for an answer that breaks the rules of HTTP.

        Args:
            response: the answer.
            what: words for what was expected, and what was found.
        """
        return Unavailable(
            f"{self.name}: expected {what}; the server is broken", status=response.status_code
        )

    def _unexpected(self, response: httpx2.Response, what: str) -> Unavailable:
        """The error for an answer of another status than `what` says."""
        return Unavailable(
            f"{self.name}: expected {what}, the server answers {response.status_code}; "
            + ADVICE.get(response.status_code, "check the URL"),
            status=response.status_code,
        )


def _untrusted_certificate(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """What the system said of a server's certificate, where that is behind an error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__cause__ or error.__context__
    return None
