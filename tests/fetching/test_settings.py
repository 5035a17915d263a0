"""Settings of proxies and certificates as people have them: used, or told in a line."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sapwood.errors import InputError, IoError, Unavailable
from sapwood.fetching.http import HttpFile
from sapwood.fetching.remote import read_part
from support.cli_session import Session
from support.data_templates import CONTENT, entry, template_with
from support.http_servers import part, scripted
from support.own_authority import trusted_by_few
from support.remotes import QUICK

SECRET = "s3cr/t@x"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting but those of the test."""
    for scheme in ("http", "https", "all", "no"):
        for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
            monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


NO_PROXY_OF_THAT_KIND = "expected a proxy such as http://proxy.example.org:3128"

REFUSED: dict[str, tuple[Mapping[str, str], str]] = {
    "SOCKS without its library": (
        {"ALL_PROXY": "socks5://127.0.0.1:7890"},
        "ALL_PROXY: a proxy of socks5 needs socksio, .*; pip install 'httpx2[socks]'",
    ),
    "SOCKS that looks up names": (
        {"all_proxy": "socks5h://me:t@x@127.0.0.1:7890"},
        "all_proxy: a proxy of socks5h needs socksio",
    ),
    "SOCKS of another kind": ({"ALL_PROXY": "socks4://127.0.0.1:7890"}, NO_PROXY_OF_THAT_KIND),
    "a proxy of FTP": ({"https_proxy": "ftp://proxy:21"}, f"https_proxy: {NO_PROXY_OF_THAT_KIND}"),
    "a port in letters": (
        {"http_proxy": f"http://me:{SECRET}@proxy:port"},
        "found 'http://proxy:port'; correct or unset it",
    ),
    "a port that is too large": ({"HTTPS_PROXY": "http://proxy:99999"}, "HTTPS_PROXY: expected a"),
    "a port of a proxy without scheme": ({"http_proxy": f"me:{SECRET}@proxy:x"}, "proxy:x'"),
    "a scheme without its slashes": ({"http_proxy": "http:proxy:3128"}, NO_PROXY_OF_THAT_KIND),
    "no host": ({"http_proxy": "http://"}, NO_PROXY_OF_THAT_KIND),
    "no scheme": ({"http_proxy": "://proxy"}, NO_PROXY_OF_THAT_KIND),
    "a line end": ({"http_proxy": "http://proxy\n:3128"}, NO_PROXY_OF_THAT_KIND),
    "an empty label": ({"http_proxy": "http://a..b:3128"}, NO_PROXY_OF_THAT_KIND),
    "a name that no server has": ({"http_proxy": "http://\u2603\u2603.com"}, NO_PROXY_OF_THAT_KIND),
    "no text": ({"http_proxy": "http://\udcff"}, NO_PROXY_OF_THAT_KIND),
    "an exception that no server has": (
        {"NO_PROXY": "localhost,xn--"},
        "NO_PROXY: expected names of servers, with commas between them",
    ),
    "no file of certificates": (
        {"SSL_CERT_FILE": "/nowhere.pem"},
        "SSL_CERT_FILE: cannot open '/nowhere.pem': No such file or directory; correct or unset",
    ),
    "a folder as file of certificates": ({"SSL_CERT_FILE": "/"}, "SSL_CERT_FILE: cannot open '/'"),
    "a file without certificates": (
        {"SSL_CERT_FILE": __file__},
        r"SSL_CERT_FILE: expected a file of certificates \(PEM\), found none in '",
    ),
    "no folder of certificates": (
        {"SSL_CERT_DIR": "/nowhere:/nor/here"},
        "SSL_CERT_DIR: expected a folder of certificates, found none at '/nowhere:/nor/here'",
    ),
    "a file as folder of certificates": ({"SSL_CERT_DIR": __file__}, "SSL_CERT_DIR: expected a fo"),
    "a log of keys that cannot be written": (
        {"SSLKEYLOGFILE": "/nowhere/keys", "SSL_CERT_DIR": "/"},
        "SSLKEYLOGFILE: cannot open '/nowhere/keys'",
    ),
}

USED: dict[str, Mapping[str, str]] = {
    "an address with colons": {"NO_PROXY": "::1,localhost"},
    "networks and patterns": {"NO_PROXY": "10.0.0.0/8,*.local,.example.org"},
    "brackets and ports that are none": {"NO_PROXY": "[::1,a:port,://,\x01"},
    "nothing": {"http_proxy": "", "https_proxy": "", "no_proxy": ""},
    "no proxy for anything": {"http_proxy": "http://proxy:port", "no_proxy": "*"},
    "no proxy for this server": {"http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"},
    "a folder of certificates that has none": {"SSL_CERT_DIR": "/"},
    "one of two folders of certificates": {"SSL_CERT_DIR": "/nowhere:/"},
}


def set_all(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("case", REFUSED)
def test_a_setting_that_is_of_no_use_is_named(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, words = REFUSED[case]
    monkeypatch.setitem(sys.modules, "socksio", None)
    set_all(monkeypatch, settings)
    with pytest.raises(InputError, match=words.replace("[socks]", r"\[socks\]")) as caught:
        HttpFile("http://127.0.0.1:1/file", QUICK)
    told = str(caught.value)
    assert re.match("|".join(settings), told)
    assert not any(secret in told for secret in ("s3cr", "t@x", "me:"))


@pytest.mark.parametrize("case", USED)
def test_what_others_take_is_taken(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, USED[case])
    with scripted(lambda request: part(b"content", request)) as server:
        assert read_part(HttpFile(server.url(), QUICK), 0, 7) == b"content"


def test_a_proxy_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"\(by the proxy that http_proxy names\)") as caught:
        HttpFile("http://example.org/file", QUICK)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(Unavailable) as caught:
        HttpFile("http://127.0.0.1:1/file", QUICK)
    assert "proxy" not in str(caught.value)


def test_a_proxy_is_asked_and_says_what_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda request: part(b"content", request)) as proxy:
        monkeypatch.setenv("all_proxy", f"me:secret@{proxy.origin}")
        assert read_part(HttpFile("http://example.org/file", QUICK), 0, 7) == b"content"
        (asked,) = proxy.exchanges
    assert asked.path == "http://example.org/file"
    assert asked.headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"


def test_a_certificate_is_trusted_when_its_authority_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trusted_by_few(lambda request: part(b"content", request), tmp_path) as server:
        with pytest.raises(IoError, match=r"trusted here, .*: self.signed certificate; .*SSL_CERT"):
            HttpFile(server.url(), QUICK)
        assert server.exchanges == []  # and it is not asked again
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        assert read_part(HttpFile(server.url(), QUICK), 0, 7) == b"content"


def test_no_command_ends_in_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(tmp_path)
    template_with(session / "course", [entry("http://127.0.0.1:1/a", "http://127.0.0.1:1/b")])
    (session / "base").write_bytes(CONTENT)
    (session / "cache").mkdir()
    monkeypatch.setenv("http_proxy", "http://proxy:port")
    for command in (
        "workspace data download course digits --cache cache",
        "apply --base base --patch http://127.0.0.1:1/p --out new",
    ):
        told = session.fail(command, 2)
        assert told.startswith("http_proxy: expected a proxy such as")
    assert not (session / "new").exists()
