"""`sapwood diff`: tells which tensors of a model changed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import STDIO, add_command, add_selection
from sapwood.cli.reports import note, tell_json
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.models import ModelDiff

DIFFERENT = 1  # the exit code that --exit-code asks for

DESCRIPTION = """\
Shows which tensors of a model changed and by how much, those that changed most first: how many
elements, the change relative to the base (root mean squares), and the largest and the mean
change in ULPs, or in units for integers. Reads any format that patches know, and folders."""

EXAMPLES = (
    "sapwood diff --base v1.safetensors --target v2.safetensors",
    "sapwood diff --base v1.gguf --target v2.gguf --all | grep attn",
    "sapwood diff --base model-v1/ --target model-v2/",
    "sapwood diff --base v1.onnx --target v2.onnx --picture changes.svg",
    "sapwood diff --base a.npz --target b.npz --quiet --exit-code && echo equal",
    "sapwood diff --base v1.pt --target v2.pt --json | jq '.tensors[] | select(.relative > 0.1)'",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "diff", _run, "tell which tensors of a model changed", DESCRIPTION, EXAMPLES
    )
    parser.add_argument(
        "--base",
        required=True,
        metavar="FILE",
        help="one version of the model, a file or a folder; - for stdin",
    )
    parser.add_argument(
        "--target", required=True, metavar="FILE", help="the other version; - for stdin"
    )
    add_selection(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help="show every tensor, not the 20 that changed most",
    )
    parser.add_argument(
        "--picture",
        metavar="FILE",
        help="write an SVG picture: a bar for each tensor that changed, on a logarithmic scale",
    )
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help=f"exit with {DIFFERENT} where anything differs, and with 0 where nothing does",
    )


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli import diff_listing
    from sapwood.cli.progress import progress_bar
    from sapwood.cli.streams import named_inputs, same_file

    base, target = named_inputs(arguments.base, arguments.target)
    picture: str | None = arguments.picture
    if picture == STDIO:
        raise InputError("--picture -: the table goes to stdout; name a file")
    for name in (arguments.base, arguments.target):
        if picture is not None and same_file(picture, name):
            raise InputError(f"--picture {picture}: would replace {name}; name another file")
    with progress_bar(arguments, "comparing") as progress:
        found = models.diff(
            base,
            target,
            include=arguments.include,
            exclude=arguments.exclude,
            progress=progress,
        )
    for one in found.warnings:
        note(arguments, one)
    if picture is not None:
        _write_picture(found, picture)
    if arguments.json:
        names = {"base": arguments.base, "target": arguments.target}
        facts = {"command": "diff", **names, **found.to_json(), "notes": list(found.warnings)}
        tell_json(arguments, facts)
    elif not arguments.quiet:
        diff_listing.show(found, everything=arguments.all)
    return DIFFERENT if arguments.exit_code and not found.equal else 0


def _write_picture(found: ModelDiff, name: str) -> None:
    """Writes the picture, whole or not at all.

    Raises:
        IoError: it cannot be written.
    """
    from sapwood.cli.diff_picture import svg
    from sapwood.files import atomic_output

    with atomic_output(name) as out:
        out.write(svg(found).encode())
