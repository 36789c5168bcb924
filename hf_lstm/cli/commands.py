"""The command `hf-lstm`: run a subcommand, and report errors in one line."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

COMMANDS = {
    "train": "train a classifier on labelled texts",
    "predict": "classify texts, lines or the rows of a file",
    "explain": "show which words lead to a prediction",
    "evaluate": "measure a classifier, or the average of several, on labelled texts",
    "audit": "find likely label errors in labelled texts",
    "pretrain": "train a language model or word vectors on texts without labels",
    "stream": "classify standard input while it arrives",
    "demo": "score texts on a web page while they are typed",
    "export": "export a classifier to ONNX",
    "push": "push a classifier to the Hub",
    "tokenizer": "train a tokenizer",
    "benchmark": "measure the speed of training and inference",
    "reproduce": "retrain the checkpoints of model_cards/",
}

# Commands that several processes can run together, started by `torchrun`.
DISTRIBUTED = ("train", "pretrain")


def main(argv: Sequence[str] | None = None) -> None:
    """
    Run the command line.

    Args:
        argv: Arguments after `hf-lstm` (default: those of the process).
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in COMMANDS:
        run_command(words[0], words[1:])
        return
    if words and words[0] == "--version":
        from .. import __version__

        print(__version__)
        return
    usage = ["usage: hf-lstm COMMAND [options]", "", "commands:"]
    usage += [f"  {name:<12}{text}" for name, text in COMMANDS.items()]
    usage += ["", "`hf-lstm COMMAND --help` lists the options of a command."]
    if words and words[0] not in ("-h", "--help"):
        sys.exit(f"error: there is no command {words[0]!r}; choose one of {', '.join(COMMANDS)}.")
    print("\n".join(usage))


def run_command(name: str, argv: Sequence[str] | None = None) -> None:
    """
    Run a subcommand.

    Args:
        name: One of `COMMANDS`.
        argv: Its options (default: those of the process).
    """
    with one_line_errors():
        if name in DISTRIBUTED and int(os.environ.get("WORLD_SIZE", 1)) > 1 and int(os.environ.get("RANK", 0)) > 0:
            sys.stdout = open(os.devnull, "w")  # only the first process prints  # noqa: SIM115
        load_command(name)(sys.argv[1:] if argv is None else argv)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Silence the libraries within the context, and exit with one line instead of a traceback if input is invalid."""
    # Imported here so that `hf-lstm --help` starts fast.
    from huggingface_hub.errors import StrictDataclassError
    from transformers.utils import logging

    from ..messages import one_line

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)
    try:
        yield
    except BrokenPipeError:  # the program that reads the output has ended
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        sys.exit(1)
    except StrictDataclassError as error:
        sys.exit(f"error: {one_line(error).rpartition('ValueError: ')[2]}.")
    except (ValueError, OSError, ImportError) as error:  # an import fails without the packages of an extra
        sys.exit(f"error: {one_line(error)}.")
    except KeyboardInterrupt:
        sys.exit("interrupted")


def load_command(name: str) -> Callable[[Sequence[str]], None]:
    """
    Import a subcommand, without the modules that only other subcommands need.

    Args:
        name: One of `COMMANDS`.

    Returns:
        Its `main` function, which takes the options.

    Raises:
        ValueError: There is no such subcommand.
        ImportError: The subcommand needs the packages of an extra.
    """
    match name:
        case "train":
            from .train import main as train

            return train
        case "predict":
            from .predict import main as predict

            return predict
        case "explain":
            from .explain import main as explain

            return explain
        case "evaluate":
            from .evaluate import main as evaluate

            return evaluate
        case "audit":
            from .audit import main as audit

            return audit
        case "pretrain":
            from .pretrain import main as pretrain

            return pretrain
        case "stream":
            from .stream import main as stream

            return stream
        case "demo":
            from .demo import main as demo

            return demo
        case "export":
            from .export import main as export

            return export
        case "push":
            from .push import main as push

            return push
        case "tokenizer":
            from .tokenizer import main as tokenizer

            return tokenizer
        case "benchmark":
            from .benchmark import main as benchmark

            return benchmark
        case "reproduce":
            from .reproduce import main as reproduce

            return reproduce
    raise ValueError(f"There is no command {name!r}; choose one of {', '.join(COMMANDS)}.")
