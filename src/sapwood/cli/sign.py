"""`sapwood sign`: signs a patch."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command, whole_number
from sapwood.cli.reports import note, tell
from sapwood.cli.trusting import MOST_COUNTER

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Signs a patch with a private key, so that who has the public key can tell it from others. Signed
patches are applied as any other. Signatures of other keys stay: sign with the old key and the
new one while receivers go over."""

EXAMPLES = (
    "sapwood sign --patch v1-v2.ttp --private-key release.key --counter 17 --out v1-v2.ttp",
    "sapwood sign --patch v1-v2.ttp --private-key release.key --detached --out v1-v2.ttp.sig",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "sign", run, "sign a patch", DESCRIPTION, EXAMPLES)
    parser.add_argument("--patch", required=True, metavar="FILE", help="the patch; - for stdin")
    parser.add_argument(
        "--private-key", required=True, metavar="FILE", help="the key, 64 bytes, of 'keygen'"
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="where the signed patch goes, or with --detached the signature; - for stdout; it "
        "may be the patch itself",
    )
    parser.add_argument(
        "--counter",
        type=whole_number(0, MOST_COUNTER),
        default=0,
        metavar="N",
        help="higher than that of the patch before, so that receivers can refuse old ones "
        "(default: 0)",
    )
    parser.add_argument(
        "--detached", action="store_true", help="write the signature alone, for beside the patch"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from pathlib import Path

    from sapwood import models, trust
    from sapwood.cli.streams import output, read_inputs
    from sapwood.trust.ed25519 import PRIVATE_KEY

    kept = [arguments.private_key, *([arguments.patch] if arguments.detached else [])]
    out = output(arguments.out, *kept)
    key = trust.read_key(Path(arguments.private_key), PRIVATE_KEY, "a private key")
    (patch,) = read_inputs(arguments.patch)
    models.sign_patch(patch.data, key, out, counter=arguments.counter, detached=arguments.detached)
    warning = exposed(arguments.private_key)
    if warning:
        note(arguments, warning)
    facts = {
        "command": "sign",
        "patch": arguments.patch,
        "out": arguments.out,
        "detached": arguments.detached,
        "counter": arguments.counter,
        "key_id": trust.key_id(trust.public_key_of(key)).hex(),
        "notes": [warning] if warning else [],
    }
    what = "signature" if arguments.detached else "signed"
    tell(
        arguments,
        facts,
        f"{arguments.out}: {what} by key {facts['key_id']}, counter {arguments.counter}",
    )
    return 0


def exposed(name: str) -> str | None:
    """A warning, where others can read the private key."""
    import stat
    from pathlib import Path

    from sapwood.models.files import os_errors

    if os.name != "posix":
        return None
    with os_errors(name):
        mode = stat.S_IMODE(Path(name).stat().st_mode)
    return f"{name}: others can read it; run chmod 600 {name}" if mode & 0o077 else None
