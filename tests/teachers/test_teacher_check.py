import itertools

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from sklearn.metrics import f1_score

from hf_lstm.data.corpus import Corpus
from hf_lstm.teachers import teacher_check
from hf_lstm.teachers.teacher_check import check_teachers, label_correlation, main_metric
from hf_lstm.teachers.teacher_kinds import SavedClassifier, find_teacher

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
NAMES = ("bad", "good")


def make_corpus(rows: int = 200) -> Corpus:
    """Texts whose label is that of their first word, except that every fifth one is wrong."""
    texts = [f"{NAMES[i % 2]} film number {i % 7}" for i in range(rows)]
    labels = [(i % 2) ^ (i % 5 == 0) for i in range(rows)]
    features = Features({"text": Value("string"), "labels": ClassLabel(names=list(NAMES))})
    table = Dataset.from_dict({"text": texts, "labels": labels}, features)
    return Corpus(DatasetDict(train=table, validation=table), NAMES, SINGLE, ())


def by_first_word(texts):
    return [[0.9, 0.1] if text.startswith("bad") else [0.1, 0.9] for text in texts]


def by_number(texts):
    """Unrelated to the labels."""
    return [[0.7, 0.3] if int(text[-1]) < 3 else [0.3, 0.7] for text in texts]


def nearly(texts):
    """Wrong for two of the seven numbers."""
    return [row[:: -1 if int(text[-1]) < 2 else 1] for text, row in zip(texts, by_first_word(texts), strict=True)]


def test_the_metric_of_each_teacher_is_printed(capsys):
    notes = check_teachers(make_corpus(), [find_teacher("linear"), find_teacher(by_first_word)])
    assert notes == [
        "Teacher linear: accuracy 0.800 on 200 validation texts.",
        "Teacher function by_first_word: accuracy 0.800 on 200 validation texts (linear: 0.800).",
    ]
    assert capsys.readouterr().out.splitlines() == notes


def test_two_teachers_with_the_same_name_are_both_checked():
    good = find_teacher(lambda texts: by_first_word(texts))
    useless = find_teacher(lambda texts: by_number(texts))
    assert len(check_teachers(make_corpus(), [good, find_teacher("linear"), good])) == 2
    for teachers in ([good, useless], [useless, good]):
        with pytest.raises(ValueError, match="function <lambda> is hardly better than chance"):
            check_teachers(make_corpus(400), teachers)


def test_a_useless_teacher_is_rejected():
    with pytest.raises(ValueError, match=r"function by_number is hardly better than chance: accuracy 0\.\d+ on 400"):
        check_teachers(make_corpus(400), [find_teacher(by_number)])
    with pytest.raises(ValueError, match="chance: accuracy 0.200 on 200 validation texts .* correlation of -0.6"):
        check_teachers(make_corpus(), [find_teacher(lambda texts: np.fliplr(by_first_word(texts)))])
    with pytest.raises(ValueError, match="correlation of 0.00 with the labels, with a standard error of 0.00"):
        check_teachers(make_corpus(), [find_teacher(lambda texts: [[0.4, 0.6]] * len(texts))])


def test_few_texts_reject_no_teacher():
    (note,) = check_teachers(make_corpus(14), [find_teacher(by_number)])
    assert note.startswith("Teacher function by_number: accuracy ")


def test_a_teacher_that_is_worse_than_linear_is_warned_about():
    (note,) = check_teachers(make_corpus(), [find_teacher(nearly)])
    assert "(linear: 0.800). Warning: this teacher is worse than a linear model of n-grams." in note
    assert "tokenizer" not in note  # a function has none of transformers


def test_at_most_2000_texts_are_used_at_equal_distances(monkeypatch):
    monkeypatch.setattr(teacher_check, "MAX_CHECKED_TEXTS", 50)
    seen = []
    find = find_teacher(lambda texts: seen.extend(texts) or by_first_word(texts))
    (note,) = check_teachers(make_corpus(), [find])
    assert "on 50 of 200 validation texts" in note and len(seen) == 50
    assert seen[0] == "bad film number 0" and seen[-1] == "good film number 3"  # the first and the last text


def test_a_file_is_checked_on_the_texts_that_it_has(write_probabilities):
    known = [f"{name} film number {i}" for name in NAMES for i in range(3)]
    path = write_probabilities("soft.csv", dict(zip(known, by_first_word(known), strict=True)), NAMES)
    assert check_teachers(make_corpus(), [find_teacher(path)])[0].startswith(f"Teacher {path}: accuracy 0.")
    other = write_probabilities("other.csv", {"another text": [0.5, 0.5]}, NAMES)
    (note,) = check_teachers(make_corpus(), [find_teacher(other)])
    assert note == f"The teacher {other} has none of the validation texts, so it could not be checked."


def test_a_mapped_label_that_no_teacher_has_is_refused(monkeypatch):
    monkeypatch.setattr(SavedClassifier, "label_names", lambda self: ["LABEL_0", "LABEL_1"])
    with pytest.raises(ValueError, match="maps LABEL_7, .* labels LABEL_0, LABEL_1, and the data has bad, good"):
        check_teachers(make_corpus(), [SavedClassifier("me/teacher", {"LABEL_7": "bad"})])


def test_correlation_by_all_permutations():
    rng = np.random.default_rng(0)
    predicted, targets = rng.random((5, 3)), np.eye(3)[[0, 1, 2, 0, 0]]
    correlation, error = label_correlation(predicted, targets)
    centred = [values - values.mean(0) for values in (predicted, targets)]
    scale = np.prod([np.linalg.norm(values) for values in centred])
    assert correlation == pytest.approx((centred[0] * centred[1]).sum() / scale)
    permuted = [(centred[0][list(order)] * centred[1]).sum() / scale for order in itertools.permutations(range(5))]
    assert np.mean(permuted) == pytest.approx(0, abs=1e-12) and error == pytest.approx(np.std(permuted))


def test_correlation_of_one_column_is_that_of_pearson():
    rng = np.random.default_rng(0)
    predicted, targets = rng.random((20, 1)), rng.random((20, 1))
    correlation, error = label_correlation(predicted, targets)
    assert correlation == pytest.approx(np.corrcoef(predicted.T, targets.T)[0, 1])
    assert error == pytest.approx(19**-0.5)


def test_nothing_is_known_without_two_labels():
    assert label_correlation(np.eye(2), np.ones((2, 2))) == (0.0, float("inf"))
    assert label_correlation(np.ones((1, 2)), np.ones((1, 2))) == (0.0, float("inf"))
    assert label_correlation(np.ones((2, 2)), np.eye(2)) == (0.0, 0.0)


def test_main_metric_of_other_problem_types():
    predicted, targets = np.array([[0.4, 0.1], [0.3, 0.2], [0.1, 0.3]]), np.array([[1.0, 0], [1, 0], [0, 1]])
    best = (predicted >= [0.3, 0.3]).astype(int)
    assert main_metric(predicted, targets, MULTI) == pytest.approx(f1_score(targets, best, average="macro")) == 1
    assert main_metric(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]), "regression") == 2
