import json

import pytest
from helpers import SIZES, ModelArguments, build_classifier, tiny_corpus, training_arguments

from hf_lstm.training.arguments import DataArguments
from hf_lstm.training.defaults import resolve_defaults
from hf_lstm.training.records import TrainingRun, fit_baseline, precision_of, record_training
from hf_lstm.training.trainer import build_trainer


@pytest.fixture
def run(tmp_path) -> TrainingRun:
    corpus = tiny_corpus()
    given = training_arguments(tmp_path, num_train_epochs=1)
    model, tokenizer, splits, args = build_classifier(corpus, ModelArguments(**SIZES), given)
    resolved = resolve_defaults(splits, corpus.problem_type, ModelArguments(**SIZES), args)
    trainer = build_trainer(model, tokenizer, splits, resolved.training)
    trainer.train()
    return TrainingRun(
        "a.csv",
        False,
        "hf-lstm train",
        ["A note."],
        DataArguments(),
        resolved,
        corpus,
        splits,
        trainer,
        {"temperature": 2.0},
        1.26,
    )


def test_metrics_plots_and_card_are_written(run, tmp_path, capsys):
    metrics = record_training(run, run.trainer.model, run.trainer.processing_class)
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert (
        set(metrics) == {"validation"}
        and record["figures"]["validation"]["model"].keys() == metrics["validation"].keys()
    )
    assert record["notes"] == ["A note."] and record["training"]["seconds"] == 1.3
    assert record["training"]["parameters"] == run.trainer.model.num_parameters()
    assert record["calibration"] == {"temperature": 2.0}
    for name in ("predictions.png", "calibration.png"):
        assert (tmp_path / name).stat().st_size > 1000
    assert "hf-lstm train" in (tmp_path / "README.md").read_text()
    assert "The validation split, 20 texts:" in capsys.readouterr().out


def test_plot_that_fails_does_not_lose_the_records(run, tmp_path, monkeypatch, capsys):
    def fail(*args):
        raise RuntimeError("no font")

    monkeypatch.setattr("hf_lstm.training.records.plot_predictions", fail)
    record_training(run, run.trainer.model, run.trainer.processing_class)
    assert "Warning: predictions.png could not be drawn (no font)." in capsys.readouterr().out
    assert (tmp_path / "README.md").is_file()


def test_baseline_without_words_is_reported(capsys):
    corpus = tiny_corpus()
    assert fit_baseline(corpus, "validation")["accuracy"] > 0.5
    one_letter = corpus.splits["train"].map(lambda row: {"text": "a"})
    corpus.splits["train"] = one_letter
    assert fit_baseline(corpus, "validation") is None
    assert "No TF-IDF baseline: " in capsys.readouterr().out


def test_precision(tmp_path):
    assert precision_of(training_arguments(tmp_path)) == "fp32"
    assert precision_of(training_arguments(tmp_path, bf16=True)) == "bf16"
