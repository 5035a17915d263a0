"""The bars of the design, and how far the measurements are from each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bar import Bar
from merge_bars import merge_bars
from results import DELTA_TOOLS, PCODEC, SAPWOOD, PairResult, Results

FINE_TUNES_BF16 = ("bf16-sft", "bf16-sft-200", "bf16-lora")
STEPS = ("bf16-sft-step", "bf16-rl-step")
FULL_F32 = ("f32-sft", "f32-sft-step")
MIB = 1 << 20
SPOKEN = {"decode": "decode and apply", "create": "create"}


def size_bar(pair: PairResult, what: str, limit: float, other: tuple[str, int] | None) -> Bar:
    """Sapwood's patch as a share of another's."""
    label, asked = f"{what}: {pair.key}", f"at most {limit:.2f}"
    own = pair.sizes().get(SAPWOOD)
    if own is None or other is None:
        return Bar(label, asked, "not measured", None)
    peer, size = other
    ratio = own / size
    return Bar(label, asked, f"{ratio:.3f} of {peer} ({own:,} / {size:,} bytes)", ratio <= limit)


def against(peer: str) -> Callable[[PairResult], tuple[str, int] | None]:
    return lambda pair: pair.best((peer,))


def best_delta_tool(pair: PairResult) -> tuple[str, int] | None:
    return pair.best(DELTA_TOOLS)


def best_of_all(pair: PairResult) -> tuple[str, int] | None:
    return pair.best()


SIZES = (
    ("size against the best delta tool", FINE_TUNES_BF16, 0.70, best_delta_tool),
    ("size against pcodec on ULP", FINE_TUNES_BF16, 0.78, against(PCODEC)),
    ("size against the best delta tool", ("f16-sft",), 0.78, best_delta_tool),
    ("size against pcodec on ULP", ("f16-sft",), 0.86, against(PCODEC)),
    ("size against the best of all", STEPS, 0.65, best_of_all),
    ("size against the best of all", FULL_F32, 0.97, best_of_all),
)


def size_bars(results: Results) -> Iterator[Bar]:
    for what, keys, limit, choose in SIZES:
        for key in keys:
            pair = results.pair(key)
            if pair is not None:
                yield size_bar(pair, what, limit, choose(pair))


def speed_bars(results: Results) -> Iterator[Bar]:
    """In memory, on one core."""
    asked = {"dense": 1.2, "sparse": 3.0}  # GB/s of target bytes
    for row in results.data["codec_speed"]:
        if row["threads"] != 1:
            continue
        for verb, limit in (("decode", asked[row["label"]]), ("create", 0.4)):
            what = f"{SPOKEN[verb]} in memory, one core, {row['label']} bf16: {row['pair']}"
            if "reason" in row:
                yield Bar(what, f"{limit} GB/s", row["reason"], None)
                continue
            speed = row["bytes"] / row[f"{verb}_seconds"] / 1e9
            yield Bar(what, f"at least {limit} GB/s", f"{speed:.2f} GB/s", speed >= limit)


def file_bars(results: Results) -> Iterator[Bar]:
    """Apply from file to file on all cores, as it comes, against the copy."""
    for pair in results.pairs:
        cell = pair.cell(SAPWOOD, results.cores)
        what = f"apply, file to file, against a copy with SHA-256: {pair.key}"
        if cell is None:
            yield Bar(what, "at most 1.5", "not measured", None)
            continue
        copies = pair.data["copy_seconds"]
        ratio = cell["apply_seconds"] / copies[str(results.cores)]
        text = f"{ratio:.2f}"
        one = pair.cell(SAPWOOD, 1)
        if one is not None and results.cores > 1:
            text += f" (one core: {one['apply_seconds'] / copies['1']:.2f})"
        yield Bar(what, "at most 1.5", text, ratio <= 1.5)


def memory_bars(results: Results) -> Iterator[Bar]:
    if results.memory is None:
        yield Bar("memory of create and apply, 4 GiB", "at most 256 MiB", "not measured", None)
        return
    size = results.memory["target_bytes"] / (1 << 30)
    for verb in ("create", "apply"):
        over = results.memory[verb]["anon_over_bare"] / MIB
        yield Bar(
            f"memory of {verb}, {size:.1f} GiB, over the bare command",
            "at most 256 MiB",
            f"{over:.0f} MiB of RssAnon",
            over <= 256,
        )


def help_bar(results: Results) -> Bar:
    found = results.data["help"]
    if "seconds" not in found:
        return Bar("`sapwood --help`", "at most 100 ms", found.get("reason", "not measured"), None)
    milliseconds = found["seconds"] * 1000
    return Bar("`sapwood --help`", "at most 100 ms", f"{milliseconds:.0f} ms", milliseconds <= 100)


def bars(results: Results) -> list[Bar]:
    """Every bar that this benchmark covers, in the design's order."""
    return [
        *size_bars(results),
        *(merge_bars(results.merges) if results.merges else ()),
        *speed_bars(results),
        *file_bars(results),
        *memory_bars(results),
        help_bar(results),
    ]
