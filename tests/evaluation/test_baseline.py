import pytest

from hf_lstm.evaluation.baseline import tfidf_baseline


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
def test_baseline_learns_a_separable_problem(problem_type):
    texts = ["good film", "bad film", "a good one", "a bad one"] * 10
    classes = [1, 0, 1, 0] * 10
    labels = {
        "single_label_classification": classes,
        "multi_label_classification": [[float(c), 1.0 - c] for c in classes],
        "regression": [float(c) for c in classes],
    }[problem_type]
    metrics = tfidf_baseline(texts, labels, ["good", "bad"], labels[:2], problem_type)
    if problem_type == "regression":
        assert metrics["r2"] > 0.5
    else:
        assert metrics["f1_macro"] == metrics["roc_auc"] == 1.0


def test_class_that_is_not_in_the_training_texts_counts_as_an_error():
    texts, labels = ["good film", "bad film"] * 5, [2, 0] * 5
    metrics = tfidf_baseline(texts, labels, ["good", "bad", "bad"], [2, 0, 3], "single_label_classification")
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert "roc_auc" not in metrics


def test_unknown_problem_type_raises_an_error():
    with pytest.raises(ValueError, match="Unknown problem_type 'multi_label'; choose one of: single_label_"):
        tfidf_baseline(["a a"], [0], ["a"], [0], "multi_label")
