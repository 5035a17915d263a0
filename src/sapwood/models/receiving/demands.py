"""What a receiver demands of the signatures of a patch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import cast

from sapwood.content.content import Content
from sapwood.errors import Changed, InputError, SignatureError
from sapwood.files.sources import Source, read_source
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.models.results import PatchVerification
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.signatures import LARGEST_FILE, AcceptedPatch, check_patch
from sapwood.trust import Trust


@dataclasses.dataclass(frozen=True, slots=True)
class Demands:
    """What a receiver demands of a patch, and the signatures that came beside it.

    Attributes:
        trust: whom the receiver trusts, or None where nothing is demanded.
        detached: the contents of files of signatures.
    """

    trust: Trust | None
    detached: tuple[bytes, ...]

    @classmethod
    def of(
        cls,
        public_key: bytes | Sequence[bytes] | None,
        signature: Source | Sequence[Source] | None = None,
        minimum_counter: int = 0,
        threshold: int = 1,
    ) -> Demands:
        """Demands from the arguments of `apply_patch`.

        Raises:
            InputError: they contradict each other: whoever demands anything must say whom he
                trusts, lest nothing be checked.
            IoError: a file of signatures cannot be read.
        """
        if public_key is None:
            if signature is not None or minimum_counter != 0 or threshold != 1:
                raise InputError(
                    "signature, minimum_counter and threshold say nothing without a public_key; "
                    "give the key that you trust"
                )
            return cls(None, ())
        trust = Trust(public_key, minimum_counter, threshold)
        given = list(signature) if isinstance(signature, list | tuple) else [signature]
        files = [cast("Source", one) for one in given if one is not None]
        # One that is longer than any can be is refused when it is parsed.
        return cls(trust, tuple(read_source(one)[: LARGEST_FILE + 1].tobytes() for one in files))

    def check(self, data: Content, limits: Limits = DEFAULT_LIMITS) -> AcceptedPatch | None:
        """What the patch is accepted for; None where nothing is demanded.

        Raises:
            SignatureError: it is not signed as demanded.
            InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: its front is
                damaged.
        """
        if self.trust is None:
            return None
        return check_patch(data, self.trust, self.detached, limits)

    def judged(
        self,
        found: PatchVerification,
        data: Content,
        opened: OpenPatch,
        limits: Limits = DEFAULT_LIMITS,
    ) -> PatchVerification:
        """What was found of a patch, with what there is to say of its signatures.

        Raises:
            IoError: the patch changed meanwhile.
        """
        try:
            accepted = self.check(data, limits)
        except SignatureError as e:
            error = str(e) if found.error is None else f"{e}; {found.error}"
            return dataclasses.replace(found, signature_valid=False, error=error)
        if accepted is None:
            return found
        check_same(accepted, opened)
        return dataclasses.replace(found, signature_valid=True, counter=accepted.counter)


def check_same(accepted: AcceptedPatch | None, opened: OpenPatch) -> None:
    """That what was opened is what was accepted: a file may change between two looks.

    Raises:
        IoError: it is not.
    """
    if accepted is not None and accepted.digest != opened.front.digest:
        raise Changed("the patch changed while it was read, nothing was written; try again")
