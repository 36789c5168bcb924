"""Options that several commands share, and how their help looks."""

import argparse
import io
import sys
from collections.abc import Iterable, Iterator
from typing import Any, cast

# Width of the help: one line for each option.
HELP_WIDTH = 120
# Choices are listed after an option only if they are shorter than this; other options name them in their description.
MAX_CHOICES_WIDTH = 40
# Placeholder for the value of an option in the help, by type.
VALUE_NAMES: dict[object, str] = {int: "N", float: "X"}


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Format each option as one line: name, choices, description, and the default unless the description has it."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=37, width=HELP_WIDTH)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        name = next(option for option in action.option_strings if option.startswith("--"))
        if is_switch(action):
            return name.replace("--", "--[no_]", 1)
        if action.nargs == 0:
            return name
        if action.choices and len(choices := ",".join(map(str, action.choices))) < MAX_CHOICES_WIDTH:
            return f"{name} {{{choices}}}"
        if isinstance(action.metavar, tuple):
            return f"{name} {' '.join(action.metavar)}"
        return f"{name} {VALUE_NAMES.get(action.type, 'TEXT')}" + " ..." * (action.nargs == "+")

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        if "(default" in text or action.default in (None, argparse.SUPPRESS) or action.nargs == 0:
            return text
        return f"{text} (default: %(default)s)"


def is_switch(action: argparse.Action) -> bool:
    """Return whether an option is Boolean."""
    return getattr(action.type, "__name__", "") == "string_to_bool"


def complete_switches(parser: argparse.ArgumentParser) -> None:
    """Let every Boolean option of a parser, `--x true`, also be set by `--x` and `--no_x`."""
    for action in [action for action in parser._actions if is_switch(action)]:
        action.nargs, action.const = "?", True
        if f"--no_{action.dest}" not in parser._option_string_actions:
            parser.add_argument(
                f"--no_{action.dest}",
                action="store_false",
                dest=action.dest,
                default=action.default,
                help=argparse.SUPPRESS,
            )


def command_parser(command: str, description: str) -> argparse.ArgumentParser:
    """
    Create the parser of a subcommand with few options.

    Args:
        command: Name of the subcommand.
        description: What the command does, with examples, for `--help`.
    """
    return argparse.ArgumentParser(prog=f"hf-lstm {command}", description=description, formatter_class=HelpFormatter)


def add_switch(parser: argparse.ArgumentParser, name: str, default: bool, help: str) -> None:
    """
    Add a Boolean option, which `--name` sets to true and `--no_name` to false.

    Args:
        parser: Parser of the command.
        name: Name of the option.
        default: Its value if it is not given.
        help: Its description for `--help`.
    """
    from transformers.hf_argparser import string_to_bool  # imports torch, which not every command needs

    parser.add_argument(f"--{name}", type=string_to_bool, default=default, help=help)
    complete_switches(parser)


def add_text_options(parser: argparse.ArgumentParser, verb: str) -> None:
    """
    Add the model and the options that select texts without labels.

    Args:
        parser: Parser of the command.
        verb: What the command does with the texts.
    """
    parser.add_argument("texts", nargs="*", help=f"texts to {verb} (default: the lines of standard input)")
    parser.add_argument("--model", required=True, help="folder or Hub id of a trained classifier")
    parser.add_argument("--input", help="csv, tsv, json, jsonl, parquet or txt file of texts")
    parser.add_argument("--text_column", help="column with the texts (default: found by its name)")
    parser.add_argument("--separator", help="separator of the columns of a csv or tsv file (default: detected)")
    parser.add_argument("--encoding", help="encoding of a text file (default: detected) or of lines (default: utf-8)")


def given_texts(args: argparse.Namespace) -> Iterable[str]:
    """Return the texts that are arguments of the command, or else the lines of standard input as they arrive."""
    return args.texts or read_lines(args.encoding or "utf-8")


def read_lines(encoding: str) -> Iterator[str]:
    """
    Yield the lines of standard input as they arrive.

    Args:
        encoding: Their encoding.

    Raises:
        ValueError: They have another encoding, or there is no such encoding.
    """
    try:
        cast(io.TextIOWrapper, sys.stdin).reconfigure(encoding=encoding, errors="strict")
        for line in sys.stdin:
            yield line.rstrip("\r\n")
    except (UnicodeDecodeError, LookupError):
        raise ValueError(
            f"Standard input cannot be read as {encoding}: name its encoding with --encoding, for instance cp1252."
        ) from None


def add_dataset_options(parser: argparse.ArgumentParser, what: str) -> None:
    """
    Add the options that select labelled texts.

    Args:
        parser: Parser of the command.
        what: What the texts are for, and what is used without `--dataset`.
    """
    parser.add_argument("--dataset", help=f"Hub id, folder or file: {what}")
    parser.add_argument("--dataset_config", help="configuration of a Hub dataset (default: its only one)")
    parser.add_argument("--text_column", help="column with the texts (default: found by its name)")
    parser.add_argument(
        "--label_column", nargs="+", help="column with the labels, or several of 0 and 1 (default: found by its name)"
    )
    parser.add_argument("--label_separator", help='separator of the labels in strings such as "a|b"')
    parser.add_argument("--separator", help="separator of the columns of csv and tsv files (default: detected)")
    parser.add_argument("--encoding", help="encoding of text files (default: detected)")
    parser.add_argument("--split", help="split to use (default: the first of test, validation, train that has labels)")


def dataset_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of [`add_dataset_options`] as arguments of `load_labelled`."""
    names = ("text_column", "label_column", "label_separator", "separator", "encoding", "split")
    return {name: getattr(args, name) for name in names} | {"config_name": args.dataset_config}
