"""Parse arguments and report errors on the command line."""

import argparse
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
from huggingface_hub.errors import StrictDataclassError
from transformers import HfArgumentParser
from transformers.utils import logging

from ..messages import one_line


def run(main: Callable[[], None]) -> None:
    """
    Runs a script: quiet libraries, and one sentence instead of a traceback where the input is at fault.

    Args:
        main: The script's body; a `ValueError`, an `OSError` or an invalid config ends the process with status 1.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)
    datasets.disable_progress_bars()
    if int(os.environ.get("RANK", 0)) > 0:
        sys.stdout = open(os.devnull, "w")  # of several processes, one speaks  # noqa: SIM115
    try:
        main()
    except BrokenPipeError:  # whoever reads the output has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        sys.exit(1)
    except StrictDataclassError as error:
        sys.exit(f"error: {one_line(error).rpartition('ValueError: ')[2]}.")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {one_line(error)}.")
    except KeyboardInterrupt:
        sys.exit("interrupted")


class HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Help with the description's lines as they are, and the default of each option."""


def parse_arguments(groups: Sequence[type], description: str) -> tuple[Any, ...]:
    """
    Arguments of a training, from flags or from one JSON or YAML file that holds them.

    Args:
        groups: Dataclasses of arguments.
        description: What the script does, for `--help`.

    Returns:
        One of each; a flag that none knows ends the process with status 2.
    """
    script = Path(sys.argv[0]).name
    usage = f"{script} [--option value ...], or {script} FILE.yaml with all of them; --help lists the options"
    parser = HfArgumentParser(groups, description=description, usage=usage, formatter_class=HelpFormatter)
    if len(sys.argv) == 2 and sys.argv[1].endswith((".json", ".yaml", ".yml")):
        return parser.parse_yaml_file(sys.argv[1])  # YAML includes JSON
    *parsed, unknown = parser.parse_args_into_dataclasses(return_remaining_strings=True)
    if unknown:
        parser.error(f"unknown: {' '.join(unknown)}")
    return tuple(parsed)


def command_line(secret: str | None) -> str:
    """The command as it was typed, without the token: it goes into the card."""
    command = shlex.join(["python", *sys.argv])
    return command.replace(secret, "***") if secret else command
