import json

import datasets
import pandas as pd
import pytest
from helpers import tiny_corpus

from hf_lstm import train_classifier
from hf_lstm.training.train import name_of, unlabelled_texts

OPTIONS = {"num_train_epochs": 2, "hidden_size": 8, "embedding_size": 8, "baseline": False, "bf16": False}


@pytest.fixture
def table() -> pd.DataFrame:
    rows = tiny_corpus().splits["train"]
    return pd.DataFrame({"text": rows["text"][:], "label": ["good" if label else "other" for label in rows["labels"]]})


def test_a_data_frame_is_trained_on_twice_in_one_process(table, tmp_path, capsys):
    for name in ("first", "second"):
        trained = train_classifier(table, output_dir=tmp_path / name, **OPTIONS)
        assert set(trained.metrics) == {"validation", "test"} and 0 <= trained.metrics["test"]["accuracy"] <= 1
        assert trained.model.config.label2id == {"good": 0, "other": 1}
    record = json.loads((tmp_path / "second" / "metrics.json").read_text())
    assert record["training"]["command"].startswith("train_classifier(<DataFrame>, num_train_epochs=2")
    assert record["dataset"] == "dataframe" and not record["dataset_on_hub"]
    assert {"README.md", "learning_curve.png", "predictions.png"} <= {p.name for p in (tmp_path / "second").iterdir()}
    assert "Defaults for" in capsys.readouterr().out
    assert not datasets.are_progress_bars_disabled()


def test_a_file_is_trained_on(table, tmp_path):
    table.to_csv(tmp_path / "opinions.csv", index=False)
    trained = train_classifier(tmp_path / "opinions.csv", output_dir=tmp_path / "run", cell_type="gru", **OPTIONS)
    assert trained.model.config.cell_type == "gru"
    assert json.loads((trained.folder / "metrics.json").read_text())["dataset"].endswith("opinions.csv")


def test_invalid_calls():
    with pytest.raises(TypeError, match="did you mean 'hidden_size'"):
        train_classifier(hiden_size=8)
    with pytest.raises(TypeError, match="both `data` and `dataset`"):
        train_classifier("a.csv", dataset="b.csv")
    with pytest.raises(ValueError, match="`cell_type` must be one of 'lstm', 'gru', 'rnn', got 'gnu'"):
        train_classifier(cell_type="gnu")


def test_name_of_data():
    assert [name_of(data) for data in (None, "data/a.csv", "owner/name", pd.DataFrame())] == [
        "sample_reviews",
        "a",
        "name",
        "dataframe",
    ]


def test_texts_for_teachers(tmp_path):
    corpus = tiny_corpus()
    (tmp_path / "texts.txt").write_text("one film\ntwo films\n")
    assert unlabelled_texts(corpus, None) is None and unlabelled_texts(corpus, "none") is None
    assert sorted(unlabelled_texts(corpus, str(tmp_path / "texts.txt"))["text"]) == ["one film", "two films"]
