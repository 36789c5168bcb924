import pandas as pd

from hf_lstm.training import ClassifierTrainingArguments, DataArguments, ModelArguments
from hf_lstm.tuning.search_space import CHOICES, RECIPES, SMALLEST, Groups, open_choices, options_of, recipe_parameters


def groups(data=None, model=None, training=None) -> Groups:
    return Groups(
        DataArguments(**data or {}), ModelArguments(**model or {}), ClassifierTrainingArguments("run", **training or {})
    )


def test_recipes_are_made_of_the_choices():
    for recipe in (*RECIPES, SMALLEST):
        assert all(value in CHOICES[name] for name, value in recipe.items()), recipe
    assert all(None in values for values in CHOICES.values())


def test_given_options_are_not_searched():
    given = groups({"teacher": ["linear"]}, {"cell_type": "lstm", "bidirectional": False}, {"learning_rate": 1e-3})
    closed = {"teacher", "cell_type", "bidirectional", "learning_rate"}
    assert open_choices(given).keys() == CHOICES.keys() - closed
    assert recipe_parameters({"cell_type": "gru", "pooling": "max"}, open_choices(given))["pooling"] == "max"


def test_options_that_belong_together_are_closed_together():
    assert not {"vocab_size", "tokenizer"} & open_choices(groups(model={"tokenizer": "bpe"})).keys()
    closed = {"vectors", "embedding_size", "tokenizer", "vocab_size"}
    assert not closed & open_choices(groups(model={"vectors": "vectors.txt"})).keys()
    assert "bidirectional" not in open_choices(groups(model={"reverse": True, "bidirectional": False}))
    assert "num_train_epochs" not in open_choices(groups(training={"max_steps": 5}))


def test_given_options_are_those_that_differ_from_the_defaults():
    given = groups(
        {"dataset": "a.csv", "teacher": ["linear"], "unlabelled": pd.DataFrame()}, {"hidden_size": 8}, {"seed": 3}
    )
    assert given.given().keys() == {"teacher", "unlabelled", "hidden_size", "output_dir", "seed"}
    assert ClassifierTrainingArguments().learning_rate == 3e-3 and groups().given() == {"output_dir": "run"}


def test_changed_arguments_are_copies():
    given = groups()
    changed = given.changed({"teacher": ["linear"], "cell_type": "gru", "learning_rate": 1e-3})
    assert (changed.data.teacher, changed.model.cell_type, changed.training.learning_rate) == (["linear"], "gru", 1e-3)
    assert (given.data.teacher, given.model.cell_type, given.training.learning_rate) == (None, None, 3e-3)


def test_parameters_become_options():
    parameters = {"cell_type": None, "teacher": "linear latent", "bidirectional": False, "embedding_dropout": 0.0}
    assert options_of(parameters) == {
        "teacher": ["linear", "latent"],
        "bidirectional": False,
        "embedding_dropout": 0.0,
    }
