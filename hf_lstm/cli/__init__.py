"""The command line: one module per subcommand."""

from .commands import main, run_command

__all__ = ["main", "run_command"]
