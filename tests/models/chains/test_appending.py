"""Whatever stops an append, a chain is the old one or the new one."""

from __future__ import annotations

import fcntl
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sapwood import models
from sapwood.errors import InputError, InvalidPatch, IoError
from support.chain_files import BLOCK, backs, chain_of, opened, patches, spans, versions
from support.child_processes import run_child

FILES = versions(4)
CHAIN = chain_of(FILES)
ONE_WAY = chain_of(FILES, reverse=False)


def test_a_chain_grows_link_by_link(tmp_path: Path) -> None:
    chain = tmp_path / "chain"
    forward, back = patches(FILES), backs(FILES)
    models.create_chain(forward[:1], chain, reverse=back[:1])
    found = models.append_to_chain(chain, forward[1], reverse=back[1])
    assert len(found.links) == 4
    with pytest.raises(InputError, match="link 2 leads on"):
        models.append_to_chain(chain, forward[1])
    with pytest.raises(InputError, match="does not lead back over link 2"):
        models.append_to_chain(chain, forward[2], reverse=back[1])
    found = models.append_to_chain(chain, forward[2], reverse=back[2])
    assert chain.read_bytes() == CHAIN
    assert found == opened(CHAIN)


def test_every_truncation_of_the_last_link_opens_with_the_others() -> None:
    begin, end = spans(ONE_WAY)[-1]
    assert end == len(ONE_WAY)
    rest = opened(ONE_WAY).links[:-1]
    for length in range(begin, end):
        found = opened(ONE_WAY[:length])
        assert (found.links, found.size, found.unfinished) == (rest, begin, length - begin)
    out = io.BytesIO()
    models.apply_chain(FILES[0], ONE_WAY[: end - 1], out)
    assert out.getvalue() == FILES[2]


@pytest.mark.parametrize("reverse", [False, True])
def test_every_truncation_of_the_last_link_can_be_appended_to(
    reverse: bool, tmp_path: Path
) -> None:
    whole = CHAIN if reverse else ONE_WAY
    begin = spans(whole)[-2 if reverse else -1][0]
    chain = tmp_path / "chain"
    for length in (*range(begin, begin + 2 * BLOCK + 1), *range(begin, len(whole), 997)):
        chain.write_bytes(whole[:length])
        if opened(whole[:length]).size > begin:
            continue  # the link is whole, its reverse is not
        models.append_to_chain(
            chain, patches(FILES)[2], reverse=backs(FILES)[2] if reverse else None
        )
        assert chain.read_bytes() == whole


def test_after_every_step_of_an_append_the_chain_is_the_old_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = spans(CHAIN)[4][0]
    old, new = opened(CHAIN).links[:4], opened(CHAIN).links
    chain = tmp_path / "chain"
    states: list[bytes] = []
    real = os.fsync

    def synced(handle: int) -> None:
        states.append(chain.read_bytes())
        real(handle)

    monkeypatch.setattr(os, "fsync", synced)
    for before in (CHAIN[:begin], CHAIN[: begin + 1000], CHAIN[: begin + BLOCK]):
        chain.write_bytes(before)
        states.clear()
        models.append_to_chain(chain, patches(FILES)[2], reverse=backs(FILES)[2])
        assert [opened(state).links for state in states] == [old, old, new]
        # Whatever of a step reached the disk: any length between, and zeros for content.
        for a, b in ((before, states[0]), (states[0], states[1]), (states[1], states[2])):
            for length in range(begin, max(len(a), len(b)), 313):
                mixed = b[:length] + a[length:]
                assert opened(mixed).links in (old, new)
        grown = states[0] + bytes(len(states[1]) - len(states[0]))
        assert opened(grown).links == old


KILLED = """
import os, pathlib, signal, time
from sapwood import models
old, new = (pathlib.Path(name).read_bytes() for name in ("old", "new"))
allowed = {models.chain_info(one).links for one in (old, new)}
for i in range(25):
    pathlib.Path("chain").write_bytes(old)
    child = os.fork()
    if child == 0:
        models.append_to_chain("chain", "patch", reverse="back")
        os._exit(0)
    time.sleep(0.0004 * i)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = models.chain_info("chain").links
    assert found in allowed
    if found == models.chain_info(old).links:
        models.append_to_chain("chain", "patch", reverse="back")
    assert pathlib.Path("chain").read_bytes() == new
    print("whole")
"""


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_chain(tmp_path: Path) -> None:
    begin = spans(CHAIN)[4][0]
    for name, data in {
        "old": CHAIN[:begin],
        "new": CHAIN,
        "patch": patches(FILES)[2],
        "back": backs(FILES)[2],
    }.items():
        (tmp_path / name).write_bytes(data)
    assert run_child(KILLED, folder=tmp_path) == "whole\n" * 25


def test_who_reads_meanwhile_sees_the_old_or_the_new_chain(tmp_path: Path) -> None:
    chain = tmp_path / "chain"
    begin = spans(ONE_WAY)[1][0]
    chain.write_bytes(ONE_WAY[:begin])
    allowed = {opened(ONE_WAY).links[:n] for n in (1, 2, 3)}
    stop = threading.Event()

    def read() -> int:
        seen = 0
        while not stop.is_set():
            found = models.chain_info(chain)
            assert found.links in allowed
            seen += 1
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for _ in range(10):
            for i in (1, 2):
                models.append_to_chain(chain, patches(FILES)[i])
            # As a writer leaves it that was stopped; as another file, for this one is mapped.
            (tmp_path / "other").write_bytes(ONE_WAY[:begin] + bytes(10 * BLOCK))
            (tmp_path / "other").replace(chain)
        stop.set()
        assert reading.result() > 0


def test_a_failed_append_leaves_the_chain_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = tmp_path / "chain"
    begin = spans(ONE_WAY)[-1][0]
    real = os.fsync
    for fails in (1, 2, 3):
        chain.write_bytes(ONE_WAY[:begin])
        calls: list[int] = []

        def failing(handle: int, calls: list[int] = calls, fails: int = fails) -> None:
            calls.append(handle)
            if len(calls) == fails:
                raise OSError(28, "No space left on device")
            real(handle)

        monkeypatch.setattr(os, "fsync", failing)
        with pytest.raises(IoError, match="No space left"):
            models.append_to_chain(chain, patches(FILES)[2])
        monkeypatch.setattr(os, "fsync", real)
        assert chain.read_bytes() == ONE_WAY[:begin]


def test_two_cannot_append_at_once(tmp_path: Path) -> None:
    chain = tmp_path / "chain"
    chain.write_bytes(ONE_WAY[: spans(ONE_WAY)[-1][0]])
    with chain.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(IoError, match="somebody else is appending"):
            models.append_to_chain(chain, patches(FILES)[2])
        assert models.chain_info(chain).forward  # readers are not kept off
    models.append_to_chain(chain, patches(FILES)[2])
    assert chain.read_bytes() == ONE_WAY


def test_a_chain_that_is_replaced_before_it_is_locked_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = tmp_path / "chain"
    models.create_chain(patches(FILES)[:1], chain)
    lock = fcntl.flock

    def late(handle: int, how: int) -> None:
        models.create_chain(patches(FILES)[:1], chain)
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(IoError, match="replaced"):
        models.append_to_chain(chain, patches(FILES)[1])
    assert len(models.chain_info(chain).links) == 1


def test_appending_needs_a_chain_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(IoError, match="No such file"):
        models.append_to_chain(tmp_path / "none", patches(FILES)[0])
    with pytest.raises(IoError, match="directory"):
        models.append_to_chain(tmp_path, patches(FILES)[0])
    (tmp_path / "empty").touch()
    with pytest.raises(InvalidPatch, match="cut off"):
        models.append_to_chain(tmp_path / "empty", patches(FILES)[0])
    assert (tmp_path / "empty").read_bytes() == b""
