"""HTTP servers on loopback: one as it should be, and one that answers as a test wants it to."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

HOST = "127.0.0.1"
os.environ["NO_PROXY"] = HOST  # whatever the proxy of this machine is, it cannot reach these


@dataclasses.dataclass
class Exchange:
    """A request, and what was sent for it.

    Attributes:
        method, path: method and path of the request.
        headers: headers of the request, their names in lower case.
        status: status of the answer.
        sent: bytes of the answer's body.
    """

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


class FileServer:
    """Serves a folder with uvicorn and Starlette: ranges, ETags, If-Range."""

    def __init__(self, folder: Path) -> None:
        self.exchanges: list[Exchange] = []
        self._files = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])
        self._socket = socket.create_server((HOST, 0))
        config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            lifespan="off",
            log_level="error",
            timeout_graceful_shutdown=1,
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self._socket.getsockname()[1]}/{name}"

    @property
    def sent(self) -> int:
        """Bytes of all bodies."""
        return sum(one.sent for one in self.exchanges)

    def __enter__(self) -> FileServer:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        exchange = Exchange(scope["method"], scope["path"], headers)
        self.exchanges.append(exchange)

        async def counting(message: Any) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
            exchange.sent += len(message.get("body", b""))
            await send(message)

        await self._files(scope, receive, counting)


Handler = Callable[[Exchange], bytes]
"""From a request all bytes of the answer, head and body; the connection ends behind them."""


class ScriptedServer:
    """Answers each request, on a connection of its own, with the bytes that a function gives."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.handler = handler
        self._tls = tls
        self.exchanges: list[Exchange] = []
        self._listener = socket.create_server((HOST, 0))
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def origin(self) -> str:
        return f"{HOST}:{self._listener.getsockname()[1]}"

    def url(self, name: str = "patch") -> str:
        return f"{'http' if self._tls is None else 'https'}://{self.origin}/{name}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake `accept` everywhere.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # A reader that has had enough hangs up.
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                secure = self._tls and self._tls.wrap_socket(connection, server_side=True)
                with secure or contextlib.nullcontext(connection) as stream:
                    stream.sendall(self._answer(stream))

    def _answer(self, connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            more = connection.recv(1 << 16)
            if not more:
                return b""
            received += more
        first, *lines = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        method, path, _ = first.split(" ")
        fields = (line.partition(": ") for line in lines)
        exchange = Exchange(method, path, {name.lower(): value for name, _, value in fields})
        self.exchanges.append(exchange)
        return self.handler(exchange)


@contextlib.contextmanager
def scripted(handler: Handler) -> Iterator[ScriptedServer]:
    """A server that answers so while the block lasts."""
    with ScriptedServer(handler) as server:
        yield server


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer with a Content-Length, unless the headers have one; _ in names stands for -."""
    fields = {"Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Answer", *(f"{name}: {text}" for name, text in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def unsized(status: int, body: bytes, **headers: str) -> bytes:
    """An answer that ends when the connection does."""
    head, _, _ = answer(status, b"", **headers).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def wanted(request: Exchange, size: int) -> tuple[int, int]:
    """The range of bytes that a request asks for, end excluded."""
    first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
    return int(first), min(int(last) + 1, size)


def part(data: bytes, request: Exchange, etag: str = '"one"', **headers: str) -> bytes:
    """The right answer to a request for a part of a file."""
    begin, end = wanted(request, len(data))
    said = {"Content_Range": f"bytes {begin}-{end - 1}/{len(data)}", "ETag": etag}
    return answer(206, data[begin:end], **(said | headers))
