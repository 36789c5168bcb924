import pytest
from datasets import Sequence, Value
from helpers import labels_of, rows_of, three_splits, write_splits

from hf_lstm.data.corpus import load_corpus


@pytest.mark.parametrize(
    ("labels", "names", "vectors"),
    [
        ([["b", "a"], [], ["c"]], ("a", "b", "c"), [[1, 1, 0], [0, 0, 0], [0, 0, 1]]),
        ([[10], [2, 10], []], ("2", "10"), [[0, 1], [1, 1], [0, 0]]),
        ([[1, 0, 0], [1, 1, 0], [0, 0, 0]], ("0", "1", "2"), [[1, 0, 0], [1, 1, 0], [0, 0, 0]]),
    ],
)
def test_lists_become_vectors(tmp_path, labels, names, vectors):
    corpus = three_splits(tmp_path / "c", rows_of(labels, "labels"))
    assert (corpus.problem_type, corpus.label_names) == ("multi_label_classification", names)
    assert corpus.splits["test"]["labels"][:] == vectors
    assert corpus.splits["test"].features["labels"] == Sequence(Value("float32"), length=len(names))


def test_fractions_are_scores(tmp_path):
    corpus = three_splits(tmp_path / "c", rows_of([0, 1.5, -2], "score"))
    assert (corpus.problem_type, corpus.label_names) == ("regression", ("score",))
    assert labels_of(corpus) == {"text 0": 0.0, "text 1": 1.5, "text 2": -2.0}


@pytest.mark.parametrize(
    ("labels", "culprit"),
    [
        (["3,5", "4,1", "-0,2"], "3,5"),
        (["45.2%", "7 %", "100%"], "45.2%"),
        (["1,234.5", "999.5", "10,000.0"], "1,234.5"),
        (["1.5", "2.5", "n/a"], "n/a"),
        (["1", "2", "three"], None),
        (["1.2.3", "2.0.1", "3.1"], None),
        (["2024-01-01", "2024-01-02", "2024-01-03"], None),
    ],
)
def test_classes_that_are_rather_scores_are_reported(tmp_path, labels, culprit):
    corpus = three_splits(tmp_path / "c", rows_of(labels, "score"))
    found = [note for note in corpus.notes if note.startswith("Most labels look like scores")]
    assert corpus.problem_type == "single_label_classification" and len(found) == (culprit is not None)
    if culprit is not None:
        assert f"{culprit!r} (row {labels.index(culprit) + 1} of train)" in found[0]


def test_labels_are_counted_and_similar_names_are_reported():
    labels = ["Yes"] * 3 + ["No"] * 2 + ["yes", "new  york", "New York"]
    corpus = load_corpus({"train": rows_of(labels), "validation": rows_of(["No"])})
    notes = " ".join(corpus.notes)
    assert "each label: New York 1, No 2, Yes 3, new  york 1, yes 1." in notes
    assert "The labels 'Yes', 'yes' differ only in case or white space" in notes
    assert "The labels 'New York', 'new  york' differ only" in notes
    many = load_corpus({"train": rows_of([f"l{i:02}" for i in range(25)] * 2), "validation": rows_of(["l00"])})
    assert any("l19 2 and 5 more." in note for note in many.notes)


def test_vectors_are_counted_by_position():
    corpus = load_corpus({"train": rows_of([[1, 0, 1], [1, 0, 0]]), "validation": rows_of([[1, 0, 0]])})
    assert any("each label: 0 2, 1 0, 2 1." in note for note in corpus.notes)


@pytest.mark.parametrize("labels", [["1.1", "1.10", "1.2", "2.0"], ["1", "2", "10", "3"]])
def test_problem_type_keeps_numbers_as_classes(labels):
    data = {"train": rows_of(labels), "validation": rows_of(labels[:1])}
    corpus = load_corpus(data, problem_type="single_label_classification")
    assert corpus.problem_type == "single_label_classification"
    assert corpus.label_names == tuple(sorted(labels, key=lambda label: (float(label), label)))


def test_problem_type_turns_whole_numbers_into_scores():
    data = {"train": rows_of([1, 5, 3]), "validation": rows_of(["4"])}
    corpus = load_corpus(data, problem_type="regression")
    assert corpus.label_names == ("label",) and corpus.splits["validation"]["labels"][:] == [4.0]
    assert any("scores (regression)" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("labels", "problem_type", "message"),
    [
        (["0.5", "inf", "1"], None, r"the label 'inf' \(row 2\), which is not a finite number"),
        (["1", "-Infinity", "2"], None, r"'-Infinity' \(row 2\), which is not a finite number"),
        (["1", "a"], "regression", r"the label 'a' \(row 2\), which is not a finite number"),
        ([["a", "b"], ["a"]], "single_label_classification", "lists with several labels; problem_type must be multi"),
        (["a", "b"], "classification", "problem_type is 'classification'; it must be one of single_label"),
    ],
)
def test_labels_that_do_not_fit_the_problem_type(labels, problem_type, message):
    with pytest.raises(ValueError, match=message):
        load_corpus({"train": rows_of(labels), "validation": rows_of(labels)}, problem_type=problem_type)


def test_plain_minus_one_is_a_class_only_if_it_occurs_in_train(tmp_path):
    corpus = load_corpus(write_splits(tmp_path / "c", train=rows_of([0, 1] * 10), test=rows_of([-1] * 4)))
    assert any("has only the label -1" in note for note in corpus.notes)
    assert len(corpus.splits["train"]) + len(corpus.splits["validation"]) + len(corpus.splits["test"]) == 20


def test_scores_without_leading_zero():
    corpus = load_corpus({"train": rows_of([".1", "-.2", "3.", "1e-1"]), "validation": rows_of(["+.5"])})
    assert corpus.problem_type == "regression"
    assert corpus.splits["train"]["labels"][:] == pytest.approx([0.1, -0.2, 3, 0.1])


def test_scores_of_a_regression_are_described(tmp_path):
    rows = [{"text": f"text {score}", "label": score} for score in (1.5, 2.5, 4.5, 5.5)]
    assert "Scores of train: mean 3.5, standard deviation 1.581." in three_splits(tmp_path, rows).notes
