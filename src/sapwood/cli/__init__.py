"""The command line.

What every command keeps to:

- Results go to stdout, and to stderr where `--out -` sends bytes to stdout. Errors,
  notes and progress go to stderr. With `--json` there is one JSON object, errors
  included, in the place of the result.
- An error is one line that names the file, what is wrong and what to do. Its kind
  decides the exit code. A failed command leaves no output.
- Nothing is imported before a command runs that `--help` does not need: NumPy,
  BLAKE3, rich and `sapwood.patch` are imported inside functions.
"""

from sapwood.cli.program import main
from sapwood.cli.workspace.author import workspace_cli

__all__ = ["main", "workspace_cli"]
