import csv
import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
from helpers import tiny_corpus

from hf_lstm import load_classifier, train_classifier
from hf_lstm.inference import predict_texts
from hf_lstm.tuning import search_space, shared_texts, train
from hf_lstm.tuning.limits import Budget
from hf_lstm.tuning.study import STUDY_FILE

OPTIONS = {"hidden_size": 8, "embedding_size": 8, "num_train_epochs": 2, "bf16": False, "vocab_size": 60}


@pytest.fixture
def table() -> pd.DataFrame:
    rows = tiny_corpus().splits["train"]
    return pd.DataFrame({"text": rows["text"][:], "label": ["good" if label else "other" for label in rows["labels"]]})


@pytest.fixture(autouse=True)
def ticks(monkeypatch):
    """A clock that advances by a second whenever it is read, and only three recipes."""
    seconds = iter(range(1_000_000))
    monkeypatch.setattr(train, "Budget", partial(Budget, clock=lambda: next(seconds)))
    monkeypatch.setattr(train, "count_processes", lambda given, device: 1)  # the clock is that of one process
    recipes = ({}, {"cell_type": "gru", "teacher": "linear"}, {"pooling": "max"})
    monkeypatch.setattr("hf_lstm.tuning.search.RECIPES", recipes)
    assert all(search_space.CHOICES[name] for recipe in recipes for name in recipe)


def table_of(folder) -> list[dict[str, str]]:
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_printed_command_trains_the_saved_model(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shared_texts, "MIN_ROWS", 0)
    monkeypatch.setattr("hf_lstm.tuning.search.RECIPES", ({"cell_type": "gru", "teacher": "linear"},))
    tuned = train_classifier(table, output_dir=tmp_path / "tuned", autotune="40s", **OPTIONS)
    printed = capsys.readouterr().out
    record = json.loads((tmp_path / "tuned" / "metrics.json").read_text())
    command = record["training"]["command"]
    complete = [row for row in table_of(tmp_path / "tuned") if row["trial"] and row["outcome"] == "complete"]
    best = max(complete, key=lambda row: row["accuracy"])
    assert f"  {command}\n" in printed and command.startswith("train_classifier(<DataFrame>, ")
    assert "autotune" not in command and "hidden_size=8" in command and best["options"] in printed
    arguments = eval(command.replace("<DataFrame>, ", "").replace("train_classifier", "dict"))
    plain = train_classifier(table, **arguments | {"output_dir": tmp_path / "plain"})
    texts = table["text"][:10]
    np.testing.assert_array_equal(*(predict_texts(one.model, one.tokenizer, texts) for one in (tuned, plain)))
    assert tuned.metrics == plain.metrics
    files = {path.name for path in (tmp_path / "tuned").iterdir()}
    assert files - {path.name for path in (tmp_path / "plain").iterdir()} == {"trials.csv", "trials.png", STUDY_FILE}
    card = (tmp_path / "tuned" / "README.md").read_text()
    assert "## Search for the options" in card and "![Trials" in card and record["search"]
    assert "## Search" not in (tmp_path / "plain" / "README.md").read_text()


@pytest.mark.slow
def test_trials_of_two_processes_give_the_same_model_as_the_printed_command(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shared_texts, "MIN_ROWS", 0)
    monkeypatch.setattr(train, "count_processes", lambda given, device: 2)
    monkeypatch.setattr(train, "Budget", Budget)
    tuned = train_classifier(table, output_dir=tmp_path / "tuned", autotune="30s", **OPTIONS)
    printed = capsys.readouterr().out
    assert "with 2 trials at a time" in printed and "Training the best trial" not in printed
    numbers = [int(row["trial"]) for row in table_of(tmp_path / "tuned") if row["trial"]]
    assert numbers == list(range(len(numbers))) and len(numbers) >= 2
    assert printed.count("\ntrial ") == len(numbers)
    command = json.loads((tmp_path / "tuned" / "metrics.json").read_text())["training"]["command"]
    arguments = eval(command.replace("<DataFrame>, ", "").replace("train_classifier", "dict"))
    plain = train_classifier(table, **arguments | {"output_dir": tmp_path / "plain"})
    texts = table["text"][:10]
    np.testing.assert_array_equal(*(predict_texts(one.model, one.tokenizer, texts) for one in (tuned, plain)))
    assert tuned.metrics == plain.metrics
    history = [json.loads((tmp_path / name / "metrics.json").read_text())["training"] for name in ("tuned", "plain")]
    assert history[0]["epochs"] == history[1]["epochs"]


def test_a_small_corpus_is_cross_validated_and_a_search_is_resumed(table, tmp_path, capsys):
    options = OPTIONS | {"output_dir": tmp_path / "run", "baseline": False}
    trained = train_classifier(table, autotune="30s", **options)
    printed = capsys.readouterr().out
    assert "3 folds of the 36 texts" in printed and "Training the best trial" in printed
    assert trained.metrics["test"]["accuracy"] == load_classifier(tmp_path / "run").metrics["test"]["accuracy"]
    first = table_of(tmp_path / "run")
    train_classifier(table, autotune="90s", **options)
    second = table_of(tmp_path / "run")
    assert second[: len(first)] == first and len(second) > len(first)
    with pytest.raises(ValueError, match=r"other data or options \(different: options\)"):
        train_classifier(table, autotune="30s", **options | {"seed": 3})
    with pytest.raises(ValueError, match="other data or options"):
        train_classifier(table[:-1], autotune="30s", **options)
    # The model of the second search is kept.
    assert load_classifier(tmp_path / "run").metrics.keys() == {"validation", "test"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pretrained": "runs/a"}, "remove `--pretrained`"),
        ({"resume_from_checkpoint": "last"}, "remove `--resume_from_checkpoint`"),
        ({"eval_strategy": "no", "save_strategy": "no"}, "remove `--eval_strategy no`"),
        ({"max_megabytes": 1e-6}, "the smallest one has .* MB and needs .* ms for a text. Raise --max_megabytes"),
    ],
)
def test_combinations_that_are_refused(table, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        train_classifier(table, output_dir=tmp_path / "run", autotune="10s", **OPTIONS | options)


def test_a_missing_extra_is_named(table, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ImportError, match=r'pip install "hf_lstm\[tune\]"'):
        train_classifier(table, output_dir=tmp_path / "run", autotune="10s", **OPTIONS)
