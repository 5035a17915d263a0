"""`sapwood plan`: chooses what to fetch."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sapwood.cli.arguments import STDIO, UNITS, add_command
from sapwood.cli.reports import tell_json
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.models import Offered

DESCRIPTION = """\
Chooses what a receiver should fetch to come from the versions that it has to the one that it
wants: a patch, several, a whole file, or an older file and patches. Shows every route that was
weighed, with bytes and seconds, and why it is not the one. Links of a chain are taken to be
fetched one by one."""

EXAMPLES = (
    "sapwood plan --have v1.gguf --want v4.gguf --chain model.ttc --full v4.gguf",
    "sapwood plan --have ~/models --want SHA256 --patch *.ttp --bandwidth 2MB/s --by time",
    "sapwood plan --have SHA256 --want SHA256 --patch a.ttp b.ttp --json | jq .route",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "plan", _run, "choose what to fetch", DESCRIPTION, EXAMPLES)
    several: dict[str, Any] = {"action": "extend", "nargs": "+", "default": []}
    parser.add_argument(
        "--have",
        metavar="FILE",
        help="versions that are there: files, folders to look in, or SHA-256",
        **several,
    )
    parser.add_argument(
        "--want", required=True, metavar="FILE", help="the version that is wanted, or its SHA-256"
    )
    parser.add_argument(
        "--patch", dest="patches", metavar="FILE", help="patches that can be fetched", **several
    )
    parser.add_argument(
        "--chain", dest="chains", metavar="FILE", help="chains that can be fetched", **several
    )
    parser.add_argument(
        "--full", metavar="FILE", help="versions that can be fetched as they are", **several
    )
    parser.add_argument(
        "--by",
        choices=("bytes", "time"),
        default="bytes",
        help="what to save: bytes to fetch, or time to fetch and apply (default: bytes)",
    )
    parser.add_argument(
        "--bandwidth",
        type=_speed,
        metavar="SPEED",
        help="bytes that can be fetched in a second (default: 10MB/s)",
    )
    parser.add_argument(
        "--apply-speed",
        type=_speed,
        metavar="SPEED",
        help="bytes of a version that applying makes in a second (default: 250MB/s)",
    )


def _speed(text: str) -> int:
    """Bytes a second, as 10MB/s."""
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([KMG]I?)?B?(?:/S)?", text.upper())
    value = int(float(match[1]) * UNITS[match[2] or ""]) if match else 0
    if not 1 <= value <= 10**15:
        raise argparse.ArgumentTypeError(f"expected a speed such as 10MB/s, found {text!r}")
    return value


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.plan_listing import show_plan

    offered = list(_read_offers(arguments))
    want, want_sizes = _wanted(arguments.want)
    sizes = {size for one in offered for size in one.base_sizes} | want_sizes
    sizes |= {one.target_size for one in offered if one.target == want}
    have, files = [], []
    for name in arguments.have:
        digest = _as_digest(name)
        if digest is None:
            files.append(name)
        else:
            have.append(digest)
    have += models.held_versions(files, sizes)
    plan = models.plan_route(
        have,
        want,
        offered,
        by=arguments.by,
        bandwidth=arguments.bandwidth or models.BANDWIDTH,
        apply_speed=arguments.apply_speed or models.APPLY_SPEED,
    )
    if plan.route is None:
        raise InputError(plan.reason)
    if arguments.json:
        asked = {"want": want.hex(), "have": [one.hex() for one in have]}
        tell_json(arguments, {"command": "plan", **asked, **plan.to_json()})
    elif not arguments.quiet:
        show_plan(plan)
    return 0


def _read_offers(arguments: argparse.Namespace) -> Iterator[Offered]:
    """All that can be fetched.

    Raises:
        InputError: a patch is of a tensor; nothing is offered; stdin is named.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: one is damaged.
        IoError: a file cannot be read.
    """
    from sapwood.cli.streams import shown_name
    from sapwood.models import chain_offers, file_offer, patch_offer

    names = [*arguments.patches, *arguments.chains, *arguments.full]
    if STDIO in [*names, *arguments.have, arguments.want]:
        raise InputError("plan reads files by their names; name one in place of -")
    for name in arguments.patches:
        yield patch_offer(name, shown_name(name))
    for name in arguments.chains:
        yield from chain_offers(name, shown_name(name))
    for name in arguments.full:
        yield file_offer(name, shown_name(name))


def _as_digest(name: str) -> bytes | None:
    """A SHA-256 that is given in the place of a file; None of what is no such thing."""
    from pathlib import Path

    if re.fullmatch(r"[0-9a-fA-F]{64}", name) and not Path(name).exists():
        return bytes.fromhex(name)
    return None


def _wanted(name: str) -> tuple[bytes, set[int]]:
    """The SHA-256 of what is wanted, and its size if that is known.

    Raises:
        IoError: the file cannot be read.
    """
    from sapwood.models import file_offer

    digest = _as_digest(name)
    if digest is not None:
        return digest, set()
    found = file_offer(name, name)
    return found.target, {found.size}
