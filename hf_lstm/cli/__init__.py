"""The command line: one module per subcommand."""

from .commands import main, one_line_errors, run_command

__all__ = ["main", "one_line_errors", "run_command"]
