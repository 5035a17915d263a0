"""The algorithms of signatures, each a module that gives an `Algorithm`, by name.

Another one is a module and a name in the table. `spec/signatures-v1.md` says what readers do
with names that they do not know, so that old ones go on to read what is signed anew.
"""

from collections.abc import Mapping
from types import MappingProxyType

from sapwood.trust.algorithms.algorithm import KEY_ID, Algorithm
from sapwood.trust.algorithms.ed25519 import ED25519

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType({one.name: one for one in (ED25519,)})

__all__ = ["ALGORITHMS", "ED25519", "KEY_ID", "Algorithm"]
