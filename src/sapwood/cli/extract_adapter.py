"""`sapwood extract-adapter`: writes the low-rank updates in a patch as a PEFT adapter."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sapwood.cli.arguments import STDIO, add_bases, add_command, add_threads
from sapwood.cli.reports import count, human_size, percentage, printable, tell
from sapwood.cli.trusting import receiving
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.models import AdapterReport, Remainder

MOST_LINES = 20

DESCRIPTION = """\
Writes the low-rank updates that 'sapwood create' found, those of a merged adapter as a rule, as an
adapter that PEFT loads: adapter_model.safetensors and adapter_config.json. Base and adapter come
near the target; the patch leads to it exactly. With the base it is told how near."""

EXAMPLES = (
    "sapwood extract-adapter --patch v1-v2.ttp --out adapter",
    "sapwood extract-adapter --patch v1-v2.ttp --base v1.safetensors --out adapter --dtype bf16",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "extract-adapter",
        _run,
        "write the low-rank updates in a patch as an adapter",
        DESCRIPTION,
        EXAMPLES,
    )
    parser.add_argument("--patch", required=True, metavar="FILE", help="the patch; - for stdin")
    add_bases(
        parser,
        "the file that the patch was made from, or a folder to look for it in; - for stdin. "
        "Once for each, if there are several",
        required=False,
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="a folder that is new, or empty"
    )
    parser.add_argument(
        "--dtype",
        choices=("f32", "f16", "bf16"),
        default="f32",
        help="type of the adapter's numbers (default: f32, which loses nothing)",
    )
    parser.add_argument(
        "--all", action="store_true", help=f"list every tensor, not {MOST_LINES} at most"
    )
    add_threads(parser)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs, shown_name

    started = time.monotonic()
    if arguments.out == STDIO:
        raise InputError("--out -: an adapter is a folder; name one")
    names = arguments.base or []
    patch, *bases = named_inputs(arguments.patch, *names)
    with receiving(arguments, "comparing") as how:
        found = models.extract_adapter(
            patch,
            arguments.out,
            base=bases or None,
            dtype=arguments.dtype,
            receiving=how,
        )
    facts = {
        "command": "extract-adapter",
        "patch": shown_name(arguments.patch),
        "bases": names,
        "out": arguments.out,
        "dtype": arguments.dtype,
        **found.to_json(),
        "seconds": time.monotonic() - started,
    }
    most = None if arguments.all else MOST_LINES
    tell(arguments, facts, "\n".join(_report_lines(arguments, found, most)))
    return 0


def _report_lines(
    arguments: argparse.Namespace, found: AdapterReport, most: int | None
) -> Iterator[str]:
    """What was written and what it leaves, for people."""
    size = f"{human_size(found.size)} in {arguments.dtype}"
    yield f"{arguments.out}: adapter for {count(len(found.modules), 'module')}, {size}"
    if found.remainder is None:
        yield "give --base to learn what base and adapter leave of the target"
    else:
        yield f"all together: {_remainder_text(found.remainder)}"
    yield from _listed(
        [
            f"{printable(one.name)}: rank {one.rank}"
            + ("" if one.remainder is None else f", {_remainder_text(one.remainder)}")
            for one in found.modules
        ],
        most,
    )
    if found.left_out:
        yield f"left out, though changed: {count(len(found.left_out), 'tensor')}"
        yield from _listed([f"{printable(name)}: {why}" for name, why in found.left_out], most)


def _listed(lines: Sequence[str], most: int | None) -> Iterator[str]:
    """The first lines of a list, set in."""
    for line in lines[:most]:
        yield f"  {line}"
    if most is not None and len(lines) > most:
        yield f"  and {len(lines) - most} more; --all lists them"


def _remainder_text(remainder: Remainder) -> str:
    """What is left, in words."""
    wrong = percentage(remainder.wrong, remainder.elements)
    return f"{wrong} of the elements come out wrong, {remainder.share:.3g} of the change is left"
