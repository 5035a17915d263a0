"""`sapwood sign`: signs a patch."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import note, tell
from sapwood.cli.signing_options import add_signing, exposed, read_private_key

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
    parser = add_command(commands, "sign", _run, "sign a patch", DESCRIPTION, EXAMPLES)
    parser.add_argument("--patch", required=True, metavar="FILE", help="the patch; - for stdin")
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="where the signed patch goes, or with --detached the signature; - for stdout; it "
        "may be the patch itself",
    )
    add_signing(parser, required=True)
    parser.add_argument(
        "--detached", action="store_true", help="write the signature alone, for beside the patch"
    )


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs, output

    kept = [arguments.private_key, *([arguments.patch] if arguments.detached else [])]
    out = output(arguments.out, *kept)
    key = read_private_key(arguments.private_key)
    (patch,) = named_inputs(arguments.patch)
    signing = models.sign_patch(
        patch, key, out, counter=arguments.counter, detached=arguments.detached
    )
    warning = exposed(arguments.private_key)
    if warning:
        note(arguments, warning)
    facts = {
        "command": "sign",
        "patch": arguments.patch,
        "out": arguments.out,
        "detached": arguments.detached,
        **signing.to_json(),
        "notes": [warning] if warning else [],
    }
    what = "signature" if arguments.detached else "signed"
    tell(
        arguments,
        facts,
        f"{arguments.out}: {what} by key {signing.key_id.hex()}, counter {signing.counter}",
    )
    return 0
