import json
import os
import subprocess
import sys

import pytest
from helpers import SIZES, ModelArguments, build_classifier, tiny_corpus, training_arguments

from hf_lstm.hub.model_card import EXAMPLE_TEXT
from hf_lstm.training.arguments import DataArguments
from hf_lstm.training.defaults import resolve_defaults
from hf_lstm.training.records import TrainingRun, fit_baseline, precision_of, record_training, tracked_values
from hf_lstm.training.trainer import build_trainer


@pytest.fixture
def build_run(tmp_path):
    """Return a function that trains for one epoch."""

    def build(**options) -> TrainingRun:
        return train_tiny(training_arguments(tmp_path, num_train_epochs=1, **options))

    return build


@pytest.fixture
def run(build_run) -> TrainingRun:
    return build_run()


def train_tiny(given) -> TrainingRun:
    corpus = tiny_corpus()
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
    card = (tmp_path / "README.md").read_text()
    assert "hf-lstm train" in card and f'classify("{EXAMPLE_TEXT}")' in card
    assert not any(f'"{text}' in card for rows in run.corpus.splits.values() for text in rows["text"])  # may be private
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


def test_tracked_values_are_the_figures_with_their_groups():
    record = {
        "figures": {
            "validation": {"model": {"accuracy": 0.5}},
            "test": {"model": {"accuracy": 0.75, "accuracy_interval": [0.7, 0.8]}, "baseline": {"accuracy": 0.25}},
        },
        "calibration": {"temperature": 1.5},
        "bytes": 4_000_000,
        "texts_per_second": 100.0,
    }
    assert tracked_values(record, "test") == {
        "eval_saved_accuracy": 0.5,
        "test_accuracy": 0.75,
        "test_accuracy_low": 0.7,
        "test_accuracy_high": 0.8,
        "test_tfidf_accuracy": 0.25,
        "eval_saved_temperature": 1.5,
        "test_megabytes": 4.0,
        "test_texts_per_second": 100.0,
    }


@pytest.mark.slow
def test_tensorboard_has_the_final_metrics_and_plots(build_run, tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = build_run(report_to="tensorboard")
    metrics = record_training(run, run.trainer.model, run.trainer.processing_class)
    (logs,) = (tmp_path / "runs").iterdir()
    events = EventAccumulator(str(logs)).Reload()
    (accuracy,) = events.Scalars("eval/saved_accuracy")
    assert accuracy.value == pytest.approx(metrics["validation"]["accuracy"])
    baseline = json.loads((tmp_path / "metrics.json").read_text())["figures"]["validation"]["baseline"]
    assert events.Scalars("eval/saved_tfidf_accuracy")[0].value == pytest.approx(baseline["accuracy"])
    assert len(events.Scalars("eval/accuracy")) == 1  # of the only epoch, as from any Trainer
    assert set(events.Tags()["images"]) == {"learning_curve", "predictions", "calibration"}


TRACK_WITH_TRACKIO = """
import json, sys
import pandas
from hf_lstm import train_classifier
from trackio.sqlite_storage import SQLiteStorage

data = {"text": ["good film", "bad film"] * 20, "label": ["yes", "no"] * 20}
train_classifier(
    pandas.DataFrame(data), output_dir=sys.argv[1], report_to="trackio", project="tiny", num_train_epochs=2,
    hidden_size=8, embedding_size=8, bf16=False, disable_tqdm=True,
)
(run,) = SQLiteStorage.get_runs("tiny")
print(json.dumps(SQLiteStorage.get_logs("tiny", run)))
"""


@pytest.mark.slow
def test_trackio_has_one_run_with_the_final_metrics_and_plots(tmp_path):
    pytest.importorskip("trackio", reason="Trackio is not installed")
    done = subprocess.run(
        [sys.executable, "-c", TRACK_WITH_TRACKIO, tmp_path / "run"],
        capture_output=True,
        text=True,
        env=os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio")},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    logs = json.loads(done.stdout.splitlines()[-1])
    final = {name: value for row in logs for name, value in row.items()}
    accuracy = json.loads((tmp_path / "run" / "metrics.json").read_text())["figures"]["test"]["model"]["accuracy"]
    assert final["test/accuracy"] == pytest.approx(accuracy) and "eval/loss" in final
    assert all(final[name]["_type"] == "trackio.image" for name in ("learning_curve", "predictions", "calibration"))
