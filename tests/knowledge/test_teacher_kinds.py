import numpy as np
import pytest

from hf_lstm.knowledge.teacher_kinds import (
    FITTED_TEACHERS,
    FileTeacher,
    SavedClassifier,
    Task,
    find_teacher,
    read_probabilities,
)

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


@pytest.mark.parametrize(
    ("name", "teacher"),
    [
        ("linear", FITTED_TEACHERS["linear"]),
        ("latent", FITTED_TEACHERS["latent"]),
        ("runs/imdb/taught.parquet", FileTeacher("runs/imdb/taught.parquet")),
        ("labels.CSV", FileTeacher("labels.CSV")),
        ("runs/imdb", SavedClassifier("runs/imdb")),
        ("me/model-1.5", SavedClassifier("me/model-1.5")),
    ],
)
def test_kind_follows_from_the_name(name, teacher):
    assert find_teacher(name) == teacher


def test_task_labels_the_unlabelled_texts_if_there_are_any():
    fields = (("bad", "good"), SINGLE, ["good film", "bad film"], np.eye(2)[[1, 0]])
    assert Task(*fields, unlabelled=None).texts == ["good film", "bad film"]
    task = Task(*fields, unlabelled=["good plot"])
    assert task.texts == ["good plot"]
    # "film" and "good" occur in two of the three texts.
    assert task.ngrams.toarray().tolist() == [[1, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_probabilities_of_a_file_are_found_by_text_and_column(write_probabilities, suffix):
    rows = {"good film": [0.1, 0.9], "bad film": [0.8, 0.2], "more": [0.5, 0.5]}
    path = write_probabilities(f"soft.{suffix}", rows, ("bad", "good"))
    found = read_probabilities(path, ["bad film", "good film", "bad film"], ("good", "bad"), SINGLE)
    assert found.tolist() == [[0.2, 0.8], [0.9, 0.1], [0.2, 0.8]]


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        (
            {"good film": [0.1, 0.9]},
            ("bad", "great"),
            "has no column 'good'. It needs the column `text` and one column per label: bad, good.",
        ),
        (
            {"good film": ["high", 0.9]},
            ("bad", "good"),
            "has ['high', {}] in the columns bad, good of 'good film'. These must be numbers.",
        ),
        (
            {"bad film": [0.1, 0.9]},
            ("bad", "good"),
            "has no probabilities for 2 of 3 texts. The first one is 'good film'.",
        ),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_missing_values_of_a_file_are_reported(write_probabilities, rows, names, message, suffix):
    path = write_probabilities(f"soft.{suffix}", rows, names)
    with pytest.raises(ValueError) as error:
        read_probabilities(path, ["good film", "bad film", "odd film"], ("bad", "good"), SINGLE)
    assert str(error.value) == f"{path} {message.format(repr('0.9') if suffix == 'csv' else 0.9)}"


@pytest.mark.parametrize(
    ("values", "rejected_by"),
    [
        ([0.1, 0.9], set()),
        ([0.333, 0.666], set()),  # rounded
        ([0.9, 0.8], {SINGLE}),
        ([30.0, 70.0], {SINGLE, MULTI}),
        ([-4.2, 5.2], {SINGLE, MULTI}),
        (["nan", 0.5], {SINGLE, MULTI, "regression"}),
        ([0.5, "inf"], {SINGLE, MULTI, "regression"}),
    ],
)
@pytest.mark.parametrize("problem_type", [SINGLE, MULTI, "regression"])
def test_impossible_probabilities_are_rejected(write_probabilities, values, rejected_by, problem_type):
    path = write_probabilities("soft.csv", {"film": values, "plot": [0.5, 0.5]}, ("bad", "good"))
    if problem_type not in rejected_by:
        assert read_probabilities(path, ["film"], ("bad", "good"), problem_type).tolist() == [values]
        return
    expected = {
        SINGLE: "probabilities that sum to 1",
        MULTI: "probabilities from 0 to 1",
        "regression": "finite scores",
    }
    with pytest.raises(ValueError, match=f"must have {expected[problem_type]}, but the values of 'film' are from "):
        read_probabilities(path, ["plot", "film"], ("bad", "good"), problem_type)


def test_probabilities_of_many_labels_may_be_rounded(write_probabilities):
    names = [f"label {i}" for i in range(150)]
    row = np.random.default_rng(0).dirichlet(np.ones(150)).round(2).tolist()
    path = write_probabilities("soft.jsonl", {"film": row}, names)
    assert read_probabilities(path, ["film"], names, SINGLE).tolist() == [row] and abs(sum(row) - 1) > 0.02
