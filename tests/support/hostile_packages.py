"""Hostile templates: paths that lead outside or clash, and entries of archives that do harm."""

from __future__ import annotations

import tarfile

PATHS = {
    "nothing": "",
    "a folder above": "../evil.py",
    "a folder above, inside": "tests/../../evil.py",
    "a folder above, at the end": "tests/..",
    "absolute": "/etc/evil",
    "a drive": "C:/evil",
    "a drive, relative": "C:evil",
    "UNC": "//server/share/evil",
    "UNC with backslashes": "\\\\server\\share\\evil",
    "backslashes": "..\\evil.py",
    "the folder itself": "./evil.py",
    "an empty name": "tests//evil.py",
    "a stream of NTFS": "a.py:hidden",
    "a device": "tests/NUL",
    "a device with an ending": "con.py",
    "a device with a space before the ending": "aux .txt",
    "a device with a superscript": "com\u00b9",
    "a dot at the end": "tests./a.py",
    "a space at the end": "tests/a.py ",
    "a line break": "tests/a\n.py",
    "a NUL": "tests/a\0.py",
    "an escape": "tests/\x1b[2J.py",
    "a wildcard": "tests/*.py",
    "hooks of git, by another name": "sub/.GIT/hooks/pre-commit",
    "a name too long": "a" * 256,
    "a name too long in bytes": "🌱" * 64,
    "too deep": "/".join("a" * 65),
    "half a surrogate pair": "tests/\udc80.py",
    "the record's folder": ".course/version.json",
    "the record of another template": ".novel/version.json",
    "the record's folder, in other letters": ".Course/version.json",
}

CLASHES = {
    "case": ("tests/A.py", "tests/a.py"),
    "case of a folder": ("Tests/a.py", "tests/A.py"),
    "sharp s": ("stra\u00dfe", "STRASSE"),
    "normalisation": ("caf\u00e9", "cafe\u0301"),
    "a file and a folder": ("tests", "tests/a.py"),
    "a file and a folder, in other letters": ("Tests", "tests/deep/a.py"),
}

TAR_KINDS = {
    "a link": tarfile.SYMTYPE,
    "a hard link": tarfile.LNKTYPE,
    "a device": tarfile.CHRTYPE,
    "a pipe": tarfile.FIFOTYPE,
}


def pax(size: int, keys: int = 1) -> bytes:
    """Records of a header of a tar."""
    value = "x" * (size // keys)
    return b"".join(
        tarfile.TarInfo._create_pax_generic_header(  # type: ignore[attr-defined]
            {f"comment{number}": value}, tarfile.XHDTYPE, "utf-8"
        )[512:].rstrip(b"\0")
        for number in range(keys)
    )


def entry(kind: bytes, content: bytes, name: str = "a") -> bytes:
    """An entry of a tar."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def sparse(extensions: int) -> bytes:
    """A sparse file in GNU's old form, whose map goes on over many blocks."""
    block = bytearray(entry(tarfile.GNUTYPE_SPARSE, b""))
    block[482], block[483:495] = 1, b"00000000001\0"
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    extension = b"00000000001\0" * 42 + b"\1" + bytes(7)
    return bytes(block) + extension * extensions


def huge() -> bytes:
    """The header of a file of a TiB."""
    info = tarfile.TarInfo("a")
    info.size = 1 << 40
    return info.tobuf(tarfile.GNU_FORMAT)


TARS = {
    "a header as long as a film": (entry(tarfile.XHDTYPE, pax(2 << 20)), "headers of at most"),
    "many headers of one file": (entry(tarfile.XHDTYPE, pax(1 << 16)) * 20, "headers of at most"),
    "a map of a sparse file without end": (sparse(10_000), "a sparse file"),
    "a map of a sparse file that is cut off": (sparse(1)[:-512], "a sparse file"),
    "a sparse file of holes": (
        entry(
            tarfile.XHDTYPE,
            b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
            b"41 GNU.sparse.realsize=99999999999999999\n",
        )
        + entry(tarfile.REGTYPE, b"0\n"),
        "a sparse file",
    ),
    "one name for all": (
        entry(tarfile.XGLTYPE, b"10 path=b\n") + entry(tarfile.REGTYPE, b""),
        "all members one name",
    ),
    "digits that a search would go through for each of them": (
        entry(tarfile.XHDTYPE, b"1" * (1 << 19)) + entry(tarfile.REGTYPE, b""),
        "a record that is none",
    ),
    "headers of headers without end": (entry(tarfile.XHDTYPE, b"") * 5000, "headers of at most"),
    "more than any disk": (huge(), "at most 68719476736 bytes"),
    "a damaged header": (b"x" + entry(tarfile.REGTYPE, b"")[1:], "a damaged header"),
    "a header that is cut off": (entry(tarfile.REGTYPE, b"")[:300], "the tar is cut off"),
}
