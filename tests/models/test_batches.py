"""Work on many pairs: every one is done, threads are shared, and an end comes soon."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sapwood.errors import InputError
from sapwood.models.batches import Batch, Pair, Stopped, divided, folders_for
from sapwood.progress import Progress


def pairs(sizes: list[int]) -> list[Pair]:
    return [Pair(str(i), Path(), Path(), size) for i, size in enumerate(sizes)]


@given(st.integers(1, 300), st.integers(1, 300))
def test_shares_are_even_and_use_every_thread(threads: int, jobs: int) -> None:
    shares = divided(threads, jobs)
    assert len(shares) == jobs
    assert max(shares) - min(shares) <= 1
    assert sum(shares) == max(threads, jobs)


@given(st.lists(st.integers(0, 99), min_size=1), st.integers(1, 5), st.integers(1, 9))
def test_results_come_in_order_and_progress_ends_at_the_whole(
    sizes: list[int], jobs: int, threads: int
) -> None:
    told: list[tuple[int, int]] = []
    lock = threading.Lock()
    running: list[int] = []

    def work(pair: Pair, share: int, progress: Progress) -> str:
        with lock:
            running.append(share)
            assert sum(running) <= threads
        progress(1, 2)
        with lock:
            running.remove(share)
        return pair.name

    batch = Batch(work, jobs, threads, lambda done, total: told.append((done, total)))
    every = pairs(sizes)
    assert batch.run(every) == [pair.name for pair in every]
    assert told[-1] == (sum(sizes), sum(sizes))
    assert {total for _, total in told} == {sum(sizes)}
    assert max(done for done, _ in told) == sum(sizes)
    assert batch.jobs <= batch.threads == threads


def test_the_largest_begins_first() -> None:
    begun: list[int] = []
    batch = Batch(lambda pair, share, progress: begun.append(pair.size), jobs=1)
    batch.run(pairs([3, 9, 1, 7]))
    assert begun == [9, 7, 3, 1]


def test_an_error_of_the_work_ends_the_files_that_are_begun() -> None:
    begun = threading.Barrier(2)
    ended: list[str] = []

    def work(pair: Pair, share: int, progress: Progress) -> None:
        begun.wait(30)
        if pair.name == "0":
            raise ZeroDivisionError
        try:
            while True:
                progress(0, 1)
        except Stopped:
            ended.append(pair.name)
            raise

    with pytest.raises(ZeroDivisionError):
        Batch(work, jobs=2, threads=2).run(pairs([5, 4, 1, 1, 1]))
    assert ended == ["1"]


@pytest.mark.parametrize("numbers", [(0, None), (1, 0), (-1, 4)])
def test_numbers_below_one_are_refused(numbers: tuple[int, int | None]) -> None:
    jobs, threads = numbers
    with pytest.raises(InputError):
        Batch(lambda pair, share, progress: None, jobs, threads)


def test_only_folders_that_were_missing_and_stay_empty_go_again(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    wanted = [tmp_path / name for name in ("there/a/b/file", "new/kept", "new/empty/file")]
    with folders_for(wanted):
        wanted[1].write_bytes(b"")
    left = sorted(one.relative_to(tmp_path).as_posix() for one in tmp_path.rglob("*"))
    assert left == ["new", "new/kept", "there"]
