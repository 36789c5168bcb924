import pytest

from hf_lstm.pretraining.arguments import (
    LanguageModelTrainingArguments,
    PretrainingArguments,
    PretrainingDataArguments,
)


def test_language_model_is_evaluated_ten_times_whatever_its_length():
    args = LanguageModelTrainingArguments("x")
    assert args.eval_strategy == args.save_strategy == args.logging_strategy == "steps"
    assert args.eval_steps == args.save_steps == args.logging_steps == 0.1


def test_packed_corpus_replaces_the_dataset_and_carries_the_state():
    assert PretrainingDataArguments(packed="corpus.npz").carry_state
    assert not PretrainingDataArguments().carry_state
    with pytest.raises(ValueError, match="`--packed` replaces `--dataset`"):
        PretrainingDataArguments(packed="corpus.npz", dataset="reviews.csv")
    with pytest.raises(ValueError, match="`--streaming` cannot be combined"):
        PretrainingDataArguments(carry_state=True, streaming=True)


def test_objective_is_no_field_of_the_config():
    args = PretrainingArguments(objective="vectors", sampled_tokens=0)
    assert args.config_fields() == {"sampled_tokens": 0}
