"""The command line: one module per subcommand."""

from .main import main, run_command

__all__ = ["main", "run_command"]
