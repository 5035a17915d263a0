"""What a manifest may say of data: safe names, a hash, a size, URLs that hold no secrets."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from sapwood.documents.paths import portable
from sapwood.errors import InvalidPackage
from sapwood.package.manifest.datasets import (
    LONGEST_NAME,
    MOST_DATA_FILES,
    MOST_URLS,
    fault_of_url,
)
from sapwood.package.manifest.values import SHA256
from sapwood.workspace import DataFile, Dataset, parse_manifest
from support.data_templates import CONTENT, entry

pytestmark = pytest.mark.quick

HEAD = 'schema = 1\nname = "course"\nversion = "1.0"\n'


def data_of(text: str) -> tuple[Dataset, ...]:
    return parse_manifest(f"{HEAD}{text}".encode()).data


def test_files_of_one_name_belong_together() -> None:
    first, second = data_of(
        entry("https://a/b", "http://[::1]:80/c?d=e")
        + entry("https://a/x", name="other")
        + entry("https://a/l", file="labels.bin", content=b"l")
    )
    assert (first.name, [one.name for one in first.files]) == (
        "digits",
        ["digits.bin", "labels.bin"],
    )
    assert first.files[0].urls == ("https://a/b", "http://[::1]:80/c?d=e")
    assert first.size == len(CONTENT) + 1
    assert second.key != first.key
    assert data_of("") == ()


def test_the_key_is_the_contents() -> None:
    (one,) = data_of(entry("https://a/b"))
    (mirrored,) = data_of(entry("https://c/d"))
    (renamed,) = data_of(entry("https://a/b", file="other"))
    assert one.key == mirrored.key != renamed.key
    assert len(one.key) == 12


def with_field(field: str, value: str) -> str:
    """An entry of which one field is another."""
    lines = entry("https://a/b").splitlines()
    return "\n".join(f"{field} = {value}" if one.startswith(field) else one for one in lines)


REFUSED: dict[str, str] = {
    "a file above": with_field("file", '"../x"'),
    "a file in a folder": with_field("file", '"a/b"'),
    "an absolute file": with_field("file", '"/etc/passwd"'),
    "a hidden file": with_field("file", '".lock"'),
    "a device": with_field("file", '"con.csv"'),
    "a stream of NTFS": with_field("file", '"a:b"'),
    "an escape": with_field("file", '"a\\u001b[31m"'),
    "a long file": with_field("file", f'"{"é" * LONGEST_NAME}"'),
    "no file": with_field("file", '""'),
    "a name that leads away": with_field("name", '".."'),
    "a name with a slash": with_field("name", '"a/b"'),
    "a name that is a device": with_field("name", '"nul"'),
    "a short hash": with_field("sha256", '"00"'),
    "no hash": with_field("sha256", f'"{"g" * 64}"'),
    "another hash": with_field("sha256", f'"md5:{"0" * 60}"'),
    "no bytes": with_field("size", "0"),
    "fewer": with_field("size", "-1"),
    "too many bytes": with_field("size", "2000000000000"),
    "no size": with_field("size", '"1"'),
    "no URLs": with_field("urls", "[]"),
    "a URL that is no list": with_field("urls", '"https://a/b"'),
    "many URLs": with_field("urls", str(["https://a/b"] * (MOST_URLS + 1))),
    "a file's URL": with_field("urls", '["https://a/b", "file:///etc/passwd"]'),
    "FTP": with_field("urls", '["ftp://a/b"]'),
    "no scheme": with_field("urls", '["//a/b"]'),
    "a password": with_field("urls", '["https://me:secret@a/b"]'),
    "a user": with_field("urls", '["https://me@a/b"]'),
    "no host": with_field("urls", '["https:///b"]'),
    "a port that is none": with_field("urls", '["https://a:99999/b"]'),
    "brackets": with_field("urls", '["https://[a/b"]'),
    "a line end": with_field("urls", '["https://a/b\\r\\nHost: x"]'),
    "other letters": with_field("urls", '["https://\u0430/b"]'),
    "a long URL": with_field("urls", f'["https://a/{"b" * 2000}"]'),
    "an unknown field": entry("https://a/b") + "md5 = 1",
    "two files of one name": entry("https://a/b") + entry("https://a/b", file="DIGITS.bin"),
    "many files": entry("https://a/b") * (MOST_DATA_FILES + 1),
    "no table": "data = 1",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_breaks_the_rules_is_refused(case: str) -> None:
    with pytest.raises(InvalidPackage, match="data") as caught:
        data_of(REFUSED[case])
    assert "secret" not in str(caught.value)
    assert str(caught.value).isprintable()


WORDS = st.sampled_from(
    ["https://", "http:", "//", "@", "[", "]", ":", "80", "a.b", "%", "\\", "é"]
)


@given(st.text() | st.lists(WORDS).map("".join))
def test_a_url_is_taken_or_refused(text: str) -> None:
    fault = fault_of_url(text)
    if fault is None:
        assert text.lower().startswith(("http://", "https://"))
        assert "@" not in text.split("/")[2]
        assert text.isascii()
        assert text.isprintable()


FIELDS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["digits", "a", "A", "..", ""]) | st.text(max_size=5),
        "file": st.sampled_from(["a", "A", "a.b", ".a", "../a"]) | st.text(max_size=5),
        "sha256": st.sampled_from(["0" * 64, "F" * 64, "0"]) | st.text(max_size=5),
        "size": st.integers(-1, 1 << 41),
        "urls": st.lists(st.sampled_from(["http://a/b", "https://a", "a", "http://"]), max_size=3),
    }
)


@given(st.lists(FIELDS, max_size=3))
def test_whatever_is_said_of_data_it_is_safe_or_refused(
    entries: list[dict[str, object]],
) -> None:
    def toml(value: object) -> str:
        if not isinstance(value, str):
            return str(value)
        return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'

    lines = [
        "[[data]]\n" + "\n".join(f"{field} = {toml(value)}" for field, value in one.items())
        for one in entries
    ]
    try:
        data = data_of("\n".join(lines))
    except InvalidPackage:
        return
    files: list[DataFile] = [file for dataset in data for file in dataset.files]
    assert len(files) == len(entries)
    for file in files:
        assert portable(file.name) is None
        assert file.name[0] != "."
        assert "/" not in file.name
        assert SHA256.fullmatch(file.sha256)
        assert file.size > 0
        assert file.urls
