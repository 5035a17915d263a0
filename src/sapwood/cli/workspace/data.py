"""`sapwood workspace data`: downloads what a template names, and shows what of it is there."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import Parser, add_command, examples_text
from sapwood.cli.reports import human_size, note, note_line, printable, tell, tell_json
from sapwood.cli.tables import show_rows
from sapwood.cli.workspace.options import add_template

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program
    from sapwood.progress import Notes, Progress
    from sapwood.workspace import DataStatus

DOWNLOAD = """\
Downloads data that the template names, unless it is there, and prints its path: that of the
file, or of the folder where it is several files. A download that was cut short is gone on with.
The data lies outside of workspaces, and no update touches it."""

LIST = "Lists the data that the template names, and which of it is there, told by sizes."

DOWNLOAD_EXAMPLES = (
    "data download TEMPLATE cifar10",
    "data download TEMPLATE cifar10 --cache /srv/course-data",
)
LIST_EXAMPLES = ("data list TEMPLATE",)


def add_to(commands: Commands, program: Program) -> None:
    """Adds the commands."""
    brought, shown = (
        program.examples(*one, template="course-1.0.0.zip")
        for one in (DOWNLOAD_EXAMPLES, LIST_EXAMPLES)
    )
    below = commands.add_parser(
        "data",
        help="download data, and list it",
        description="Data that the template names and does not hold.",
        epilog=examples_text([brought[0], shown[0]]),
    ).commands()
    downloading = add_command(below, "download", _run_download, "download data", DOWNLOAD, brought)
    add_template(downloading, program)
    downloading.add_argument("data", metavar="NAME", help="of the data, as 'list' shows it")
    _add_cache(downloading)
    listing = add_command(below, "list", _run_list, "list data", LIST, shown)
    add_template(listing, program)
    _add_cache(listing)


def _add_cache(parser: Parser) -> None:
    """The option `--cache`."""
    parser.add_argument(
        "--cache",
        metavar="FOLDER",
        help="where data is kept (default: $SAPWOOD_DATA, else the user's cache folder)",
    )


def _notes_above(arguments: argparse.Namespace, progress: Progress) -> Notes:
    """What prints notes on stderr, above a bar if there is one."""
    from sapwood.cli.progress import Bar

    if isinstance(progress, Bar):
        return lambda text: progress.above(note_line(arguments, text))
    return lambda text: note(arguments, text)


def _run_download(arguments: argparse.Namespace) -> int:
    """Runs `download`."""
    from sapwood.cli.progress import progress_bar
    from sapwood.workspace import DataCache, find_dataset, read_manifest

    manifest = read_manifest(arguments.template)
    dataset = find_dataset(manifest.data, arguments.data)
    with progress_bar(arguments, f"Downloading {dataset.name}") as progress:
        fetched = DataCache(arguments.cache).fetch(
            manifest.name, dataset, progress, _notes_above(arguments, progress)
        )
    facts = {
        "command": "workspace data download",
        "name": dataset.name,
        "size": dataset.size,
        **fetched.to_json(),
    }
    tell(arguments, facts, printable(str(fetched.path)))
    return 0


def _run_list(arguments: argparse.Namespace) -> int:
    """Runs `list`."""
    from sapwood.workspace import DataCache, read_manifest

    manifest = read_manifest(arguments.template)
    cache = DataCache(arguments.cache)
    statuses = {one.name: cache.status(manifest.name, one) for one in manifest.data}
    if arguments.json:
        listed = [{"name": name, **status.to_json()} for name, status in statuses.items()]
        tell_json(arguments, {"command": "workspace data list", "data": listed})
    elif not arguments.quiet and statuses:
        rows = [
            [name, human_size(status.size), _here(status), printable(str(status.path))]
            for name, status in statuses.items()
        ]
        show_rows(("data", "size", "here", "where"), {"size"}, rows)
    elif not arguments.quiet:
        print("the template names no data")
    return 0


def _here(status: DataStatus) -> str:
    """How much is there, in a word."""
    if status.whole:
        return "yes"
    return human_size(status.have) if status.have else "no"
