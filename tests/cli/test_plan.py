"""Sessions of `sapwood plan`: what to fetch, and why."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from support.chain_files import versions
from support.cli_session import Session, write_tensor_patch

FILES = versions(4)
SUMS = [hashlib.sha256(file).hexdigest() for file in FILES]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Four versions, a chain through them, and one patch over it all."""
    found = Session(tmp_path)
    for i, file in enumerate(FILES):
        (found / f"v{i}").write_bytes(file)
    for i in range(3):
        found.succeed(f"create --base v{i} --target v{i + 1} --out {i}.ttp --quiet")
    found.succeed("create --base v0 --target v3 --out all.ttp --quiet")
    found.succeed("chain create --patch 0.ttp 1.ttp 2.ttp --out c.ttc --quiet")
    return found


def test_the_cheapest_is_marked_and_the_others_say_why(session: Session) -> None:
    offers = "--patch all.ttp --chain c.ttc --full v3"
    lines = session.succeed(f"plan --have v0 --want v3 {offers}").decode().splitlines()
    assert lines[0].split() == ["route", "fetch", "time", "why"]
    assert lines[1].split()[:2] == ["*", "all.ttp"]
    assert lines[2].split("  ")[1].strip() == "c.ttc link 0 > c.ttc link 1 > c.ttc link 2"
    assert lines[2].endswith(" bytes more")
    assert lines[3].split()[0] == "v3"
    assert lines[-1].startswith(
        "all.ttp: the fewest bytes of 3 routes; the next best, c.ttc link 0"
    )


def test_versions_are_named_by_files_folders_or_digests(session: Session) -> None:
    (session / "old").mkdir()
    (session / "v2").rename(session / "old" / "model")
    for have in ("old", "old/model", SUMS[2], SUMS[2].upper(), f"v0 {SUMS[2]} all.ttp"):
        told = session.json(f"plan --have {have} --want {SUMS[3]} --chain c.ttc")
        names = [step["name"] for step in told["route"]["steps"]]
        assert names == ["c.ttc link 2"]
        (step,) = told["route"]["steps"]
        begin, end = step["offset"], step["offset"] + step["bytes"]
        assert session.bytes(step["file"])[begin:end] == session.bytes("2.ttp")
    assert told["want"] == SUMS[3]
    told = session.json("plan --have . --want v3 --chain c.ttc")
    assert (told["route"]["steps"], told["route"]["bytes"]) == ([], 0)
    assert "nothing is to be fetched" in told["reason"]
    assert b"nothing is to be fetched" in session.succeed("plan --have v3 --want v3")
    assert session.succeed("plan --have v3 --want v3 --quiet") == b""


def test_by_time_the_speeds_decide(session: Session) -> None:
    command = "plan --have v0 --want v3 --patch all.ttp --full v3 --by time --json"
    slow = session.json(f"{command} --bandwidth 1kB/s".replace(" --json", ""))
    assert [step["name"] for step in slow["route"]["steps"]] == ["all.ttp"]
    quick = session.json(f"{command} --bandwidth 10GB/s --apply-speed 1MB/s".replace(" --json", ""))
    assert [step["name"] for step in quick["route"]["steps"]] == ["v3"]
    (other,) = quick["alternatives"]
    assert other["offer"]["name"] == "all.ttp"
    assert other["reason"].endswith(" s more")
    assert other["route"]["seconds"] > quick["route"]["seconds"]


def test_an_older_file_and_patches(session: Session) -> None:
    (session / "small").write_bytes(b"a small first version")
    session.succeed("create --base small --target v0 --out grow.ttp --quiet")
    told = session.json(f"plan --want {SUMS[0]} --full small v0 --patch grow.ttp")
    names = [step["name"] for step in told["route"]["steps"]]
    assert names in (["v0"], ["small", "grow.ttp"])
    assert told["route"]["bytes"] == min(
        len(FILES[0]), len(session.bytes("small")) + len(session.bytes("grow.ttp"))
    )


def test_what_cannot_be_is_told(session: Session) -> None:
    words = session.fail(f"plan --have v3 --want {SUMS[0]} --chain c.ttc", 2)
    assert words.startswith(f"nothing of what is offered leads to {SUMS[0][:12]}")
    np.save(session / "a.npy", np.zeros(9))
    np.save(session / "b.npy", np.ones(9))
    write_tensor_patch(session.folder)
    words = session.fail("plan --have a.npy --want b.npy --patch tensor.patch", 2)
    assert words.startswith("tensor.patch: a patch of a tensor")
    assert session.fail("plan --have v0 --want v3 --patch v1", 3).startswith("v1: not a patch")
    assert session.fail("plan --have v0 --want v3 --chain 0.ttp", 3).startswith(
        "0.ttp: not a chain"
    )
    session.fail("plan --have none --want v3 --patch all.ttp", 7)
    session.fail("plan --have v0 --want none --patch all.ttp", 7)
    assert "in place of -" in session.fail("plan --have - --want v3", 2)
    for wrong in ("fast", "0", "-1", "1TB/s", "1e9"):
        assert "such as 10MB/s" in session.fail(f"plan --want v3 --bandwidth={wrong}", 2)
