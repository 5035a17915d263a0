"""The parts that the command lines of all commands are made of."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from sapwood.errors import InputError

if TYPE_CHECKING:
    # argparse gives them no public names.
    Commands = argparse._SubParsersAction["Parser"]  # noqa: SLF001
    Group = argparse._ArgumentGroup  # noqa: SLF001

STDIO = "-"  # the name of stdin, and of stdout

UNITS = {
    "": 1,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "KI": 2**10,
    "MI": 2**20,
    "GI": 2**30,
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours, and whose epilog keeps its lines."""

    def __init__(self, **options: Any) -> None:
        """Takes what `argparse.ArgumentParser` takes."""
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parses, and refuses what is left over where it is: its own help is the one to see.

        Raises:
            InputError: an argument that this parser does not know, or a wrong one.
        """
        known, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return known, left

    def commands(self) -> Commands:
        """What the commands below this one are added to."""
        return self.add_subparsers(metavar="COMMAND", required=True, title="commands")

    def error(self, message: str) -> NoReturn:
        """Raises what is wrong with the arguments.

        Raises:
            InputError: always.
        """
        raise InputError(f"{message}; see '{self.prog} --help'")


class PrintVersion(argparse.Action):
    """Prints the version, which nothing is imported or read for before it is asked for."""

    def __init__(
        self, option_strings: Sequence[str], dest: str, reader: Callable[[], str], **options: Any
    ) -> None:
        """Takes no value, and calls `reader` for what is printed behind the program's name."""
        super().__init__(option_strings, dest, nargs=0, **options)
        self._reader = reader

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Prints it and exits."""
        print(f"{parser.prog} {self._reader()}")
        parser.exit()


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
    examples: Sequence[str],
) -> Parser:
    """A command's parser, with the options that all of them have."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"{examples_text(examples)}\n\n"
        f"'{_commands_of(commands)} --help' lists the exit codes.",
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, errors included"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def examples_text(examples: Sequence[str]) -> str:
    """Examples at the end of a command's help, each a line."""
    return "\n".join(["examples:", *(f"  {example}" for example in examples)])


def _commands_of(commands: Commands) -> str:
    """The name of the program that commands belong to."""
    return commands._prog_prefix.partition(" ")[0]  # noqa: SLF001 (argparse has no other way)


def add_bases(parser: Parser, what: str, *, required: bool = True) -> None:
    """The option `--base`, which may be given several times."""
    parser.add_argument("--base", required=required, action="append", metavar="FILE", help=what)


def add_selection(parser: Parser | Group) -> None:
    """The options `--exclude` and `--include`, of commands that read folders."""
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out files of folders whose path fits, such as 'logs/**' or '**/*.tmp', beside "
        "what version control, downloads, editors and Python leave (.git, .cache, __pycache__ "
        "and the like); may be repeated",
    )
    parser.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="PATTERN",
        help="take files whose path fits in spite of that, such as '.cache/notes/**'; with "
        "--exclude '**' nothing else; may be repeated",
    )


def add_threads(parser: Parser) -> None:
    """The option `--threads`."""
    parser.add_argument(
        "--threads",
        type=whole_number(1, 1 << 16),
        metavar="N",
        help="threads to use at once (default: one for each processor)",
    )


def add_memory(parser: Parser) -> None:
    """The option `--memory`."""
    parser.add_argument(
        "--memory",
        type=_memory_size,
        metavar="SIZE",
        help="memory to take at most, such as 64MiB, from 16MiB on; a patch that needs more is "
        "refused; with several files at once, each (default: what chunks and threads take)",
    )


def add_level(parser: Parser | Group) -> None:
    """The option `--level`."""
    parser.add_argument(
        "--level",
        type=whole_number(1, 19),
        default=3,
        metavar="N",
        help="zstd's level, 1 to 19, for what is no tensor (default: 3)",
    )


def add_batch(parser: Parser, command: str) -> None:
    """The options that take folders for files: of create, apply or verify."""
    parser.set_defaults(batch=command)
    batch = parser.add_argument_group(
        "many files",
        "With --keep-going the command takes folders, and does for each file in them what it does\n"
        "for one. Files belong together by their paths; the patch of PATH is PATH.ttp.",
    )
    batch.add_argument(
        "--keep-going",
        action="store_true",
        help="work on folders; go on after a file that fails, and end with a summary and "
        "the exit code 9",
    )
    batch.add_argument(
        "--jobs",
        type=whole_number(1, 1 << 16),
        metavar="N",
        help="files at once, which share the threads (default: as many as threads)",
    )


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """The type of an option whose value is a number in a range, ends included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected {least} to {most}, found {text!r}")
        return int(text)

    return parse


def chunk_size(text: str) -> int:
    """A size such as 4194304, 4MiB or 4MB, in bytes, within what a patch may have."""
    size = _byte_size(text)
    if not 1 << 10 <= size <= 1 << 30:
        raise argparse.ArgumentTypeError(
            f"expected a size of 1KiB to 1GiB, such as 4MiB, found {text!r}"
        )
    return size


def _memory_size(text: str) -> int:
    """A size such as 67108864, 64MiB or 64MB, in bytes, that work can be done within."""
    size = _byte_size(text)
    if not 16 << 20 <= size <= 1 << 60:
        raise argparse.ArgumentTypeError(
            f"expected a size of 16MiB or more, such as 64MiB, found {text!r}"
        )
    return size


def _byte_size(text: str) -> int:
    """A number of bytes with or without a unit; 0 for what is none."""
    match = re.fullmatch(r"([0-9]{1,18}) ?([KMG]I?)?B?", text.upper())
    return int(match[1]) * UNITS[match[2] or ""] if match else 0


def key_and_value(text: str) -> tuple[str, str]:
    """An item of metadata."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, found {text!r}")
    return key, value
