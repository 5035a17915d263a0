"""What the functions on model files return."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class PatchStats:
    """What creating a patch came to.

    Attributes:
        source_size, target_size, patch_size: bytes.
        tensors_modified: tensors that changed or are new.
        tensors_unchanged: tensors that are copied.
        reverse_size: bytes of the patch that leads back, or None where none was asked for.
        warnings: a line for each version that begins as a model file does and breaks the rules
            of its format: it was patched as bytes, or a folder's file was. And one for each
            source whose .npy file differs from the target's in dtype, shape or order.
    """

    source_size: int
    target_size: int
    patch_size: int
    tensors_modified: int
    tensors_unchanged: int
    reverse_size: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def compression_ratio(self) -> float:
        """How many times smaller the patch is than the target."""
        return self.target_size / self.patch_size


@dataclasses.dataclass(frozen=True, slots=True)
class PatchVerification:
    """What verifying or applying a patch found.

    Attributes:
        source_valid: the source is the one that the patch was made from.
        patch_valid: every digest in the patch is right, and so is what it makes.
        signature_valid: as many of the trusted keys as demanded have signed the patch, with
            counters that are high enough. None where no public key was given to check with:
            a signature that nobody checked is neither valid nor invalid.
        expected_target: digest of the target that the patch leads to, 32 bytes.
        actual_target: the same digest of what was made, or None where nothing was.
        error: what is wrong, in words, or None.
        counter: of the signatures that were accepted; the next patch's should be higher. None
            where none were.
        digest_algorithm: of the digests: "sha256", of the whole file or folder; "blake3" of a
            patch of one tensor, of its elements alone, in C order and little-endian: a .npy
            file with them has more.
    """

    source_valid: bool
    patch_valid: bool
    signature_valid: bool | None
    expected_target: bytes
    actual_target: bytes | None
    error: str | None = None
    counter: int | None = None
    digest_algorithm: str = "sha256"

    def is_valid(self) -> bool:
        """Whether every check passed that there was something to check for."""
        return (
            self.source_valid
            and self.patch_valid
            and self.signature_valid is not False
            and self.actual_target in (None, self.expected_target)
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PatchInfo:
    """What a patch says of itself.

    Attributes:
        format: of the target, as `ModelFile.format` names it: "bytes" for a file of no known
            one; "tensor" for a patch of one tensor.
        version: of the patch format.
        source_hash, target_hash: digests of the first source and of the target, 32 bytes.
        source_size, target_size: bytes; in a patch of one tensor those of its elements alone.
        patch_size: bytes.
        compression: the codings of its chunks, by bytes of target, the most first.
        neural: whether elements were coded as residuals or values.
        tensors_modified, tensors_unchanged: how many.
        signed: whether it carries signatures. Whose they are and whether they are right is
            told by `verify_patch` with a public key.
        created_at: Unix time in seconds, or None.
        digest_algorithm: of the digests, as of `PatchVerification`.
    """

    format: str
    version: int
    source_hash: bytes
    target_hash: bytes
    source_size: int
    target_size: int
    patch_size: int
    compression: str
    neural: bool
    tensors_modified: int
    tensors_unchanged: int
    signed: bool
    created_at: int | None
    digest_algorithm: str = "sha256"
