"""How a patch carries signatures, in its front and beside it; `spec/signatures-v1.md` defines it.

Keys, algorithms and whom a receiver trusts are `sapwood.trust`.
"""

from sapwood.patch.signatures.checking import check_patch
from sapwood.patch.signatures.detached import LARGEST_FILE, parse_detached, serialise_detached
from sapwood.patch.signatures.listing import ListedSignature, list_signatures, signatures_of
from sapwood.patch.signatures.signing import sign_detached, sign_front

__all__ = [
    "LARGEST_FILE",
    "ListedSignature",
    "check_patch",
    "list_signatures",
    "parse_detached",
    "serialise_detached",
    "sign_detached",
    "sign_front",
    "signatures_of",
]
