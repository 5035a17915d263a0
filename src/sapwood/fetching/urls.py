"""URLs: their schemes, what is wrong with them, and how they are shown: without secrets."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

SCHEMES = ("http", "https")  # of the web
HOST = re.compile(r"[0-9A-Za-z._-]*|[0-9A-Fa-f:.]+(?:%[!-~]+)?")  # names, addresses


def scheme_of(source: object) -> str:
    """What text has before its first colon, in small letters; empty where it has no colon."""
    return source.partition(":")[0].lower() if isinstance(source, str) and ":" in source else ""


def fault_of_url(url: str, schemes: Collection[str] = SCHEMES) -> str | None:
    """What is wrong with the URL of a server, or None. It is not shown: it may hold secrets.

    Args:
        url: a URL, the server's name in it as the network has it (ASCII) or as people write it.
        schemes: the schemes that it may have.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        if host.isascii():
            host.encode("idna")
    except ValueError:  # brackets that do not match, a port that is none, an empty or long label
        return "expected a URL"
    if host.isascii() and not HOST.fullmatch(host):
        return "expected a URL with the name of a server"
    if parts.scheme not in schemes:
        return f"expected {' or '.join(schemes)}, found {parts.scheme!r:.20}"
    return None if host else "expected a URL with a host"


def shown(url: str) -> str:
    """A URL without user, password, query and fragment, any of which may hold a secret.

    Of what is no URL and has an @ somewhere nothing is shown but the scheme: a part of a password
    may be anywhere.
    """
    before, mark, _ = url.partition("#")[0].partition("?")
    query = "?..." if mark else ""
    if "@" not in url:
        return f"{before}{query}"
    if fault_of_url(url, (scheme_of(url),)):
        return f"{scheme_of(url)}://..."
    parts = urlsplit(before)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{query}"
