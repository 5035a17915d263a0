"""What lies in the place of a model is told by its content, and other files are not."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood.modelfile import open_model
from sapwood.modelfile.folder import open_folder
from sapwood.modelfile.stand_ins import lfs_pointer, stand_in

pytestmark = pytest.mark.quick

OID = hashlib.sha256(b"x").digest()
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (
    OID.hex().encode()
)

TOLD = {
    "a pointer": (POINTER, "Git LFS pointer to a file of 12345 bytes"),
    "a pointer with extensions": (
        POINTER.replace(b"oid", b"ext-0-foo sha256:%s\noid" % (b"0" * 64)),
        "git lfs pull",
    ),
    "a page": (b"<!DOCTYPE html>\n<html lang=en><title>Sign in</title>", "an HTML page"),
    "a page in capitals, after a mark and a line": (b"\xef\xbb\xbf\n<HTML><BODY>", "an HTML page"),
    "a page in XML": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C">', "an HTML page"),
    "a page with a comment first": (b"<!-- a\nb -->\n<html>", "an HTML page"),
    "an answer of S3": (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>',
        "an error that a server answered with",
    ),
}

NOT_TOLD = {
    "nothing": b"",
    "text": b"version 2 of the model\n",
    "a word of the kind": b"<htmlish>",
    "other XML": b'<?xml version="1.0"?>\n<net name="a" version="11"></net>',
    "comments that could be taken apart in many ways": b"<!---->" * 99,
    "a pointer that is cut off": POINTER[:-20],
    "a pointer that more follows": POINTER + b"\n" * 1024,
    "a pointer with another digest": POINTER.replace(b"sha256", b"md5"),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_told(name: str) -> None:
    data, words = TOLD[name]
    assert words in (stand_in(memoryview(data)) or "")
    file = open_model(np.frombuffer(data, np.uint8))
    assert (file.format, file.warning) == ("bytes", stand_in(memoryview(data)))


@pytest.mark.parametrize("name", NOT_TOLD)
def test_what_is_not(name: str) -> None:
    assert stand_in(memoryview(NOT_TOLD[name])) is None


@given(st.binary(max_size=99))
def test_no_content_raises(data: bytes) -> None:
    stand_in(memoryview(data))
    stand_in(memoryview(b"<!--" + data))


def test_a_pointer_says_what_it_leads_to() -> None:
    found = lfs_pointer(memoryview(POINTER))
    assert found is not None
    assert (found.sha256, found.size) == (OID, 12345)


def test_pages_of_a_folder_may_be_pages() -> None:
    files = {"docs/index.html": TOLD["a page"][0], "model.safetensors": TOLD["a page"][0]}
    layouts = open_folder([*files], lambda path: memoryview(files[path]))
    assert layouts["docs/index.html"].warning is None
    assert layouts["model.safetensors"].warning is not None
