"""Opens a patch of model files, signed as demanded and whole."""

from __future__ import annotations

from sapwood.content.content import Content
from sapwood.errors import (
    InputError,
)
from sapwood.files.sources import Source
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.models.receiving.demands import Demands, check_same
from sapwood.models.receiving.received import received
from sapwood.patch.applying.opening import OpenPatch, open_patch
from sapwood.patch.signatures import AcceptedPatch


def open_model_patch(
    data: Content, limits: Limits = DEFAULT_LIMITS, *, tensors: bool = False
) -> OpenPatch:
    """A patch of model files, or of a tensor, if `tensors`; its body's digest not yet checked."""
    opened = open_patch(data, limits)
    if opened.front.header.kind == "tensor" and not tensors:
        raise InputError(
            "expected a patch of model files, found one of a tensor; apply that whole: to a .npy "
            "file with 'sapwood apply' or models.apply_patch, to an array with sapwood.apply_patch"
        )
    return opened


def checked_patch(
    patch: Source, demands: Demands, threads: int, limits: Limits, *, tensors: bool = False
) -> tuple[OpenPatch, AcceptedPatch | None]:
    """A patch of model files that is signed as demanded and whole, and what it is accepted for.

    Raises:
        SignatureError: it is not signed as demanded; nothing but its header was parsed.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, InputError, IoError: as
            `apply_patch`.
    """
    with received(patch, limits) as data:
        accepted = demands.check(data, limits)
        opened = open_model_patch(data, limits, tensors=tensors)
        check_same(accepted, opened)
        opened.check_body(threads)
        return opened, accepted
