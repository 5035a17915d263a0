"""Every error that Sapwood raises, in one tree.

    SapwoodError                      1
    ├── InputError                    2   what the caller gave does not fit
    │   ├── DtypeMismatch             2
    │   ├── ShapeMismatch             2
    │   └── UnsupportedType           2
    ├── InvalidPatch                  3   the patch is damaged, cut off or hostile
    │   ├── TruncatedPatch            3
    │   └── UnsupportedPatch          3   a newer format, or a part we do not know
    ├── VerificationError             4   intact, but not for these bytes
    │   ├── SourceHashMismatch        4
    │   └── TargetHashMismatch        4
    ├── InvalidModelFile              5   a model file breaks its own format
    ├── LimitExceeded                 6   more memory than the caller allowed
    ├── IoError                       7   the operating system refused
    │   ├── Busy                      7   another process is at it
    │   │   └── WorkspaceBusy         13  another program is changing the workspace
    │   ├── Changed                   7   changed meanwhile
    │   └── Unavailable               7   a server does not answer as it should
    ├── SignatureError                8   not signed by anybody who is trusted
    ├── BatchFailed                   9   some files of many failed; the others are done
    ├── InvalidJournal                10  an update in place cannot go on, or back
    ├── InvalidPackage                11  a package breaks its rules
    ├── InvalidWorkspace              12  the record of a workspace is missing or damaged
    │   └── UnsupportedWorkspace      12  a newer program wrote it
    └── InvalidStore                  14  a store of blobs is damaged

The number is the exit code of the command line. An error says what was
expected, what was found, where, and what to do; whatever raises one leaves no
output behind unless its docstring says otherwise. Messages are
`messages.presentable`, whatever went into them.
"""

from __future__ import annotations

from typing import ClassVar, Self

from sapwood.messages import presentable


class SapwoodError(Exception):
    """The root of the tree: catching it catches every error of ours."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(presentable(message))

    def behind(self, words: str) -> Self:
        """A copy whose message follows `words` and a colon; its class and fields are kept."""
        return self._saying(f"{words}: {self}")

    def before(self, words: str) -> Self:
        """A copy whose message is followed by a semicolon and `words`, as `behind` makes one."""
        return self._saying(f"{self}; {words}")

    def _saying(self, message: str) -> Self:
        # Past the constructor, which may ask for more, or add the fields to the message again.
        error = type(self).__new__(type(self), presentable(message))
        error.__dict__.update(self.__dict__)
        return error


class InputError(SapwoodError):
    """What the caller gave does not fit the operation."""

    exit_code = 2


class DtypeMismatch(InputError):
    """Base and target, or base and patch, differ in dtype. Nothing is cast silently."""


class ShapeMismatch(InputError):
    """Base and target, or base and patch, differ in shape."""


class UnsupportedType(InputError):
    """An object that is no tensor, or a dtype without a fixed bit pattern per element."""


class InvalidPatch(SapwoodError):
    """The bytes are not a whole and intact patch.

    Attributes:
        offset: the byte of the patch file where the damage was noticed, or None where no single
            place can be named.
    """

    exit_code = 3

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset})")
        self.offset = offset


class TruncatedPatch(InvalidPatch):
    """The patch ends before its own header says that it does."""


class UnsupportedPatch(InvalidPatch):
    """A format version, dtype, prediction or coding that this release does not know."""


class VerificationError(SapwoodError):
    """A hash differs: the patch is intact, but not made for these bytes."""

    exit_code = 4


class SourceHashMismatch(VerificationError):
    """The base is not the one that the patch was made from."""


class TargetHashMismatch(VerificationError):
    """What was reconstructed is not the target; it was discarded."""


class InvalidModelFile(SapwoodError):
    """A model file breaks the rules of its own format.

    Attributes:
        offset: the byte of the file where that was noticed, or None where no single place can be
            named.
    """

    exit_code = 5

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset})")
        self.offset = offset


class LimitExceeded(SapwoodError):
    """Going on would take more memory than the caller allowed."""

    exit_code = 6


class IoError(SapwoodError):
    """The operating system refused: missing file, no permission, disk full."""

    exit_code = 7


class Busy(IoError):
    """Another process is at the same file or folder. It may be done with it soon."""


class WorkspaceBusy(Busy):
    """Another program is changing the workspace."""

    exit_code = 13


class Changed(IoError):
    """What was read is not what it was when the work on it began. Another try may do."""


class Unavailable(IoError):
    """A server cannot be reached, or does not answer as it should.

    Attributes:
        status: the status of its answer, as HTTP numbers them; None where there was no answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SignatureError(SapwoodError):
    """The patch is not signed by a trusted key, was changed since, or is an old one.

    No `VerificationError`: whoever catches that one to fetch another base must not take a
    forged patch for one that was made for other bytes.
    """

    exit_code = 8


class BatchFailed(SapwoodError):
    """Some files of a batch failed; the others are done."""

    exit_code = 9


class InvalidJournal(SapwoodError):
    """The journal of an update in place is damaged, or not of the file beside it.

    The file may be neither base nor target then; it was left as it was found.
    """

    exit_code = 10


class InvalidPackage(SapwoodError):
    """A package breaks its rules: its manifest, its archive, or the names of its files."""

    exit_code = 11


InvalidTemplate = InvalidPackage  # what workspaces call it: a template is a package


class InvalidWorkspace(SapwoodError):
    """The record of a workspace is missing, damaged or hostile."""

    exit_code = 12


class UnsupportedWorkspace(InvalidWorkspace):
    """The record was written by a newer program, which this one must not overwrite."""


class InvalidStore(SapwoodError):
    """A store of blobs is damaged: a blob, an index or a layout is not what it should be.

    No `InvalidPackage`: stores hold packages, patches and more, and what mends one is another
    copy of it, which the makers of packages cannot give.
    """

    exit_code = 14
