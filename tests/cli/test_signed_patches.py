"""Sessions of `sapwood create --private-key`, and what `inspect` tells of signatures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sapwood import trust
from support.cli_session import Session, write_pairs
from support.signed_patches import entries_of, with_entries

KINDS = ["safetensors", "npy", "bin"]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    write_pairs(tmp_path)
    found = Session(tmp_path)
    for name in ("release", "other"):
        found.succeed(f"keygen --out {name} --quiet")
    return found


def create(kind: str, options: str = "--private-key release.key --counter 17") -> str:
    return f"create --base a.{kind} --target b.{kind} --out p.ttp {options}"


def public(session: Session, name: str = "release") -> bytes:
    return session.bytes(f"{name}.pub")


@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_is_signed_as_it_is_made(session: Session, kind: str) -> None:
    assert b"; signed with counter 17" in session.succeed(create(kind))
    options = f"--base a.{kind} --patch p.ttp --public-key release.pub --minimum-counter 17"
    assert session.json(f"verify {options}")["counter"] == 17
    session.succeed(f"apply {options} --out c --quiet")
    assert session.bytes("c") == session.bytes(f"b.{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_patch_that_sign_makes(session: Session, kind: str) -> None:
    session.succeed(create(kind, "--quiet"))
    session.succeed("sign --patch p.ttp --private-key release.key --counter 17 --out s --quiet")
    told = session.json(create(kind))
    assert session.bytes("p.ttp") == session.bytes("s")
    key_id = trust.key_id(public(session)).hex()
    assert told["signature"] == {"counter": 17, "key_id": key_id}
    assert told["patch_size"] == len(session.bytes("p.ttp"))


def test_without_a_key_nothing_is_signed(session: Session) -> None:
    assert session.json(create("bin", ""))["signature"] is None
    assert "add --private-key FILE" in session.fail(create("bin", "--counter 3"), 2)


def test_keys_that_are_none_leave_nothing(session: Session) -> None:
    words = session.fail(create("bin", "--private-key release.pub"), 2)
    assert words == "release.pub: expected a private key of 64 bytes, found 32"
    session.fail(create("npy", "--private-key gone.key"), 7)
    (session / "forged.key").write_bytes(
        session.bytes("release.key")[:32] + public(session, "other")
    )
    for kind in KINDS:
        words = session.fail(create(kind, "--private-key forged.key"), 2)
        assert "whose last 32 bytes are its public key" in words


def test_the_key_is_not_written_over(session: Session) -> None:
    command = "create --base a.bin --target b.bin --private-key release.key --out release.key"
    assert "would replace release.key" in session.fail(command, 2)


def test_a_key_that_others_can_read_is_told_of(session: Session) -> None:
    (session / "release.key").chmod(0o644)
    assert "chmod 600 release.key" in session.json(create("bin"))["notes"][0]
    assert b"chmod 600 release.key" in session.run(create("bin")).stderr


def lines(session: Session, command: str) -> list[str]:
    """What `inspect` prints of signatures."""
    printed = session.succeed(command).decode().splitlines()
    return [line[11:] for line in printed if line.startswith("signature:")]


def test_inspect_tells_of_signatures_and_does_not_believe_them(session: Session) -> None:
    session.succeed(create("safetensors", "--quiet"))
    assert lines(session, "inspect p.ttp") == ["none"]
    assert session.json("inspect p.ttp")["signatures"] == []
    session.succeed(f"{create('safetensors')} --quiet")
    key = trust.key_id(public(session)).hex()
    (line,) = lines(session, "inspect p.ttp")
    assert line == f"ed25519, key {key}, counter 17; not checked, for want of --public-key"
    assert session.json("inspect p.ttp")["signatures"] == [
        {
            "algorithm": "ed25519",
            "key_id": key,
            "public_key": None,
            "counter": 17,
            "detached": False,
            "valid": None,
            "objection": None,
        }
    ]


def test_inspect_checks_with_the_keys_that_it_is_given(session: Session) -> None:
    session.succeed(f"{create('npy')} --quiet")
    session.succeed("sign --patch p.ttp --private-key other.key --counter 2 --out p.ttp --quiet")
    key = public(session).hex()
    first, second = lines(session, "inspect p.ttp --public-key release.pub")
    assert first.endswith(f"counter 17; valid, by the public key {key}")
    assert second.endswith("which is not trusted")
    both = "inspect p.ttp --public-key release.pub --public-key other.pub"
    told = session.json(both)["signatures"]
    assert [(one["valid"], one["counter"]) for one in told] == [(True, 17), (True, 2)]
    assert [one["public_key"] for one in told] == [key, public(session, "other").hex()]


def test_inspect_tells_a_signature_that_was_changed(session: Session) -> None:
    session.succeed(f"{create('bin')} --quiet")
    patch = session.bytes("p.ttp")
    (entry,) = entries_of(patch)
    (session / "p.ttp").write_bytes(with_entries(patch, [{**entry, "counter": 99}]))
    command = "inspect p.ttp --public-key release.pub"
    (line,) = lines(session, command)
    assert "counter 99; not valid: does not verify with the key" in line
    assert session.json(command)["signatures"][0]["valid"] is False


def test_inspect_lists_signatures_beside_the_patch(session: Session) -> None:
    session.succeed(create("bin", "--quiet"))
    session.succeed("sign --patch p.ttp --private-key release.key --detached --out s --quiet")
    (line,) = lines(session, "inspect p.ttp --signature s")
    assert "counter 0, beside the patch; not checked" in line
    (line,) = lines(session, "inspect p.ttp --signature s --public-key release.pub")
    assert "beside the patch; valid, by" in line
    session.succeed("create --base b.bin --target a.bin --out q.ttp --quiet")
    (told,) = session.json("inspect q.ttp --signature s")["signatures"]
    assert (told["valid"], told["detached"]) == (False, True)
    assert "not of this one" in told["objection"]
    session.fail("inspect p.ttp --signature a.bin", 8)
    session.fail("inspect p.ttp --public-key release.key", 2)


def test_a_signature_of_a_later_algorithm_is_shown(session: Session) -> None:
    session.succeed(f"{create('bin')} --quiet")
    session.succeed("sign --patch p.ttp --private-key release.key --detached --out s --quiet")
    told = json.loads(session.bytes("s"))
    told["signatures"][0]["algorithm"] = "ml-dsa-65"
    text = json.dumps(told, separators=(",", ":"), sort_keys=True)
    (session / "s").write_text(f"{text}\n")
    _, line = lines(session, "inspect p.ttp --signature s --public-key release.pub")
    assert line.startswith("ml-dsa-65, key ")
    assert "is of the algorithm ml-dsa-65, which is not known" in line
