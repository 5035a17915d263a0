"""Sessions of `sapwood chain`: patches go in, any version comes out of any other."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sapwood import models
from support.chain_files import spans, versions
from support.cli_session import Session

FILES = versions(4)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Four versions, and patches both ways."""
    found = Session(tmp_path)
    for i, file in enumerate(FILES):
        (found / f"v{i}").write_bytes(file)
    for i in range(3):
        command = f"create --base v{i} --target v{i + 1} --out {i}.ttp --reverse {i}.back --quiet"
        found.succeed(command)
    return found


@pytest.fixture
def chained(session: Session) -> Session:
    """The same, with a chain of it all."""
    session.succeed(
        "chain create --patch 0.ttp 1.ttp 2.ttp --reverse 2.back 0.back 1.back --out c.ttc --quiet"
    )
    return session


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_chain_is_made_grows_and_is_shown(session: Session) -> None:
    line = session.succeed("chain create --patch 0.ttp --reverse 0.back --out c.ttc").decode()
    assert line.startswith("c.ttc: ")
    assert line.endswith(", 1 link\n")
    session.succeed("chain append --chain c.ttc --patch 1.ttp")
    told = session.json("chain append --chain c.ttc --patch 2.ttp --reverse 2.back")
    assert told["chain_size"] == len(session.bytes("c.ttc"))
    assert told["notes"] == []
    shown = session.succeed("chain info c.ttc").decode().splitlines()
    assert shown[0].startswith("c.ttc: ")
    assert "3 links" in shown[0]
    assert shown[2].split() == ["version", "size", "SHA-256", "patch", "to", "it", "patch", "back"]
    assert [line.split()[0] for line in shown[3:]] == ["0", "1", "2", "3"]
    assert all(sha256(file) in line for file, line in zip(FILES, shown[3:], strict=True))
    info = session.json("chain info c.ttc")
    assert info["command"] == "chain info"
    assert [one["sha256"] for one in info["versions"]] == list(map(sha256, FILES))
    assert [(one["number"], one["reverse"]) for one in info["links"]] == [
        *((0, False), (0, True), (1, False), (2, False), (2, True))
    ]
    assert session.succeed("chain info c.ttc --quiet") == b""
    assert session.succeed("chain info -", session.bytes("c.ttc")).startswith(b"-: ")


def test_any_version_is_made_from_any_other(chained: Session) -> None:
    line = chained.succeed("chain apply --base v0 --chain c.ttc --out new").decode()
    assert line.startswith("new: ")
    assert line.endswith(", over 3 links, checked\n")
    assert chained.bytes("new") == FILES[3]
    for to in ("1", "-3", sha256(FILES[1])):
        chained.succeed(f"chain apply --base v3 --chain c.ttc --to {to} --out v1again --quiet")
        assert chained.bytes("v1again") == FILES[1]
    chained.succeed("chain apply --base new --chain c.ttc --to 0 --out new --quiet")
    assert chained.bytes("new") == FILES[0]
    told = chained.json("chain apply --base . --chain c.ttc --to 2 --out found")
    assert (told["links"], told["target"]["sha256"]) == ([], sha256(FILES[2]))
    assert (told["signature_valid"], told["counter"]) == (None, None)
    done = chained.run("chain apply --base v1 --chain - --out -", chained.bytes("c.ttc"))
    assert (done.returncode, done.stdout) == (0, FILES[3])
    assert b"over 2 links" in done.stderr


def test_links_come_out_as_they_went_in(chained: Session) -> None:
    chained.succeed("chain extract --chain c.ttc --link 1 --out p")
    assert chained.bytes("p") == chained.bytes("1.ttp")
    told = chained.json("chain extract --chain c.ttc --link -1 --back --out p")
    assert chained.bytes("p") == chained.bytes("2.back")
    assert (told["number"], told["reverse"], told["patch_size"]) == (
        2,
        True,
        len(chained.bytes("p")),
    )
    assert "from 0 to 2" in chained.fail("chain extract --chain c.ttc --link 3 --out p", 2)
    assert "expected a number" in chained.fail("chain extract --chain c.ttc --link x --out p", 2)


def test_many_patches_become_one(chained: Session) -> None:
    chained.succeed("create --base v0 --target v3 --out direct --reverse back --quiet")
    told = chained.json("chain squash --base v0 --chain c.ttc --out one --reverse other")
    assert chained.bytes("one") == chained.bytes("direct")
    assert chained.bytes("other") == chained.bytes("back")
    assert told["patch_size"] == len(chained.bytes("direct"))
    chained.succeed("chain squash --base v3 --chain c.ttc --first 1 --last 2 --out one --quiet")
    assert chained.bytes("one") == chained.bytes("1.ttp")
    command = "chain squash --base v0 --chain c.ttc --out"
    assert "would replace v0" in chained.fail(f"{command} v0", 2)
    assert "differ" in chained.fail(f"{command} one --last 0", 2)


def test_what_does_not_fit_is_told(chained: Session) -> None:
    words = chained.fail("chain create --patch 0.ttp 2.ttp --out d", 2)
    assert "link 1 leads on from the version with SHA-256" in words
    assert "back over none" in chained.fail(
        "chain create --patch 0.ttp --reverse 1.back --out d", 2
    )
    assert "link 3 leads on from" in chained.fail("chain append --chain c.ttc --patch 0.ttp", 2)
    apply = "chain apply --chain c.ttc --out d --base"
    assert chained.fail(f"{apply} 0.ttp", 4).startswith("0.ttp: wrong base: it is none of the 4")
    assert "from 0 to 3" in chained.fail(f"{apply} v0 --to 4", 2)
    assert "no version of the chain" in chained.fail(f"{apply} v0 --to {'0' * 64}", 2)
    assert "its SHA-256" in chained.fail(f"{apply} v0 --to newest", 2)
    assert "stdin can be one input" in chained.fail("chain apply --chain - --base - --out d", 2)
    assert "would replace c.ttc" in chained.fail(
        "chain apply --chain c.ttc --base v0 --out c.ttc", 2
    )
    assert "only a file" in chained.fail("chain append --chain - --patch 0.ttp", 2)
    chained.succeed("chain create --patch 0.ttp 1.ttp --out oneway.ttc --quiet")
    words = chained.fail("chain apply --chain oneway.ttc --base v2 --to 0 --out d", 2)
    assert "no reverse patch leads back over links 0, 1" in words


def test_damage_is_told_with_the_file_and_the_link(chained: Session) -> None:
    chain = chained.bytes("c.ttc")
    begin, _ = spans(chain)[2]  # link 1
    (chained / "bad.ttc").write_bytes(chain[:begin] + b"x" + chain[begin + 1 :])
    assert chained.fail("chain info bad.ttc", 3).startswith("bad.ttc: the head of a link")
    link = models.chain_info(chain).link(1)
    last = link.offset + link.size - 1
    (chained / "bad.ttc").write_bytes(chain[:last] + bytes([chain[last] ^ 1]) + chain[last + 1 :])
    chained.succeed("chain info bad.ttc --quiet")
    words = chained.fail("chain apply --base v0 --chain bad.ttc --out new", 3)
    assert words.startswith("bad.ttc: link 1 of the chain: damaged body")
    told = chained.json("chain apply --base v0 --chain bad.ttc --out new", 3)
    assert told["error"]["kind"] == "InvalidPatch"
    (chained / "bad.ttp").write_bytes(chained.bytes("1.ttp")[:-1])
    words = chained.fail("chain create --patch 0.ttp bad.ttp --out d", 3)
    assert words.startswith("bad.ttp: cut off")
    chained.fail("chain info v0", 3)
    chained.fail("chain info none", 7)


def test_a_chain_that_ends_in_the_middle_of_a_link(chained: Session) -> None:
    chain = chained.bytes("c.ttc")
    begin, end = spans(chain)[4]
    (chained / "c.ttc").write_bytes(chain[: end - 100])
    assert b"of a link that was not written to its end" in chained.succeed("chain info c.ttc")
    done = chained.run("chain apply --base v0 --chain c.ttc --out new")
    assert (done.returncode, chained.bytes("new")) == (0, FILES[2])
    assert b"note: c.ttc: it ends in" in done.stderr
    told = chained.json("chain append --chain c.ttc --patch 2.ttp --reverse 2.back")
    assert told["notes"] == [f"{end - 100 - begin} bytes of an unfinished link were replaced"]
    assert chained.bytes("c.ttc") == chain


def test_signed_links(session: Session) -> None:
    session.succeed("keygen --out release --quiet")
    for i in range(3):
        command = f"sign --patch {i}.ttp --private-key release.key --counter {i + 1}"
        session.succeed(f"{command} --out {i}.ttp --quiet")
    session.succeed("chain create --patch 0.ttp 1.ttp 2.ttp --reverse 0.back --out c.ttc --quiet")
    trusted = "chain apply --chain c.ttc --public-key release.pub --out new"
    assert b"signed with counter 3" in session.succeed(f"{trusted} --base v0 --minimum-counter 1")
    told = session.json(f"{trusted} --base v1 --minimum-counter 2")
    assert (told["signature_valid"], told["counter"]) == (True, 3)
    words = session.fail(f"{trusted} --base v0 --minimum-counter 2", 8)
    assert words.startswith("c.ttc: link 0 of the chain: expected")
    session.fail(f"{trusted} --base v1 --to 0", 8)  # the reverse is not signed
    session.succeed("chain extract --chain c.ttc --link 1 --out p --quiet")
    session.succeed("verify --base v1 --patch p --public-key release.pub --quiet")


def test_a_command_below_is_needed(session: Session) -> None:
    assert "required: COMMAND" in session.fail("chain", 2)
