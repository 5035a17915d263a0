"""`sapwood apply --in-place`: the base itself becomes the target."""

from __future__ import annotations

import argparse
import time

from sapwood.cli.arguments import STDIO
from sapwood.cli.reports import human_size, tell
from sapwood.cli.trusting import trust_options
from sapwood.errors import InputError


def run(arguments: argparse.Namespace, started: float) -> int:
    """Runs the command.

    Args:
        arguments: of `apply`.
        started: when, in seconds of the monotonic clock.
    """
    from sapwood import models
    from sapwood.cli.progress import progress_bar
    from sapwood.cli.streams import read_patch_and_bases
    from sapwood.models.receiving.opening import open_model_patch

    name: str = arguments.in_place
    if name == STDIO:
        raise InputError("--in-place -: expected the name of a file")
    if arguments.force:
        raise InputError("--force takes any base, and --in-place cannot; leave one of them out")
    trust = trust_options(arguments)
    patch, others = read_patch_and_bases(arguments.patch, arguments.base or [])
    arguments.base = [name, *(arguments.base or [])]  # which errors name
    with progress_bar(arguments, "applying") as progress:
        found = models.apply_in_place(
            name,
            patch.data,
            sources=others,
            undo=not arguments.no_undo,
            keep_undo=arguments.keep_undo,
            threads=arguments.threads,
            progress=progress,
            **trust,
        )
    target = open_model_patch(patch).front.header.target
    facts = {
        "command": "apply",
        "kind": "model",
        "base": name,
        "bases": arguments.base,
        "patch": arguments.patch,
        "out": name,
        "in_place": True,
        "target_size": target.size,
        "target_blake3": target.blake3.hex(),
        "target_sha256": found.expected_target.hex(),
        "checked": True,
        "signature_valid": found.signature_valid,
        "counter": found.counter,
        "seconds": time.monotonic() - started,
    }
    state = "checked" if found.counter is None else f"checked, signed with counter {found.counter}"
    tell(arguments, facts, f"{name}: {human_size(target.size)}, {state}")
    return 0
