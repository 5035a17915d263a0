"""`sapwood fingerprint`: tells versions of a model apart."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import STDIO, add_command, add_selection
from sapwood.cli.reports import human_size, note, printable, tell

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.models import Fingerprint

DESCRIPTION = """\
Shows which version of a model a file is, in about 10 ms whatever its size: from its length and a
sample of all parts. Equal fingerprints mean likely the same version; a change of a few weights
may go unseen in a file above 4 MiB. --full reads everything, and is certain."""

EXAMPLES = (
    "sapwood fingerprint model.safetensors",
    "sapwood fingerprint model.safetensors --full",
    "sapwood fingerprint model-v1/ model-v2/",
    "sapwood fingerprint here.gguf there.gguf --json | jq .match",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "fingerprint", _run, "tell versions of a model apart", DESCRIPTION, EXAMPLES
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a model, a file or a folder; - for stdin"
    )
    add_selection(parser)
    parser.add_argument(
        "--full", action="store_true", help="show the SHA-256 of the whole file too"
    )


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs

    names: list[str] = arguments.files
    found = [
        models.fingerprint(
            one, full=arguments.full, include=arguments.include, exclude=arguments.exclude
        )
        for one in named_inputs(*names)
    ]
    notes = [text for one in found for text in one.warnings]
    for text in notes:
        note(arguments, text)
    facts = {
        "command": "fingerprint",
        "files": [{"file": name, **one.to_json()} for name, one in zip(names, found, strict=True)],
        "match": all(one.matches(found[0]) for one in found),
        "notes": notes,
    }
    lines = [_line_of(name, one) for name, one in zip(names, found, strict=True)]
    if len(found) > 1:
        lines.append("likely the same version" if facts["match"] else "different versions")
    tell(arguments, facts, "\n".join(lines))
    return 0


def _line_of(name: str, found: Fingerprint) -> str:
    """A fingerprint in a line."""
    full = "" if found.full_digest is None else f", SHA-256 {found.full_digest}"
    shown = "<stdin>" if name == STDIO else printable(name)
    return f"{found.short()}  {shown}  {found.format}, {human_size(found.file_size)}{full}"
