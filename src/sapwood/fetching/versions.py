"""Which version of a file a server has, as the headers of its answers tell it."""

from __future__ import annotations

import dataclasses
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """What a server says of which version of a file it has.

    Attributes:
        etag, modified: the headers ETag and Last-Modified as they came, or None.
        validator: what If-Range may carry, or None: a strong ETag, or a date that is
            older than the answer.
    """

    etag: str | None
    modified: str | None
    validator: str | None

    @classmethod
    def of(cls, response: httpx2.Response) -> Version:
        """From the headers of an answer."""
        headers = response.headers
        etag, modified = headers.get("etag"), headers.get("last-modified")
        validator = None
        if etag is not None and etag.startswith('"'):
            validator = etag
        elif etag is None and modified is not None and _older(modified, headers.get("date")):
            validator = modified
        return cls(etag, modified, validator)

    def same(self, other: Version) -> bool:
        """Whether another answer may be of the same version."""
        if self.etag is not None:
            return self.etag == other.etag
        return self.modified == other.modified


def _older(modified: str, date: str | None) -> bool:
    """Whether a date of change lies a second or more before that of the answer (RFC 9110, 8.8.2).

    One of the same second may stand for two versions.
    """
    if date is None:
        return False
    try:
        return (parsedate_to_datetime(date) - parsedate_to_datetime(modified)).total_seconds() >= 1
    except (TypeError, ValueError, OverflowError):
        return False
