"""What the command lines in `scripts/` share."""

import os
import sys
import warnings
from collections.abc import Callable

import datasets
from huggingface_hub.errors import StrictDataclassError
from transformers.utils import logging


def one_line(error: object) -> str:
    """The message of an error, which in a library may have many lines, as one without a full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


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
