"""Sessions of `sapwood keygen`, `sign`, `fingerprint`, and of `apply` and `verify` with keys."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from sapwood import models
from support.cli_session import Session, write_pairs

KINDS = ["safetensors", "npy", "bin"]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    write_pairs(tmp_path)
    found = Session(tmp_path)
    found.succeed("keygen --out release --quiet")
    found.succeed("keygen --out other --quiet")
    return found


def signed(session: Session, kind: str, options: str = "") -> str:
    """Makes `p.ttp` and signs it, and gives the options for applying it."""
    session.succeed(f"create --base a.{kind} --target b.{kind} --out p.ttp --quiet")
    command = "sign --patch p.ttp --private-key release.key --counter 5 --out p.ttp --quiet"
    session.succeed(f"{command} {options}")
    return f"--base a.{kind} --patch p.ttp"


def test_keys_are_files_of_their_bytes(session: Session) -> None:
    told = session.json("keygen --out fresh")
    private, public = session.bytes("fresh.key"), session.bytes("fresh.pub")
    assert (len(private), len(public)) == (64, 32)
    assert private[32:] == public
    assert (told["private_key"], told["public_key"]) == ("fresh.key", "fresh.pub")
    assert stat.S_IMODE((session / "fresh.key").stat().st_mode) == 0o600


def test_keys_are_private_whatever_the_umask(session: Session) -> None:
    done = session.spawn("keygen --out fresh", umask=0)
    assert done.returncode == 0
    assert stat.S_IMODE((session / "fresh.key").stat().st_mode) == 0o600


def test_keys_are_not_replaced(session: Session) -> None:
    assert "release.key: is there already" in session.fail("keygen --out release", 2)
    (session / "half.pub").write_bytes(b"")
    assert "half.pub: is there already" in session.fail("keygen --out half", 2)
    session.fail("keygen --out none/release", 7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_patch_is_verified_and_applied(session: Session, kind: str) -> None:
    options = signed(session, kind)
    trusted = f"{options} --public-key other.pub --public-key release.pub --minimum-counter 5"
    assert b"signed with counter 5" in session.succeed(f"verify {trusted}")
    assert b"signed with counter 5" in session.succeed(f"apply {trusted} --out c")
    assert session.bytes("c") == session.bytes(f"b.{kind}")
    told = session.json(f"verify {trusted}")
    assert (told["valid"], told["signature_valid"], told["counter"]) == (True, True, 5)
    assert session.json(f"apply {trusted} --out c")["signature_valid"] is True


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_applied_by_who_trusts_nobody(session: Session, kind: str) -> None:
    options = signed(session, kind)
    session.succeed(f"apply {options} --out c --quiet")
    assert session.bytes("c") == session.bytes(f"b.{kind}")
    assert session.json(f"verify {options}")["signature_valid"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_signed_as_demanded_is_refused(session: Session, kind: str) -> None:
    options = signed(session, kind)
    session.succeed(f"create --base a.{kind} --target b.{kind} --out bare.ttp --quiet")
    for demand, words in {
        f"{options} --public-key other.pub": "which is not trusted",
        f"{options} --public-key release.pub --minimum-counter 6": "an old patch",
        f"{options} --public-key release.pub --public-key other.pub --threshold 2": "found 1",
        f"--base a.{kind} --patch bare.ttp --public-key release.pub": "it is not signed",
    }.items():
        patch = demand.split()[3]
        for command in (f"verify {demand}", f"apply {demand} --out c"):
            line = session.fail(command, 8)
            assert line.startswith(f"{patch}: expected ")
            assert words in line
    told = session.json(f"verify {options} --public-key other.pub", 8)
    assert (told["valid"], told["signature_valid"], told["counter"]) == (False, False, None)
    assert told["error"]["kind"] == "SignatureError"


def test_signatures_beside_the_patch(session: Session) -> None:
    session.succeed("create --base a.bin --target b.bin --out p.ttp --quiet")
    patch = session.bytes("p.ttp")
    session.succeed("sign --patch p.ttp --private-key release.key --detached --out p.ttp.sig")
    assert session.bytes("p.ttp") == patch
    assert json.loads(session.bytes("p.ttp.sig"))["format"] == "ttpatch-signatures/v1"
    options = "--base a.bin --patch p.ttp --public-key release.pub"
    session.succeed(f"verify {options} --signature p.ttp.sig --quiet")
    session.succeed(f"apply {options} --signature p.ttp.sig --out c --quiet")
    session.fail(f"apply {options} --out d", 8)
    session.fail(f"apply {options} --signature a.bin --out d", 8)
    session.fail(f"apply {options} --signature none --out d", 7)


def test_both_ways_of_a_pipe(session: Session) -> None:
    session.succeed("create --base a.bin --target b.bin --out p.ttp --quiet")
    done = session.run("sign --patch - --private-key release.key --out -", session.bytes("p.ttp"))
    assert done.returncode == 0
    assert b"signed by key" in done.stderr
    session.succeed(
        "apply --base a.bin --patch - --public-key release.pub --out c --quiet", done.stdout
    )
    assert session.bytes("c") == session.bytes("b.bin")


def test_keys_and_patches_are_not_written_over(session: Session) -> None:
    signed(session, "bin")
    command = "sign --patch p.ttp --private-key release.key --out"
    assert "would replace release.key" in session.fail(f"{command} release.key", 2)
    assert "would replace p.ttp" in session.fail(f"{command} p.ttp --detached", 2)
    apply = "apply --base a.bin --patch p.ttp --public-key release.pub --out"
    assert "would replace release.pub" in session.fail(f"{apply} release.pub", 2)


def test_what_is_no_key(session: Session) -> None:
    options = signed(session, "bin")
    words = session.fail("sign --patch p.ttp --private-key release.pub --out c", 2)
    assert words == "release.pub: expected a private key of 64 bytes, found 32"
    assert "found more" in session.fail(f"verify {options} --public-key release.key", 2)
    session.fail(f"verify {options} --public-key none", 7)


def test_demands_without_a_key(session: Session) -> None:
    options = signed(session, "npy")
    for demand in ("--minimum-counter 5", "--threshold 2", "--signature a.bin"):
        assert "--public-key" in session.fail(f"apply {options} {demand} --out c", 2)
    words = session.fail(f"apply {options} --public-key release.pub --force --out c", 2)
    assert "--force" in words


def test_a_key_that_others_can_read_is_told_of(session: Session) -> None:
    session.succeed("create --base a.bin --target b.bin --out p.ttp --quiet")
    (session / "release.key").chmod(0o644)
    command = "sign --patch p.ttp --private-key release.key --out c"
    assert b"chmod 600 release.key" in session.run(command).stderr
    assert "chmod 600" in session.json(command)["notes"][0]
    (session / "release.key").chmod(0o600)
    session.succeed(command)


def test_fingerprints(session: Session) -> None:
    found = models.fingerprint(session / "a.safetensors")
    line = session.succeed("fingerprint a.safetensors").decode()
    assert line.startswith(f"{found.short()}  a.safetensors  safetensors, ")
    told = session.json("fingerprint a.safetensors b.safetensors --full")
    assert told["match"] is False
    assert told["files"][0]["combined_hash"] == found.combined_hash
    assert (
        told["files"][0]["full_digest"]
        == models.fingerprint(session / "a.safetensors", full=True).full_digest
    )
    assert session.succeed("fingerprint a.bin b.bin").endswith(b"different versions\n")
    assert session.succeed("fingerprint a.bin a.bin").endswith(b"likely the same version\n")
    piped = session.succeed("fingerprint -", session.bytes("a.bin"))
    assert piped.split()[0].decode() == models.fingerprint(session / "a.bin").short()
    session.fail("fingerprint none", 7)
    session.fail("fingerprint - -", 2)
