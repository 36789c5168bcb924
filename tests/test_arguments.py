import pytest

from hf_lstm.arguments import ClassifierTrainingArguments, ModelArguments


def test_arguments_keep_the_defaults_of_the_config_unless_given():
    assert ModelArguments().config_fields() == {"label_smoothing": 0.1}
    assert ModelArguments(bidirectional=False, hidden_size=7).config_fields() == {
        "bidirectional": False,
        "hidden_size": 7,
        "label_smoothing": 0.1,
    }


def test_precision_is_chosen_by_the_processor_unless_named(monkeypatch):
    for fast in (True, False):
        monkeypatch.setattr("hf_lstm.arguments.has_fast_bf16", lambda use_cpu, fast=fast: fast)
        assert ClassifierTrainingArguments("x").bf16 is fast
        assert ClassifierTrainingArguments("x", bf16=not fast).bf16 is not fast


@pytest.mark.parametrize("name", ["save_strategy", "eval_strategy"])
def test_arguments_of_the_library_are_taken(name):
    assert getattr(ClassifierTrainingArguments("x", **{name: "no"}, load_best_model_at_end=False), name) == "no"
