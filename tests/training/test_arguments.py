import pytest

from hf_lstm.training.arguments import (
    ClassifierTrainingArguments,
    DataArguments,
    ModelArguments,
)


def test_arguments_keep_the_defaults_of_the_config_unless_given():
    assert ModelArguments().config_fields() == {}
    assert ModelArguments(bidirectional=False, hidden_size=7).config_fields() == {
        "bidirectional": False,
        "hidden_size": 7,
    }


def test_precision_is_chosen_by_the_processor_unless_named(monkeypatch):
    for fast in (True, False):
        monkeypatch.setattr("hf_lstm.training.arguments.has_fast_bf16", lambda use_cpu, fast=fast: fast)
        assert ClassifierTrainingArguments("x").bf16 is fast
        assert ClassifierTrainingArguments("x", bf16=not fast).bf16 is not fast


@pytest.mark.parametrize("name", ["save_strategy", "eval_strategy"])
def test_arguments_of_the_library_are_taken(name):
    assert getattr(ClassifierTrainingArguments("x", **{name: "no"}, load_best_model_at_end=False), name) == "no"


def test_changed_fields_are_those_that_differ_from_the_default():
    assert ModelArguments().changed_fields() == set()
    args = ModelArguments(pretrained="x", lowercase=False, vocab_size=30_000, pooling="max")
    assert args.changed_fields() == {"pretrained", "lowercase", "pooling"}
    assert args.config_fields() == {"pooling": "max"}


@pytest.mark.parametrize("value", [0.0, -0.5, 1.5])
def test_layer_decay_is_a_share(value):
    with pytest.raises(ValueError, match=f"`layer_decay` must be above 0 and at most 1, got {value}"):
        ClassifierTrainingArguments("x", layer_decay=value)
    assert ClassifierTrainingArguments("x", layer_decay=1.0).layer_decay == 1


def test_prefixes_have_the_label_of_their_text_unless_a_teacher_labels_them():
    assert DataArguments(prefixes=True).learns_prefixes and not DataArguments().learns_prefixes
    assert not DataArguments(prefixes=True, teacher="linear").learns_prefixes


@pytest.mark.parametrize("value", [True, "no"])  # what Python and YAML files give for a Boolean
def test_vectors_are_no_boolean(value):
    with pytest.raises(ValueError, match="`vectors` must be a file, folder or Hub id, .*, not a Boolean"):
        ModelArguments(vectors=value)


@pytest.mark.parametrize(
    ("given", "values"),
    [(0.95, ["0.95"]), ("spam=0.9", ["spam=0.9"]), ({"spam": 0.9}, ["spam=0.9"]), ([0.9, "a=0.8"], ["0.9", "a=0.8"])],
)
def test_min_precision_may_be_a_number_or_a_mapping(given, values):
    assert ClassifierTrainingArguments("x", min_precision=given).min_precision == values
