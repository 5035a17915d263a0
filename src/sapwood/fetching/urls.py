"""URLs as sources of patches, and how they are shown: without what lets others in."""

from __future__ import annotations

from urllib.parse import urlsplit

SCHEMES = ("http", "https")


def is_url(source: object) -> bool:
    """Whether a source is text that begins with http:// or https://.

    A file of such a name is meant by a `Path` of it, or by ./ before it.
    """
    return isinstance(source, str) and source.lower().startswith(tuple(f"{s}://" for s in SCHEMES))


def shown(url: str) -> str:
    """A URL without user, password, query and fragment, any of which may hold a secret."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:  # brackets that do not match
        return f"{url.partition('://')[0]}://..."
    return f"{parts.scheme}://{host}{parts.path}" + ("?..." if parts.query else "")
