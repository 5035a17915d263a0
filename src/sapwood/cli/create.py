"""`sapwood create`: makes a patch."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sapwood.cli.arguments import (
    add_bases,
    add_batch,
    add_command,
    add_level,
    add_selection,
    add_threads,
    chunk_size,
    key_and_value,
)
from sapwood.cli.reports import count, human_size, note, percentage, tell
from sapwood.cli.signing_options import add_signing, exposed, signing_key
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.models import PatchStats

DESCRIPTION = """\
Makes the patch that turns one file into another, byte for byte, and decodes it again to make
sure. Models are patched tensor by tensor, all other files as bytes; the kind of a file is told
from its content. Folders are patched whole: tensors are found in whichever file they are, so that
a model may be cut into other shards. What lies in them by accident is left out, with a note: .git,
.cache, __pycache__ and the like. A target that was merged from several models gets the
smallest patch from all of them; an adapter as PEFT writes it may be one of them."""

EXAMPLES = (
    "sapwood create --base v1.safetensors --target v2.safetensors --out v1-v2.ttp",
    "sapwood create --base v1.gguf --target v2.gguf --out v1-v2.ttp --reverse v2-v1.ttp",
    "sapwood create --base old.npy --target new.npy --out new.ttp --metadata run=17 step=900",
    "sapwood create --base model-v1/ --target model-v2/ --out v1-v2.ttp",
    "sapwood create --base v1/ --target v2/ --out p.ttp --exclude 'logs/**' --exclude '**/*.tmp'",
    "sapwood create --base math.safetensors --base code.safetensors --target both.st --out p.ttp",
    "sapwood create --base model.st --base lora/adapter_model.safetensors --target new.st --out p",
    "sapwood create --base v1.bin --target v2.bin --out p.ttp --private-key k.key --counter 17",
    "zcat v2.bin.gz | sapwood create --base v1.bin --target - --out - | ssh HOST 'cat > patch'",
    "sapwood create --base v1/ --target v2/ --out patches/ --keep-going --jobs 4",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "create", _run, "make a patch", DESCRIPTION, EXAMPLES)
    add_bases(
        parser,
        "the version one has, a file or a folder; - for stdin. Again for each further one, for a "
        "target that was merged from several: applying the patch takes them all",
    )
    parser.add_argument(
        "--target",
        required=True,
        metavar="FILE",
        help="the version one wants, a file or a folder; - for stdin",
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="where the patch goes; - for stdout"
    )
    parser.add_argument(
        "--reverse",
        metavar="FILE",
        help="make the patch that leads back too, from the target to the one base, and put it "
        "here; both appear or neither",
    )
    notes = parser.add_mutually_exclusive_group()
    notes.add_argument(
        "--metadata",
        type=key_and_value,
        action="extend",
        nargs="+",
        metavar="KEY=VALUE",
        help="text to keep in the patch, for 'inspect'",
    )
    notes.add_argument("--metadata-json", metavar="FILE", help="a JSON object to keep in the patch")
    add_selection(parser)
    add_threads(parser)
    coding = parser.add_argument_group("coding")
    add_level(coding)
    coding.add_argument(
        "--chunk-size",
        type=chunk_size,
        default=4 << 20,
        metavar="SIZE",
        help="target bytes that are coded alone, 1KiB to 1GiB (default: 4MiB)",
    )
    coding.add_argument(
        "--no-low-rank",
        dest="low_rank",
        action="store_false",
        help="do not look for low-rank updates, as merged adapters leave them",
    )
    add_signing(parser.add_argument_group("signature"))
    add_batch(parser, "create")


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.progress import progress_bar
    from sapwood.cli.streams import named_inputs, output

    started = time.monotonic()
    kept = [] if arguments.private_key is None else [arguments.private_key]
    out = output(arguments.out, *arguments.base, arguments.target, *kept)
    key = signing_key(arguments)
    back = None
    if arguments.reverse is not None:
        back = output(arguments.reverse, *arguments.base, arguments.target, *kept)
    metadata = _read_metadata(arguments)
    names = [*arguments.base, arguments.target]
    with progress_bar(arguments, "creating") as progress:
        *sources, wanted = named_inputs(*names)
        stats = models.create_patch(
            sources,
            wanted,
            out,
            arguments.level,
            private_key=key,
            counter=arguments.counter,
            metadata=metadata,
            chunk_size=arguments.chunk_size,
            low_rank=arguments.low_rank,
            reverse=back,
            include=arguments.include,
            exclude=arguments.exclude,
            threads=arguments.threads,
            progress=progress,
        )
    warning = None if key is None else exposed(arguments.private_key)
    notes = [*stats.warnings, *([] if warning is None else [warning])]
    _tell_created(arguments, stats, notes, time.monotonic() - started)
    return 0


def _tell_created(
    arguments: argparse.Namespace,
    stats: PatchStats,
    notes: Sequence[str],
    seconds: float,
) -> None:
    """Tells what was made.

    Args:
        arguments: options of the command.
        stats: sizes and counts of the patch.
        notes: what the user should know of the files.
        seconds: time that it took.
    """
    for one in notes:
        note(arguments, one)
    facts = {
        "command": "create",
        "base": arguments.base[0],
        "bases": arguments.base,
        "target": arguments.target,
        "out": arguments.out,
        "reverse": arguments.reverse,
        **stats.to_json(),
        "seconds": seconds,
        "notes": list(notes),
    }
    tell(arguments, facts, _summary(arguments, stats))


def _summary(arguments: argparse.Namespace, stats: PatchStats) -> str:
    """The result in a line."""
    tensors = ""
    if stats.tensors_modified + stats.tensors_unchanged:
        modified = count(stats.tensors_modified, "tensor")
        tensors = f"; {modified} changed, {stats.tensors_unchanged} unchanged"
    signed = ""
    if stats.signing is not None:
        signed = f"; signed with counter {stats.signing.counter}"
    return (
        f"{arguments.out}: {human_size(stats.patch_size)}, "
        f"{percentage(stats.patch_size, stats.target_size)} of {arguments.target} "
        f"({human_size(stats.target_size)}){tensors}{signed}"
    )


def _read_metadata(arguments: argparse.Namespace) -> dict[str, Any]:
    """The metadata, of either option, as a patch will hold it.

    Raises:
        InputError: it is not an object of JSON values.
        IoError: the file cannot be read.
    """
    import codecs

    from sapwood.documents import Fields, parse, plain
    from sapwood.files import read_source

    if arguments.metadata_json is None:
        pairs = arguments.metadata or []
        if len(dict(pairs)) != len(pairs):
            raise InputError("--metadata: a key occurs twice; give each one value")
        return plain(dict(pairs))
    name = arguments.metadata_json
    data = read_source(name).tobytes().removeprefix(codecs.BOM_UTF8)
    remedy = "correct the file"
    value = parse(data, name, InputError, remedy=remedy)
    return Fields(value, name, InputError, remedy=remedy).every_value()
