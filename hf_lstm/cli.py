"""What the command lines in `scripts/` share."""

import os
import sys
import warnings
from collections.abc import Callable

import datasets
from huggingface_hub.errors import StrictDataclassError
from transformers.utils import logging


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
    except (ValueError, OSError, StrictDataclassError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
