import sys

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from hf_lstm.auditing.label_errors import find_overlapping_classes, import_cleanlab, rank_label_errors
from hf_lstm.data.corpus import Corpus


def corpus_of(labels, names, feature, problem_type):
    rows = {"text": [f"text {i}" for i in range(len(labels))], "labels": labels}
    train = Dataset.from_dict(rows, Features({"text": Value("string"), "labels": feature}))
    return Corpus(DatasetDict(train=train), names, problem_type, ())


@pytest.fixture
def single():
    """40 rows of each of two classes, and row 3 of the second class has the label of the first."""
    labels = [0] * 40 + [1] * 40
    truth = np.array(labels)
    truth[3] = 1
    predicted = np.where(np.eye(2)[truth] > 0, 0.9, 0.1)
    corpus = corpus_of(labels, ("neg", "pos"), ClassLabel(names=["neg", "pos"]), "single_label_classification")
    return corpus, predicted


def test_the_lowest_probability_of_the_given_label_comes_first(single):
    corpus, predicted = single
    predicted[10] = [0.4, 0.6]  # disagrees less
    table = rank_label_errors(corpus, np.arange(80) * 2, predicted)
    assert table.loc[0].to_dict() == {
        "row": 7,  # the fourth row; every second row of the data has no label
        "text": "text 3",
        "label": "neg",
        "suggested_label": "pos",
        "probability": 0.9,
        "score": pytest.approx(0.1),
        "likely_error": True,
    }
    assert table.loc[1, ["row", "score"]].tolist() == [21, pytest.approx(0.4)]
    assert len(table) == 80 and table["score"].is_monotonic_increasing and table["likely_error"].sum() <= 2


def test_overlapping_classes(single):
    corpus, predicted = single
    predicted[:8] = [0.1, 0.9]
    table = find_overlapping_classes(corpus, predicted)
    assert table.columns.tolist() == ["class_a", "class_b", "rows", "share"]
    assert table[["class_a", "class_b", "rows"]].values.tolist() == [["neg", "pos", 8]]
    assert table["share"].tolist() == pytest.approx([0.1])


def test_multi_label_rows():
    labels = [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]] * 10
    predicted = np.where(np.array(labels) > 0, 0.8, 0.2)
    predicted[4] = [0.05, 0.2]  # the label a is probably wrong
    corpus = corpus_of(labels, ("a", "b"), List(Value("float32")), "multi_label_classification")
    table = rank_label_errors(corpus, np.arange(40), predicted)
    first = table.loc[0]
    assert (first["row"], first["label"], first["suggested_label"]) == (5, "a", "")
    assert first["probability"] == pytest.approx(0.95) and first["likely_error"]
    assert set(table["label"]) == {"a", "a, b", "", "b"}
    empty = find_overlapping_classes(corpus, predicted)
    assert isinstance(empty, pd.DataFrame) and empty.empty


def test_missing_cleanlab(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    with pytest.raises(ImportError, match=r'pip install "hf_lstm\[audit\]"'):
        import_cleanlab()
