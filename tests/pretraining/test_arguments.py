import pytest

from hf_lstm.pretraining.arguments import (
    LanguageModelTrainingArguments,
    PretrainingArguments,
    PretrainingDataArguments,
    check_combination,
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


def check(data=None, model=None, training=None) -> None:
    check_combination(
        PretrainingDataArguments(**data or {}),
        PretrainingArguments(**model or {}),
        LanguageModelTrainingArguments("x", **training or {}),
    )


def test_options_that_streams_do_not_use_are_refused_by_name():
    used = {"max_steps": 9, "learning_rate": 0.1, "bf16": False, "num_train_epochs": 2.0, "seed": 1}
    check({"carry_state": True, "text_column": "review"}, {"vocab_size": 99}, used)
    check({}, {}, {"average_decay": 0.9, "warmup_steps": 10})
    unused = {"average_decay": 0.9, "lr_scheduler_type": "constant", "eval_delay": 5}
    with pytest.raises(ValueError) as error:
        check({"carry_state": True}, {}, used | unused)
    assert str(error.value) == (
        "`--carry_state` does not use `--lr_scheduler_type`, `--eval_delay`, `--average_decay`: remove them."
    )


@pytest.mark.parametrize(
    "name", ["gradient_accumulation_steps", "warmup_steps", "optim", "save_total_limit", "eval_strategy"]
)
def test_one_option_that_streams_do_not_use_is_named(name):
    value = {"optim": "sgd", "eval_strategy": "no"}.get(name, 3)
    with pytest.raises(ValueError, match=f"`--carry_state` does not use `--{name}`: remove it."):
        check({"carry_state": True}, {}, {name: value})


def test_packed_corpus_has_its_own_tokenizer_and_texts():
    check({"packed": "corpus.npz", "block_size": 9}, {"hidden_size": 8})
    with pytest.raises(
        ValueError, match="`--packed` does not use `--text_column`, `--tokenizer`, `--lowercase`: remove"
    ):
        check({"packed": "corpus.npz", "text_column": "review"}, {"tokenizer": "bpe", "lowercase": False})


def test_streams_do_not_resume():
    with pytest.raises(ValueError, match="support one process and no resuming: remove `--resume_from_checkpoint`"):
        check({"carry_state": True}, {}, {"resume_from_checkpoint": "last"})
