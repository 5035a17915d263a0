"""`sapwood verify`: tells whether a patch would apply."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_bases, add_batch, add_command, add_memory, add_threads
from sapwood.cli.failures import report
from sapwood.cli.reports import signed, tell
from sapwood.cli.trusting import add_trust, receiving
from sapwood.errors import InvalidPatch, SapwoodError, SignatureError, SourceHashMismatch

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.models import PatchVerification

DESCRIPTION = """\
Checks that a patch would apply to a base, or to its bases, by doing everything but writing the
target; and that those have signed it who are trusted, if keys are given."""

EXAMPLES = (
    "sapwood verify --base v1.safetensors --patch v1-v2.ttp",
    "sapwood verify --base ~/models --patch merged.ttp",
    "sapwood verify --base v1.bin --patch https://example.org/v1-v2.ttp",
    "sapwood verify --base model-v1/ --patch v1-v2.ttp",
    "sapwood verify --base v1.npy --patch v2.ttp --quiet && echo fine",
    "sapwood verify --base v1.bin --patch v2.ttp --public-key release.pub --minimum-counter 17",
    "sapwood verify --base v1/ --patch patches/ --keep-going --json | jq .failed",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "verify", _run, "tell whether a patch would apply", DESCRIPTION, EXAMPLES
    )
    add_bases(
        parser,
        "the file or folder to apply it to, or a folder to look for the file in; - for stdin. "
        "Once for each, if there are several",
    )
    parser.add_argument(
        "--patch", required=True, metavar="FILE", help="the patch, or its URL; - for stdin"
    )
    add_threads(parser)
    add_memory(parser)
    add_trust(parser)
    add_batch(parser, "verify")


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs, shown_name

    started = time.monotonic()
    patch, *bases = named_inputs(arguments.patch, *arguments.base)
    with receiving(arguments, "verifying") as how:
        found = models.verify_patch(
            bases, patch, signature=arguments.signature or None, receiving=how
        )
    facts = {
        "command": "verify",
        "base": arguments.base[0],
        "bases": arguments.base,
        "patch": shown_name(arguments.patch),
        **found.to_json(),
        "seconds": time.monotonic() - started,
    }
    if not found.is_valid():
        return report(_failure(found), arguments, facts)
    names, counter = ", ".join(arguments.base), signed(found.counter, "; ")
    tell(arguments, facts, f"{shown_name(arguments.patch)}: intact, and made for {names}{counter}")
    return 0


def _failure(found: PatchVerification) -> SapwoodError:
    """The error that applying the patch would raise."""
    kind: type[SapwoodError] = SourceHashMismatch if found.patch_valid else InvalidPatch
    if found.signature_valid is False:
        kind = SignatureError
    return kind(found.error or "wrong; get the patch anew")
