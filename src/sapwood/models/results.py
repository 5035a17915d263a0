"""What the functions on model files return."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

from sapwood.patch.format.front import FileDigest

FileStatus: TypeAlias = Literal["unchanged", "changed", "added", "removed"]

FILE_STATUSES: tuple[FileStatus, ...] = ("unchanged", "changed", "added", "removed")


@dataclasses.dataclass(frozen=True, slots=True)
class PatchSigning:
    """With which key something was signed, and how that counts.

    Attributes:
        key_id: id of the key, 16 bytes, which its signatures name it by.
        counter: number that the signature was given.
    """

    key_id: bytes
    counter: int

    def to_json(self) -> dict[str, Any]:
        """Both as JSON values, the id in hexadecimal."""
        return {"counter": self.counter, "key_id": self.key_id.hex()}


@dataclasses.dataclass(frozen=True, slots=True)
class PatchStats:
    """What creating a patch came to.

    Attributes:
        source_size, target_size, patch_size: bytes; the sources' together.
        tensors_modified: tensors that changed or are new.
        tensors_unchanged: tensors that are copied.
        reverse_size: bytes of the patch that leads back, or None where none was asked for.
        warnings: a line for each version that begins as a model file does and breaks the rules
            of its format, as one that is cut off does, or is empty, a pointer of Git LFS or a
            server's page, or has more tensors than a patch can list: it was patched as bytes, or
            a folder's file was. One for each folder of which files were left out, and one for
            each source whose .npy file differs from the target's in dtype, shape or order.
        kind: the patch's: "model" of files, "folder" where a source or the target is one.
        signing: how the patch was signed, or None where it was not.
    """

    source_size: int
    target_size: int
    patch_size: int
    tensors_modified: int
    tensors_unchanged: int
    reverse_size: int | None = None
    warnings: tuple[str, ...] = ()
    kind: str = "model"
    signing: PatchSigning | None = None

    @property
    def compression_ratio(self) -> float:
        """How many times smaller the patch is than the target."""
        return self.target_size / self.patch_size

    def to_json(self) -> dict[str, Any]:
        """Sizes and counts as JSON values; `warnings` are told apart."""
        return {
            "kind": self.kind,
            "source_size": self.source_size,
            "target_size": self.target_size,
            "patch_size": self.patch_size,
            "reverse_size": self.reverse_size,
            "compression_ratio": self.compression_ratio,
            "tensors_modified": self.tensors_modified,
            "tensors_unchanged": self.tensors_unchanged,
            "signature": None if self.signing is None else self.signing.to_json(),
        }


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
        counter: the counter of the signatures that were accepted; the next patch's should be
            higher. None where none were.
        digest_algorithm: the algorithm of both digests: "sha256", of the whole file or folder;
            "blake3" for a patch of one tensor, of its elements alone, in C order and
            little-endian: a .npy file with them has more.
        kind: the patch's: "model" of files, "folder" or "tensor".
    """

    source_valid: bool
    patch_valid: bool
    signature_valid: bool | None
    expected_target: bytes
    actual_target: bytes | None
    error: str | None = None
    counter: int | None = None
    digest_algorithm: str = "sha256"
    kind: str = "model"

    def is_valid(self) -> bool:
        """Whether every check passed that there was something to check for."""
        return (
            self.source_valid
            and self.patch_valid
            and self.signature_valid is not False
            and self.actual_target in (None, self.expected_target)
        )

    def to_json(self) -> dict[str, Any]:
        """What was found as JSON values, digests in hexadecimal; `error` is told apart."""
        return {
            "kind": self.kind,
            "valid": self.is_valid(),
            "source_valid": self.source_valid,
            "patch_valid": self.patch_valid,
            "signature_valid": self.signature_valid,
            "counter": self.counter,
            "expected_target": self.expected_target.hex(),
            "actual_target": None if self.actual_target is None else self.actual_target.hex(),
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PatchApplication(PatchVerification):
    """What applying a patch came to: nothing was wrong with it, or nothing was made.

    Attributes:
        format: the target's, as `ModelFile.format` names it.
        bases: the bases of the patch, by size and digests.
        target: the target of the patch, by size and digests; of a patch of a tensor its
            elements.
        target_size: bytes of what was made; of a .npy file those before its elements count too.
        patch_size: bytes of the patch.
        checked: whether what was made is what the patch leads to for certain; with force it is
            written either way.
    """

    format: str
    bases: tuple[FileDigest, ...]
    target: FileDigest
    target_size: int
    patch_size: int
    checked: bool = True

    def to_json(self) -> dict[str, Any]:
        """What was made as JSON values, digests in hexadecimal."""
        return {
            "kind": self.kind,
            "target_size": self.target_size,
            "target_blake3": self.target.blake3.hex() if self.checked else None,
            "target_sha256": None if self.target.sha256 is None else self.target.sha256.hex(),
            "checked": self.checked,
            "signature_valid": self.signature_valid,
            "counter": self.counter,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class PatchRollBack:
    """What going back from an update in place came to: the base is there again.

    Attributes:
        base_size: bytes of the base.
    """

    base_size: int

    def to_json(self) -> dict[str, Any]:
        """What is there as JSON values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class TensorExtraction:
    """Which tensors of a target were written alone, each chunk of them checked.

    Attributes:
        tensors: names of the tensors, in the order in which they lie in the target and the file.
    """

    tensors: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The names as JSON values, and that they were checked."""
        return {"kind": "model", "tensors": list(self.tensors), "checked": True}


@dataclasses.dataclass(frozen=True, slots=True)
class PatchInfo:
    """What a patch says of itself.

    Attributes:
        format: the target's, as `ModelFile.format` names it: "bytes" for a file of no known
            one; "tensor" for a patch of one tensor.
        version: the major version of the patch format.
        source_hash, target_hash: digests of the first source and of the target, 32 bytes.
        source_size, target_size: bytes; in a patch of one tensor those of its elements alone.
        patch_size: bytes.
        compression: the codings of its chunks, by bytes of target, the most first.
        neural: whether elements were coded as residuals or values.
        tensors_modified, tensors_unchanged: how many tensors, as of `PatchStats`.
        signed: whether it carries signatures. Whose they are and whether they are right is
            told by `verify_patch` with a public key.
        created_at: Unix time in seconds, or None.
        digest_algorithm: the algorithm of both hashes, as of `PatchVerification`.
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

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values, digests in hexadecimal."""
        hashes = {"source_hash": self.source_hash.hex(), "target_hash": self.target_hash.hex()}
        return {**dataclasses.asdict(self), **hashes}


@dataclasses.dataclass(frozen=True, slots=True)
class FileDiff:
    """What became of one file of a folder.

    Attributes:
        path: its path in the folder.
        status: "changed" where its bytes are others, or whether it may be executed. Paths
            alone are compared: a file that was renamed is removed and added.
        size: bytes in the target; None where it was removed.
        base_size: bytes in the base; None where it was added.
    """

    path: str
    status: FileStatus
    size: int | None
    base_size: int | None

    def to_json(self) -> dict[str, Any]:
        """The file as JSON values."""
        return dataclasses.asdict(self)
