"""`sapwood apply --in-place`: the base itself becomes the target."""

from __future__ import annotations

import argparse
import time

from sapwood.cli.arguments import STDIO
from sapwood.cli.reports import human_size, tell
from sapwood.cli.trusting import receiving
from sapwood.errors import InputError


def run(arguments: argparse.Namespace, started: float) -> int:
    """Runs the command.

    Args:
        arguments: of `apply`.
        started: when, in seconds of the monotonic clock.
    """
    from sapwood import models
    from sapwood.cli.streams import check_stdin, named_inputs, shown_name, stdin_or

    name: str = arguments.in_place
    if name == STDIO:
        raise InputError("--in-place -: expected the name of a file")
    if arguments.force:
        raise InputError("--force takes any base, and --in-place cannot; leave one of them out")
    others = arguments.base or []
    check_stdin(arguments.patch, *others)
    arguments.base = [name, *others]  # which errors name
    with receiving(arguments, "applying") as how:
        found = models.in_place.apply(
            name,
            stdin_or(arguments.patch),
            sources=named_inputs(*others),
            signature=arguments.signature or None,
            undo=not arguments.no_undo,
            keep_undo=arguments.keep_undo,
            receiving=how,
        )
    facts = {
        "command": "apply",
        "base": name,
        "bases": arguments.base,
        "patch": shown_name(arguments.patch),
        "out": name,
        "in_place": True,
        **found.to_json(),
        "seconds": time.monotonic() - started,
    }
    size = human_size(found.target_size)
    state = "checked" if found.counter is None else f"checked, signed with counter {found.counter}"
    tell(arguments, facts, f"{name}: {size}, {state}")
    return 0
