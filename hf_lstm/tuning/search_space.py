"""The options that a search changes, and the recipes that it tries first."""

from collections.abc import Mapping
from copy import copy
from dataclasses import fields, replace
from typing import Any, NamedTuple

from ..training import ClassifierTrainingArguments, DataArguments, ModelArguments

# Values of each option; `None` is the default. `num_train_epochs` is relative to the default of the corpus.
CHOICES: dict[str, tuple[Any, ...]] = {
    "cell_type": (None, "gru"),
    "bidirectional": (None, False),
    "pooling": (None, "max", "last"),
    "embedding_size": (None, 32, 64, 256),
    "hidden_size": (None, 32, 64, 256),
    "num_hidden_layers": (None, 2),
    "tokenizer": (None, "bpe"),
    "vocab_size": (None, 2_000, 8_000),
    "vectors": (None, "none"),
    "teacher": (None, "linear", "linear latent"),
    "embedding_dropout": (None, 0.0, 0.3),
    "input_dropout": (None, 0.3),
    "classifier_dropout": (None, 0.3),
    "adversarial_size": (None, 0.0, 1.0),
    "learning_rate": (None, 0.0015, 0.006),
    "num_train_epochs": (None, 0.5, 2.0),
}

# The smallest and fastest model of the search.
SMALLEST = {"cell_type": "gru", "bidirectional": False, "embedding_size": 32, "hidden_size": 32, "vocab_size": 2_000}

# Recipes that were good on some corpora; the results are in model_cards/README.md. The first one is the default.
RECIPES: tuple[dict[str, Any], ...] = (
    {},
    {"cell_type": "gru", "adversarial_size": 0.0},  # the second one because it is fast
    {"cell_type": "gru"},
    {"cell_type": "gru", "teacher": "linear latent"},
    {"cell_type": "gru", "pooling": "max"},
    {"cell_type": "gru", "bidirectional": False, "embedding_size": 64, "hidden_size": 64, "vocab_size": 8_000},
    {"cell_type": "gru", "hidden_size": 256},
    {"cell_type": "gru", "tokenizer": "bpe", "vocab_size": 8_000},
    {"bidirectional": False},
)


class Groups(NamedTuple):
    """
    The arguments of a training.

    Args:
        data: Arguments of the data.
        model: Arguments of the model.
        training: Arguments of the Trainer.
    """

    data: DataArguments
    model: ModelArguments
    training: ClassifierTrainingArguments

    def changed(self, options: Mapping[str, Any]) -> "Groups":
        """Return a copy with other values of the given options."""

        def of(group: Any) -> dict[str, Any]:
            names = {field.name for field in fields(group)}
            return {name: value for name, value in options.items() if name in names}

        training = copy(self.training)  # its `__post_init__` resolved some fields, and would do so again
        for name, value in of(training).items():
            setattr(training, name, value)
        return Groups(replace(self.data, **of(self.data)), replace(self.model, **of(self.model)), training)

    def given(self) -> dict[str, Any]:
        """Return the options that differ from their default, except the dataset, by name."""
        options: dict[str, Any] = {}
        for group in self:
            default = type(group)()
            for field in fields(group):
                value = getattr(group, field.name)
                if field.init and field.name != "dataset" and _differs(value, getattr(default, field.name)):
                    options[field.name] = value
        return options


def _differs(value: Any, default: Any) -> bool:
    return value is not None if default is None else value != default  # tables cannot be compared with `None`


def open_choices(groups: Groups) -> dict[str, tuple[Any, ...]]:
    """
    Return the values of the options that the search may change: those that were not given.

    Args:
        groups: The arguments that were given.
    """
    fixed = set(groups.given())
    if groups.model.tokenizer is not None:
        fixed.add("vocab_size")  # a saved tokenizer has its own, and other kinds need other sizes
    if groups.model.vector_source is not None:
        fixed |= {"tokenizer", "embedding_size", "vocab_size"}  # those of the vectors
    if groups.model.reverse:
        fixed.add("bidirectional")
    if groups.training.max_steps > 0:
        fixed.add("num_train_epochs")
    return {name: values for name, values in CHOICES.items() if name not in fixed}


def recipe_parameters(recipe: Mapping[str, Any], choices: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Return the value of each open choice in a recipe; options that were given keep their value."""
    return {name: recipe.get(name) for name in choices}


def options_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that differ from the defaults, with teachers as a list."""
    options = {name: value for name, value in parameters.items() if value is not None}
    if "teacher" in options:
        options["teacher"] = options["teacher"].split()
    return options
