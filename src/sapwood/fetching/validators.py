"""What tells one version of a file on an HTTP server from another: the headers of answers."""

from __future__ import annotations

import dataclasses
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2


@dataclasses.dataclass(frozen=True, slots=True)
class Validator:
    """What an answer says of which version of the file it is of (RFC 9110, 8.8).

    Attributes:
        etag, modified: the headers ETag and Last-Modified as they came, or None.
        strong: what If-Range may carry, or None: a strong ETag, or a date that is older than the
            answer.
    """

    etag: str | None = None
    modified: str | None = None
    strong: str | None = None

    @classmethod
    def of(cls, response: httpx2.Response) -> Validator:
        """From the headers of an answer."""
        headers = response.headers
        etag, modified = headers.get("etag"), headers.get("last-modified")
        strong = None
        if etag is not None and etag.startswith('"'):
            # One with other letters cannot be sent back as it came; it still tells versions apart.
            strong = etag if etag.isascii() and etag.isprintable() else None
        elif etag is None and modified is not None and _older(modified, headers.get("date")):
            strong = modified
        return cls(etag, modified, strong)

    def same(self, other: Validator) -> bool:
        """Whether another answer may be of the same version."""
        if self.etag is not None:
            return self.etag == other.etag
        return self.modified == other.modified


def _older(modified: str, date: str | None) -> bool:
    """Whether a date of change lies a second or more before that of the answer (RFC 9110, 8.8.2).

    One of the same second may stand for two versions.
    """
    try:
        after = parsedate_to_datetime(date or "") - parsedate_to_datetime(modified)
    except (TypeError, ValueError, OverflowError):
        return False
    return after.total_seconds() >= 1
