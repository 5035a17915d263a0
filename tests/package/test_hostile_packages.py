"""Templates from strangers: each of these is refused in any form, and nothing is written."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sapwood.content.zstd import compress
from sapwood.documents.paths import clash_among, portable
from sapwood.documents.patterns import Pattern
from sapwood.errors import InputError, InvalidPackage, IoError
from sapwood.limits import ArchiveLimits
from sapwood.package.manifest.manifest import check_files
from sapwood.workspace import Workspace, open_package, parse_manifest
from support.hostile_packages import CLASHES, PATHS, TAR_KINDS, TARS, entry

pytestmark = pytest.mark.quick

MANIFEST = b'schema = 1\nname = "course"\nversion = "1.0"\n'


def zipped(folder: Path, entries: list[tuple[str, bytes]]) -> Path:
    path = folder / "template.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in [("sapwood-template.toml", MANIFEST), *entries]:
            info = zipfile.ZipInfo("x")
            # `ZipInfo` itself would cut a name off at a NUL.
            info.filename = info.orig_filename = name
            archive.writestr(info, content)
    return path


def tarred(folder: Path, entries: list[tuple[str, bytes]]) -> Path:
    path = folder / "template.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in [("sapwood-template.toml", MANIFEST), *entries]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def refused(
    source: Path,
    root: Path,
    match: str | None = None,
    limits: ArchiveLimits | None = None,
) -> None:
    """The template is refused, within other limits perhaps, and no workspace is begun."""
    with pytest.raises(InvalidPackage, match=match):
        Workspace.init(root, source if limits is None else open_package(source, limits))
    assert not root.exists()


@pytest.mark.parametrize("case", PATHS)
def test_paths_are_refused(case: str, tmp_path: Path) -> None:
    path = PATHS[case]
    private = path.lower().startswith((".course/", ".novel/"))
    assert (portable(path) is None) == private
    if "\udc80" not in path:  # which no zip can hold
        refused(zipped(tmp_path, [(path, b"evil")]), tmp_path / "course")
    if "\0" not in path:
        refused(tarred(tmp_path, [(path, b"evil")]), tmp_path / "course")
    assert not (tmp_path.parent / "evil.py").exists()


@pytest.mark.parametrize("case", CLASHES)
def test_paths_that_clash_are_refused(case: str, tmp_path: Path) -> None:
    pair = CLASHES[case]
    assert clash_among(pair) is not None
    entries = [(path, b"content") for path in pair]
    refused(zipped(tmp_path, entries), tmp_path / "course", "cannot both be files")


def test_an_entry_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    refused(tarred(tmp_path, [("a", b"1"), ("a", b"2")]), tmp_path / "course", "twice")


@pytest.mark.parametrize("case", TAR_KINDS)
def test_a_tar_with_anything_but_files_is_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "template.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("sapwood-template.toml")
        info.size = len(MANIFEST)
        archive.addfile(info, io.BytesIO(MANIFEST))
        link = tarfile.TarInfo("tests/a.py")
        link.type, link.linkname = TAR_KINDS[case], "/etc/passwd"
        archive.addfile(link)
    refused(path, tmp_path / "course", "link or device")


def test_a_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "template.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sapwood-template.toml", MANIFEST)
        link = zipfile.ZipInfo("tests/a.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    refused(path, tmp_path / "course", "link or device")


@pytest.mark.parametrize("kind", ["file", "folder", "nowhere", "pipe"])
def test_a_folder_with_a_link_or_pipe_is_refused(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "template"
    folder.mkdir()
    (folder / "sapwood-template.toml").write_bytes(MANIFEST)
    if kind == "pipe":
        os.mkfifo(folder / "a.py")
    else:
        target = {"file": "/etc/passwd", "folder": "/etc", "nowhere": "nowhere"}[kind]
        (folder / "a.py").symlink_to(target)
    refused(folder, tmp_path / "course", "link or device")


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    entries = [(f"file{number}", b"") for number in range(3)]
    folder = tmp_path / "template"
    folder.mkdir()
    for name, content in [("sapwood-template.toml", MANIFEST), *entries]:
        (folder / name).write_bytes(content)
    for source in (zipped(tmp_path, entries), tarred(tmp_path, entries), folder):
        limits = ArchiveLimits(entries=3)
        refused(source, tmp_path / "course", "at most 3 (files|entries)", limits)
        with open_package(source, ArchiveLimits(entries=4)) as package:
            assert len(package.files) == 3


def test_too_many_bytes_are_refused(tmp_path: Path) -> None:
    for make in (zipped, tarred):
        source = make(tmp_path, [("a", b"\0" * 10_001)])
        limits = ArchiveLimits(size=10_000)
        refused(source, tmp_path / "course", "at most 10000 bytes", limits)


def test_a_header_of_a_tar_that_asks_for_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "template.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "x" * (8 << 20)}
        archive.addfile(info)
    assert path.stat().st_size < 1 << 20
    refused(path, tmp_path / "course", "headers of at most")


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.zst": partial(compress, level=3),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("case", TARS)
def test_a_tar_that_asks_for_memory_or_disk_is_refused(
    case: str, kind: str, tmp_path: Path
) -> None:
    entries, match = TARS[case]
    data = entry(tarfile.REGTYPE, MANIFEST, "sapwood-template.toml") + entries
    path = tmp_path / "template.tar"
    path.write_bytes(PACKED[kind](data))
    refused(path, tmp_path / "course", match)


def test_a_tar_of_more_bytes_than_a_template_may_have_is_not_copied(tmp_path: Path) -> None:
    entries = [(f"file{number}", bytes(4000)) for number in range(3)]
    limits = ArchiveLimits(size=10_000)
    refused(tarred(tmp_path, entries), tmp_path / "course", "at most 10000 bytes", limits)


def test_a_zip_that_unpacks_to_more_than_it_claims_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path, [("tests/a.py", b"x" * 5000)])
    data = path.read_bytes()
    path.write_bytes(data.replace((5000).to_bytes(4, "little"), (4000).to_bytes(4, "little")))
    root = tmp_path / "course"
    with pytest.raises(InvalidPackage):
        Workspace.init(root, path)
    assert not (root / "tests").exists()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "its end": lambda data: data[len(data) // 2 :],
    "no archive": lambda data: b"hello" * 1000,
    "a flipped byte": lambda data: data[:60] + bytes([data[60] ^ 255]) + data[61:],
}


@pytest.mark.parametrize("case", DAMAGES)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_damaged_archives_are_refused(
    make: Callable[[Path, list[tuple[str, bytes]]], Path], case: str, tmp_path: Path
) -> None:
    path = make(tmp_path, [("a.py", b"print(1)\n" * 100)])
    path.write_bytes(DAMAGES[case](path.read_bytes()))
    refused(path, tmp_path / "course")


MANIFESTS: dict[str, str | bytes] = {
    "no TOML": "schema = ",
    "no text": b"\xff\xfe",
    "nothing": "",
    "a later schema": 'schema = 2\nname = "course"\nversion = "1"',
    "no version": 'schema = 1\nname = "course"',
    "no PEP 440": 'schema = 1\nname = "course"\nversion = "one"',
    "an epoch": 'schema = 1\nname = "course"\nversion = "1!2"',
    "a name that leads away": 'schema = 1\nname = "../course"\nversion = "1"',
    "the name git": 'schema = 1\nname = "git"\nversion = "1"',
    "a device's name": 'schema = 1\nname = "con"\nversion = "1"',
    "a number for a name": 'schema = 1\nname = 5\nversion = "1"',
    "a field that there is not": 'schema = 1\nname = "c"\nversion = "1"\npolicy = []',
    "true for a schema": 'schema = true\nname = "c"\nversion = "1"',
    "deep nesting": f"schema = {'[' * 100_000}",
    "too large": "#" * ((1 << 20) + 1),
}

LINES = {
    "a policy that there is not": '[[policies]]\npattern = "**"\npolicy = "run"',
    "a pattern that leads away": '[[policies]]\npattern = "../**"\npolicy = "update"',
    "an absolute pattern": '[[policies]]\npattern = "/etc/*"\npolicy = "update"',
    "no pattern": '[[policies]]\npolicy = "update"',
    "a table for a list": '[policies]\npattern = "**"\npolicy = "update"',
    "another deleted": '[[policies]]\npattern = "a"\npolicy = "update"\ndeleted = "yes"',
    "a rename to above": '[[migrations]]\nversion = "1"\nrenames = [{ from = "a", to = "../b" }]',
    "a rename from above": '[[migrations]]\nversion = "1"\nrenames = [{ from = "../a", to = "b" }]',
    "two new names": '[[migrations]]\nversion = "1"\n'
    'renames = [{ from = "a", to = "b" }, { from = "a", to = "c" }]',
    "a circle": '[[migrations]]\nversion = "1"\n'
    'renames = [{ from = "a", to = "b" }, { from = "b", to = "a" }]',
    "a command": '[[migrations]]\nversion = "1"\nrun = ["rm -rf ~"]',
    "a patch that is not there": '[[patches]]\npath = "a"\nbase = "1"\npatch = "b"',
    "a note that steers a terminal": '[[notes]]\npath = "a"\ntext = "\\u001b[2J"',
    "a rename of a file that is there": "[[migrations]]\nversion = '1'\n"
    "renames = [{ from = 'sapwood-template.toml', to = 'b' }]",
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests_are_refused(case: str, tmp_path: Path) -> None:
    text = MANIFESTS[case]
    folder = tmp_path / "template"
    folder.mkdir()
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "sapwood-template.toml").write_bytes(data)
    refused(folder, tmp_path / "course", "sapwood-template.toml")


@pytest.mark.parametrize("case", LINES)
def test_lines_of_manifests_are_refused(case: str, tmp_path: Path) -> None:
    folder = tmp_path / "template"
    folder.mkdir()
    (folder / "sapwood-template.toml").write_bytes(MANIFEST + LINES[case].encode())
    refused(folder, tmp_path / "course", "sapwood-template.toml")


def test_no_template_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path / "course", "found none")
    with pytest.raises(IoError):
        Workspace.init(tmp_path / "course", tmp_path / "nothing")
    with pytest.raises(InputError, match="installed distribution"):
        open_package("dist:no-such-distribution-of-ours")


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8")))
def test_whatever_the_bytes_a_manifest_is_read_or_refused(data: bytes) -> None:
    for whole in (data, MANIFEST + data):
        with contextlib.suppress(InvalidPackage):
            assert parse_manifest(whole).name


@given(st.text(max_size=80))
def test_a_path_without_a_fault_stays_inside(path: str) -> None:
    if portable(path) is None:
        whole = os.path.normpath(f"/root/{path}")
        assert whole == f"/root/{path}"


def test_a_pattern_cannot_take_long() -> None:
    hostile = Pattern.of("/".join(["**", "*a*a*a*a*a*a*a*a*a*b"] * 20))
    assert not hostile.matches("/".join(["a" * 200] * 40))


def test_patterns_and_files_are_weighed_together(tmp_path: Path) -> None:
    """Each of a manifest's patterns may be compared with each of its files."""
    pattern = "**/" + "a/" * 500 + "b"
    line = f'[[policies]]\npattern = "{pattern}"\npolicy = "weights"\n'
    patch = f'base = "0"\npatch = "p"\nsha256 = "{"0" * 64}"\nsize = 1\n'
    patches = "".join(f'[[patches]]\npath = "{"a/" * 60}{i}"\n{patch}' for i in range(800))
    with pytest.raises(
        InvalidPackage, match=r"patches: expected patterns and files .* in 67108864"
    ):
        parse_manifest(MANIFEST + (line * 500 + patches).encode())
    manifest = parse_manifest(MANIFEST + (line * 500).encode())
    check_files(manifest, ["sapwood-template.toml"])
    with pytest.raises(InvalidPackage, match="expected patterns and files"):
        check_files(manifest, [f"{'a/' * 50}{i}" for i in range(6000)])


def fits(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a pattern of `**`, `*` and names matches a path, as its rules say it."""
    if not parts:
        return not names
    if parts[0] == "**":
        return any(fits(parts[1:], names[i:]) for i in range(len(names) + 1))
    return bool(names) and parts[0] in ("*", names[0]) and fits(parts[1:], names[1:])


@given(
    st.lists(st.sampled_from(["**", "**", "a", "*"]), min_size=1, max_size=6),
    st.lists(st.sampled_from("ab"), min_size=1, max_size=6),
)
def test_patterns_match_by_their_rules(parts: list[str], names: list[str]) -> None:
    assert Pattern.of("/".join(parts)).matches("/".join(names)) == fits(parts, names)
