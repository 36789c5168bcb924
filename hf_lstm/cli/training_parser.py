"""Parse the options of the training commands and print their help."""

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from transformers import HfArgumentParser, TrainingArguments

from ..messages import one_line, plain_number
from .parsing import HelpFormatter, complete_switches


class TrainingParser(HfArgumentParser):
    """
    Parse the options of a training into its dataclasses, from the command line or from one JSON or YAML file.

    Args:
        dataclass_types: Dataclasses of arguments.
        sections: Names of the options that `--help` lists under each heading. `--help_all` lists all others, too:
            those of this package under "more", and those of `TrainingArguments` under "trainer".
        command: Name of the subcommand.
        description: What the command does, for `--help`.
    """

    def __init__(
        self, dataclass_types: Sequence[type], sections: Mapping[str, Sequence[str]], command: str, description: str
    ):
        self.groups, self.sections = dataclass_types, sections
        super().__init__(
            dataclass_types,  # type: ignore[arg-type]  # declared as a `NewType`, which no dataclass has
            prog=f"hf-lstm {command}",
            usage=f"hf-lstm {command} [--option value ...] or FILE.yaml; --help_all lists all options",
            description=description,
            formatter_class=HelpFormatter,
        )
        complete_switches(self)
        self.add_argument("--help_all", action="store_true", help="list all options, also those of TrainingArguments")

    def format_help(self, everything: bool = False) -> str:
        """
        Return the help.

        Args:
            everything: Also list the options that are in no section.
        """
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, [], [], prefix=f"{self.description}\n")
        actions = {action.dest: action for action in reversed(self._actions) if action.help != argparse.SUPPRESS}
        sections = {title: [actions.pop(name) for name in names] for title, names in self.sections.items()}
        if everything:
            del actions["help"], actions["help_all"]
            stock = {field.name for field in fields(TrainingArguments)}
            sections["more"] = [action for name, action in reversed(actions.items()) if name not in stock]
            sections["trainer"] = [action for name, action in reversed(actions.items()) if name in stock]
        for title, of_section in sections.items():
            formatter.start_section(title)
            formatter.add_arguments(of_section)
            formatter.end_section()
        return formatter.format_help()

    def parse(self, argv: Sequence[str]) -> tuple[Any, ...]:
        """
        Parse options, or read them from a file if that is the only argument.

        Args:
            argv: Words of the command line after the subcommand.

        Returns:
            One instance of each dataclass. An invalid option ends the process with status 2.
        """
        if len(argv) == 1 and Path(argv[0]).suffix in (".json", ".yaml", ".yml"):
            return self._parse_file(argv[0])
        *parsed, others, unknown = self.parse_args_into_dataclasses(list(argv), return_remaining_strings=True)
        if others.help_all:
            print(self.format_help(everything=True))
            self.exit()
        if unknown:
            self.error(f"unknown option: {' '.join(unknown)}")
        return tuple(parsed)

    def _parse_file(self, path: str) -> tuple[Any, ...]:
        """Return one instance of each dataclass, from the options in a YAML or JSON file."""
        from ..training import (
            build_arguments,  # imports `datasets`, which `hf-lstm reproduce lstm-imdb-lm` does without
        )

        try:
            options = yaml.safe_load(Path(path).read_text(encoding="utf-8"))  # JSON is YAML
        except yaml.YAMLError as error:
            self.error(f"{path} is not valid YAML: {one_line(error)}")
        if not isinstance(options, dict):
            self.error(f"{path} must have one `option: value` per line")
        try:
            return build_arguments(self.groups, options, path)
        except TypeError as error:  # an unknown option
            self.error(one_line(error))


def option_words(options: Mapping[str, Any]) -> list[str]:
    """
    Return options as words of a command, such as `["--cell_type", "gru", "--no_bidirectional"]`.

    Args:
        options: Value of each option by name, as in the dataclasses of arguments.
    """
    words: list[str] = []
    for name, value in options.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no_{name}")
        elif name == "teacher_labels" and isinstance(value, dict):
            words += [f"--{name}", ",".join(f"{own}={other}" for own, other in value.items())]
        elif isinstance(value, list | tuple):
            words += [f"--{name}", *map(str, value)]
        elif isinstance(value, dict):
            words += [f"--{name}", json.dumps(value)]
        else:
            words += [f"--{name}", str(value.value if isinstance(value, Enum) else plain_number(value))]
    return words


def format_command(command: str, argv: Sequence[str], secret: str | None = None) -> str:
    """
    Return the command as it was typed, for the model card.

    Args:
        command: Name of the subcommand.
        argv: Its options.
        secret: Token that is replaced by `***`.
    """
    typed = shlex.join(["hf-lstm", command, *argv])
    return typed.replace(secret, "***") if secret else typed
