"""The environment's proxies and certificates: what is wrong with them is told before it matters.

The HTTP library reads them when a client is made and raises what comes its way then. Messages
name the setting, and of a proxy show nothing that may be its password.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

from sapwood.errors import InputError
from sapwood.fetching.pace import Pace
from sapwood.fetching.urls import SCHEMES, fault_of_url

if TYPE_CHECKING:
    import httpx2

SOCKS = ("socks5", "socks5h")
PROXIED = ("http", "https", "all")  # what settings of proxies begin with


def http_library() -> ModuleType:
    """The library that speaks HTTP.

    Raises:
        InputError: it is not installed.
    """
    try:
        import httpx2
    except ImportError as e:
        raise InputError(
            "files behind URLs need httpx2, which is not installed; pip install 'sapwood[http]'"
        ) from e
    return httpx2


def new_client(pace: Pace, transport: httpx2.BaseTransport | None = None) -> httpx2.Client:
    """A client as the environment wants it, which follows no redirects.

    Args:
        pace: how long the client waits.
        transport: what its requests go through instead of connections of its own.

    Raises:
        InputError: the library is not installed, or cannot use a setting of the environment.
    """
    library = http_library()
    if transport is None:
        _check_proxies(library)
    certificates = _authorities(
        os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
    )
    try:
        client: httpx2.Client = library.Client(
            timeout=library.Timeout(pace.waiting, connect=pace.connecting),
            follow_redirects=False,
            verify=certificates,
            transport=transport,
        )
    except (library.InvalidURL, ValueError) as e:  # the one setting that was not looked at
        raise InputError(
            f"{_setting('no')}: expected names of servers, with commas between them, found one "
            "that no server can have; correct or unset it"
        ) from e
    return client


def proxy_on_the_way(url: httpx2.URL) -> str | None:
    """The setting that names the proxy on the way to a URL, or None where there is none."""
    proxies = getproxies()
    for scheme in (url.scheme, "all"):
        if proxies.get(scheme):
            return None if proxy_bypass(url.raw_host.decode("ascii")) else _setting(scheme)
    return None


def _check_proxies(library: ModuleType) -> None:
    """Refuses the environment's proxies if no client can be made with one of them.

    Raises:
        InputError: one is malformed, or needs what is not installed.
    """
    proxies = getproxies()
    if "*" in (one.strip() for one in proxies.get("no", "").split(",")):
        return  # then there is none, whatever the others say
    for scheme in PROXIED:
        if proxies.get(scheme):
            _check_proxy(library, _setting(scheme), proxies[scheme])


def _check_proxy(library: ModuleType, setting: str, value: str) -> None:
    url = value if "://" in value else f"http://{value}"
    try:
        proxy: httpx2.Proxy = library.Proxy(url)
    except (library.InvalidURL, ValueError) as e:
        raise _bad_proxy(setting, url) from e
    if fault_of_url(str(proxy.url), SCHEMES + SOCKS):
        raise _bad_proxy(setting, url)
    # The library speaks SOCKS with socksio.
    if proxy.url.scheme in SOCKS and find_spec("socksio") is None:
        raise InputError(
            f"{setting}: a proxy of {proxy.url.scheme} needs socksio, which is not installed; "
            "pip install 'httpx2[socks]', or name a proxy of http"
        )


def _bad_proxy(setting: str, url: str) -> InputError:
    """The error for a proxy's URL that is malformed."""
    scheme, _, rest = url.partition("://")
    place = re.split(r"[/?#]", rest.rpartition("@")[2])[0]  # what stands before @ is a secret
    return InputError(
        f"{setting}: expected a proxy such as http://proxy.example.org:3128, found "
        f"{f'{scheme}://{place}'!r:.80}; correct or unset it"
    )


def _setting(scheme: str) -> str:
    """The name of a setting of proxies, as it is spelt in the environment.

    Args:
        scheme: a scheme of URLs, "all", or "no" for the setting of what needs no proxy.
    """
    name = f"{scheme}_proxy"
    for spelt in (name, name.upper()):
        if os.environ.get(spelt):
            return spelt
    return f"the system's {name}"


@functools.lru_cache(maxsize=1)
def _authorities(file: str, folder: str) -> ssl.SSLContext:
    """Whose certificates are trusted; reading them takes a while.

    Args:
        file, folder: the values of SSL_CERT_FILE and SSL_CERT_DIR. The library reads them itself,
            and takes the file if there is one, else the folder.

    Raises:
        InputError: there is no such file or folder, or it holds no certificates.
    """
    if folder and not file and not any(Path(one).is_dir() for one in folder.split(os.pathsep)):
        raise InputError(
            f"SSL_CERT_DIR: expected a folder of certificates, found none at {folder!r:.200}; "
            "correct or unset it"
        )
    try:
        context: ssl.SSLContext = http_library().create_ssl_context()
    except ssl.SSLError as e:
        raise InputError(
            f"SSL_CERT_FILE: expected a file of certificates (PEM), found none in {file!r:.200}; "
            "correct or unset it"
        ) from e
    except OSError as e:
        setting, place = ("SSLKEYLOGFILE", e.filename) if e.filename else ("SSL_CERT_FILE", file)
        raise InputError(
            f"{setting}: cannot open {place!r:.200}: {e.strerror or e}; correct or unset it"
        ) from e
    return context
