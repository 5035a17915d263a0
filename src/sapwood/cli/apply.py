"""`sapwood apply`: makes the target of a patch."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sapwood.cli.arguments import STDIO, add_bases, add_batch, add_command, add_memory, add_threads
from sapwood.cli.reports import count, human_size, signed, tell
from sapwood.cli.trusting import add_trust, receiving
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.files import Source
    from sapwood.models import PatchApplication, Receiving

DESCRIPTION = """\
Makes the target of a patch from its base, or from its bases. The patch, the bases and the result
are checked, and the output takes its name only then: it may be a base itself. Long runs of zeros
in it take no room on the disk. Bases are told by their content: their order does not matter, and
those below a folder are found. A target that is a folder is made where nothing is. With --tensor
the output is a safetensors file of some tensors alone; of a patch behind a URL only their parts
are fetched then.

With --in-place the base itself becomes the target, where the disk cannot hold both. A journal
beside it (.NAME.sapwood-journal) sees to it that a kill or a power cut does no harm: run the same
command again and it goes on, or 'sapwood roll-back FILE' to have the base again. A file that has
other names is refused, for they would show the target too; see --break-links."""

EXAMPLES = (
    "sapwood apply --base v1.safetensors --patch v1-v2.ttp --out v2.safetensors",
    "sapwood apply --base model.bin --patch update.ttp --out model.bin --public-key release.pub",
    "sapwood apply --base math.safetensors --base code.safetensors --patch p.ttp --out both.st",
    "sapwood apply --base ~/models --patch v1-v2.ttp --out v2.safetensors",
    "sapwood apply --base v1.bin --patch https://example.org/v1-v2.ttp --out v2.bin --resume",
    "sapwood apply --base v1.st --patch v1-v2.ttp --tensor 'layers.0.*' --out layer0.safetensors",
    "sapwood apply --in-place model.safetensors --patch v1-v2.ttp",
    "sapwood apply --in-place snapshots/main/model.st --patch v1-v2.ttp --break-links",
    "sapwood apply --base model-v1/ --patch v1-v2.ttp --out model-v2/",
    "ssh HOST cat v1-v2.ttp | sapwood apply --base v1.npy --patch - --out v2.npy",
    "sapwood apply --base v1/ --patch patches/ --out v2/ --keep-going",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "apply", _run, "make the target from its base", DESCRIPTION, EXAMPLES
    )
    add_bases(
        parser,
        "the file or folder that the patch was made from, or a folder to look for the file in; "
        "- for stdin. Once for each, if there are several",
        required=False,
    )
    parser.add_argument(
        "--patch",
        required=True,
        metavar="FILE",
        help="the patch, or its URL (http:// or https://); - for stdin, which waits in a "
        "temporary file until it is whole",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", metavar="FILE", help="where the target goes; - for stdout")
    where.add_argument(
        "--in-place",
        metavar="FILE",
        help="the base, to become the target itself; other bases are given by --base",
    )
    parser.add_argument(
        "--tensor",
        action="append",
        default=[],
        metavar="NAME",
        help="write this tensor of the target alone, or those that fit a pattern such as "
        "'layers.0.*', as a safetensors file (may be repeated)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where a run with --resume was cut short, with the download and the output, "
        "which wait in hidden files beside the output",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="patch of a tensor, as sapwood.create_patch makes them in Python: take any .npy file "
        "of its dtype and shape, several in the order in which the patch was made from them, "
        "check no result; chunks that only decode against the right base are an error all the same",
    )
    add_threads(parser)
    add_memory(parser)
    undo = parser.add_argument_group("with --in-place")
    undo.add_argument(
        "--no-undo",
        action="store_true",
        help="keep nothing to roll back with, and try the patch first",
    )
    undo.add_argument(
        "--keep-undo",
        action="store_true",
        help="keep the journal when all is done, for 'sapwood roll-back' until the command is "
        "run again without this option",
    )
    undo.add_argument(
        "--break-links",
        action="store_true",
        help="of a file that has other names (hard links, links to it, as in the cache of Hugging "
        "Face), which is refused else: put a copy in its place first, for which the disk needs "
        "room; the other names lead to the base as before",
    )
    add_trust(parser)
    add_batch(parser, "apply")


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood.cli.streams import named_inputs, shown_name

    started = time.monotonic()
    _check_options(arguments)
    if arguments.in_place is not None:
        arguments.out = arguments.in_place
        arguments.base = [arguments.in_place, *(arguments.base or [])]  # which errors name
        work = _update_in_place
    else:
        work = _write_tensors if arguments.tensor else _write_target
    patch, *bases = named_inputs(arguments.patch, *arguments.base)
    with receiving(arguments, "applying") as how:
        found, what = work(arguments, patch, bases, how)
    facts = {
        "command": "apply",
        "base": arguments.base[0],
        "bases": arguments.base,
        "patch": shown_name(arguments.patch),
        "out": arguments.out,
        **found,
        "seconds": time.monotonic() - started,
    }
    tell(arguments, facts, f"{arguments.out}: {what}")
    return 0


def _check_options(arguments: argparse.Namespace) -> None:
    """Refuses options that contradict each other.

    Raises:
        InputError: some do.
    """
    in_place = arguments.in_place is not None
    if not in_place:
        if arguments.base is None:
            raise InputError("--base is missing; see 'sapwood apply --help'")
        if arguments.no_undo or arguments.keep_undo or arguments.break_links:
            raise InputError(
                "--no-undo, --keep-undo and --break-links are for --in-place; leave them out"
            )
    elif arguments.tensor or arguments.resume or arguments.memory is not None:
        raise InputError(
            "--in-place goes with none of --tensor, --resume and --memory; leave them out "
            "(what was cut short in place goes on anyhow)"
        )
    if arguments.force and arguments.public_key:
        raise InputError("--force gives up what --public-key demands; leave one of them out")
    if arguments.tensor and (arguments.force or arguments.resume):
        raise InputError("--tensor goes with neither --force nor --resume; leave it out")
    if arguments.resume and arguments.out == STDIO:
        raise InputError("--resume goes on with a file; name one with --out")
    if arguments.in_place == STDIO:
        raise InputError("--in-place -: expected the name of a file")
    if in_place and arguments.force:
        raise InputError("--force takes any base, and --in-place cannot; leave one of them out")


def _write_tensors(
    arguments: argparse.Namespace, patch: Source, bases: Sequence[Source], how: Receiving
) -> tuple[dict[str, Any], str]:
    """Writes some tensors alone; returns what was written, as JSON values and in words."""
    from sapwood import models
    from sapwood.cli.streams import output

    out = output(arguments.out, arguments.patch, *arguments.base, *arguments.signature)
    signature = arguments.signature or None
    found = models.extract_tensors(
        bases, patch, out, arguments.tensor, signature=signature, receiving=how
    )
    return found.to_json(), f"{count(len(found.tensors), 'tensor')}, checked"


def _write_target(
    arguments: argparse.Namespace, patch: Source, bases: Sequence[Source], how: Receiving
) -> tuple[dict[str, Any], str]:
    """Writes the whole target; returns the same as `_write_tensors`."""
    from sapwood import models
    from sapwood.cli.streams import output

    found = models.apply_patch(
        bases,
        patch,
        output(arguments.out, arguments.patch, *arguments.public_key, *arguments.signature),
        signature=arguments.signature or None,
        resume=arguments.resume,
        force=arguments.force,
        receiving=how,
    )
    return found.to_json(), _summary(found)


def _update_in_place(
    arguments: argparse.Namespace, patch: Source, bases: Sequence[Source], how: Receiving
) -> tuple[dict[str, Any], str]:
    """Makes the first base the target; returns the same as `_write_tensors`."""
    from sapwood import models

    found = models.in_place.apply(
        arguments.in_place,
        patch,
        sources=bases[1:],
        signature=arguments.signature or None,
        undo=not arguments.no_undo,
        keep_undo=arguments.keep_undo,
        break_links=arguments.break_links,
        receiving=how,
    )
    return {"in_place": True, **found.to_json()}, _summary(found)


def _summary(found: PatchApplication) -> str:
    """What was made and what was checked, in words."""
    checked = "checked" if found.checked else "not checked"
    return f"{human_size(found.target_size)}, {checked}{signed(found.counter)}"
