"""Metrics against values computed by hand, and their use with `evaluate` and the Trainer."""

import math
import socket
import warnings

import evaluate
import numpy as np
import pytest
from datasets import Dataset
from transformers import EvalPrediction

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.evaluation.metrics import (
    ClassificationMetrics,
    MultiLabelMetrics,
    RegressionMetrics,
    ScoreMetrics,
    build_compute_metrics,
    compute_metrics,
)
from hf_lstm.text import train_tokenizer


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", category=UserWarning)  # scikit-learn warns about undefined metrics
        yield


def test_classification_by_hand():
    # Class 0: 2 of 3 found, no false positive. Class 1: 1 of 1 found, one false positive. Class 2: never predicted.
    # Class 3: predicted once, for the text of class 2.
    metrics = ClassificationMetrics().compute(predictions=[0, 0, 1, 1, 3], references=[0, 0, 0, 1, 2])
    precision = [1, 1 / 2, 0, 0]
    recall = [2 / 3, 1, 0, 0]
    f1 = [4 / 5, 2 / 3, 0, 0]
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    assert metrics["precision_macro"] == pytest.approx(sum(precision) / 4)
    assert metrics["recall_macro"] == pytest.approx(sum(recall) / 4)
    assert metrics["f1_macro"] == pytest.approx(sum(f1) / 4)
    assert metrics["f1_weighted"] == pytest.approx((3 * f1[0] + f1[1]) / 5)
    assert all(type(value) is float for value in metrics.values())


def test_matthews_correlation_by_hand():
    # 3 true positives, 2 true negatives, 1 false positive, 2 false negatives.
    metrics = ClassificationMetrics().compute(predictions=[1, 1, 1, 0, 0, 1, 0, 0], references=[1, 1, 1, 0, 0, 0, 1, 1])
    assert metrics["matthews_correlation"] == pytest.approx((3 * 2 - 1 * 2) / math.sqrt(4 * 5 * 3 * 4))


def test_single_class_has_no_matthews_correlation():
    metrics = ClassificationMetrics().compute(predictions=[1, 1], references=[1, 1])
    assert metrics["accuracy"] == metrics["f1_macro"] == 1.0
    assert "matthews_correlation" not in metrics


def test_roc_auc_of_two_classes_is_that_of_class_1():
    # Of the 2 x 2 pairs (positive, negative) three are in the right order.
    scores = [[0.1, 0.9], [0.6, 0.4], [0.5, 0.5], [0.8, 0.2]]
    assert ScoreMetrics().compute(prediction_scores=scores, references=[1, 1, 0, 0]) == {
        "roc_auc": pytest.approx(3 / 4)
    }


def test_roc_auc_of_three_classes_is_the_mean_of_one_vs_rest():
    scores = [[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.2, 0.1, 0.7], [0.4, 0.35, 0.25]]
    # Class 0 against the rest: 1 positive above all 3. Class 1: 0.4 and 0.35 above 0.2 and 0.1. Class 2: above all 3.
    perfect = ScoreMetrics().compute(prediction_scores=scores, references=[0, 1, 2, 1])
    assert perfect == {"roc_auc": 1.0}
    # Class 0 {row 3}: above 2 of 3. Class 1 {rows 0, 1}: 0.2 over 1 of 2, 0.4 over 2 of 2. Class 2: 3 of 3.
    mixed = ScoreMetrics().compute(prediction_scores=scores, references=[1, 1, 2, 0])
    assert mixed == {"roc_auc": pytest.approx((2 / 3 + 3 / 4 + 1) / 3)}


def test_undefined_roc_auc_is_omitted():
    assert ScoreMetrics().compute(prediction_scores=[[0.2, 0.8], [0.6, 0.4]], references=[1, 1]) == {}
    scores = [[0.2, 0.7, 0.1], [0.6, 0.3, 0.1]]
    assert ScoreMetrics().compute(prediction_scores=scores, references=[1, 0]) == {}
    assert set(ScoreMetrics().compute(prediction_scores=scores, references=[[1, 0, 0], [0, 1, 0]])) == {"lrap"}


def test_multi_label_by_hand():
    references = [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    metrics = MultiLabelMetrics().compute(predictions=[[1, 0, 0], [0, 1, 0], [0, 1, 0]], references=references)
    # Two true positives, one false positive, one false negative. F1 per label: 1, 2/3 and 0. Text 2 is correct.
    assert metrics["f1_micro"] == pytest.approx(4 / 6)
    assert metrics["f1_macro"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert metrics["subset_accuracy"] == pytest.approx(1 / 3)


def test_label_ranking_average_precision_by_hand():
    # The only label of the first text is ranked second, that of the second text third.
    scores = [[0.75, 0.5, 1.0], [1.0, 0.2, 0.1]]
    metrics = ScoreMetrics().compute(prediction_scores=scores, references=[[1, 0, 0], [0, 0, 1]])
    assert metrics["lrap"] == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_regression_by_hand():
    metrics = RegressionMetrics().compute(predictions=[1.0, 2.0, 5.0], references=[1.0, 3.0, 5.0])
    assert metrics == {"mse": pytest.approx(1 / 3), "mae": pytest.approx(1 / 3), "r2": pytest.approx(1 - 1 / 8)}
    assert set(RegressionMetrics().compute(predictions=[1.0], references=[2.0])) == {"mse", "mae"}
    several = RegressionMetrics().compute(predictions=[[1.0, 0.0], [2.0, 4.0]], references=[[1.0, 0.0], [3.0, 4.0]])
    assert several["mse"] == pytest.approx(1 / 4)


def test_trainer_metrics_of_single_label_classification():
    logits = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 1.5]])
    metrics = build_compute_metrics("single_label_classification", 2)(EvalPrediction(logits, np.array([0, 1, 0])))
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["roc_auc"] == 1.0
    state = np.zeros((1, 3, 4))
    assert (
        build_compute_metrics("single_label_classification", 2)(EvalPrediction((logits, state), [0, 1, 0])) == metrics
    )


def test_trainer_metrics_of_multi_label_classification():
    # Probabilities 0.73, 0.5, 0.27 for logits 1, 0, -1; the labels are floats, as in the loss.
    prediction = EvalPrediction(np.array([[1.0, -1.0], [0.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 1.0]]))
    at_half = build_compute_metrics("multi_label_classification", 2)(prediction)
    assert at_half["f1_micro"] == pytest.approx(
        2 * 2 / (2 * 2 + 1 + 1)
    )  # a score of exactly 0.5 counts as predicted: a false positive
    assert at_half["subset_accuracy"] == 0.0
    per_label = build_compute_metrics("multi_label_classification", 2, threshold=[0.6, 0.2])(prediction)
    assert per_label["subset_accuracy"] == 1.0
    assert per_label["lrap"] == at_half["lrap"] == 1.0


def test_trainer_metrics_of_regression():
    metrics = build_compute_metrics("regression", 1)(EvalPrediction(np.array([[1.0], [2.0]]), np.array([1.0, 4.0])))
    assert metrics["mse"] == pytest.approx(2.0)


def test_unknown_problem_type_and_wrong_width_raise_an_error():
    with pytest.raises(ValueError, match="'multi_label'; choose one of: single_label_classification, multi_label_"):
        build_compute_metrics("multi_label", 2)
    with pytest.raises(ValueError, match="returns 3 scores per text, but num_labels is 2"):
        build_compute_metrics("single_label_classification", 2)(EvalPrediction(np.zeros((4, 3)), np.zeros(4)))
    for problem_type in ("x", None):
        with pytest.raises(ValueError, match="Unknown problem_type"):
            compute_metrics(problem_type, np.zeros((1, 2)), [0])


def test_metrics_can_be_combined():
    combined = evaluate.combine([ClassificationMetrics(), ScoreMetrics()])
    metrics = combined.compute(predictions=[1, 0], references=[1, 0], prediction_scores=[[0.2, 0.8], [0.7, 0.3]])
    assert metrics["accuracy"] == metrics["f1_macro"] == metrics["roc_auc"] == 1.0


def test_batches_add_up_and_the_metric_is_reusable():
    metric = ClassificationMetrics()
    metric.add_batch(predictions=[0, 1], references=[0, 1])
    metric.add(prediction=1, reference=0)
    assert metric.compute()["accuracy"] == pytest.approx(2 / 3)
    assert metric.compute(predictions=[0], references=[0])["accuracy"] == 1.0


def test_metric_works_with_the_evaluator():
    texts = ["good film", "bad film", "good good", "bad bad"]
    tokenizer = train_tokenizer(texts, "word", 16, show_progress=False)
    config = LstmConfig(vocab_size=len(tokenizer), embedding_size=4, hidden_size=4, num_hidden_layers=1)
    config.id2label, config.label2id = {0: "neg", 1: "pos"}, {"neg": 0, "pos": 1}
    model = LstmForSequenceClassification(config).eval()
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    predicted = model(**batch).logits.argmax(dim=1).tolist()
    metrics = evaluate.evaluator("text-classification").compute(
        model_or_pipeline=model,
        tokenizer=tokenizer,
        data=Dataset.from_dict({"text": texts, "label": [predicted[0], 1 - predicted[1], predicted[2], predicted[3]]}),
        metric=ClassificationMetrics(),
        label_mapping=config.label2id,
    )
    assert metrics["accuracy"] == pytest.approx(3 / 4)


def test_metrics_need_neither_network_nor_cache_files(monkeypatch, tmp_path):
    def refuse(*arguments, **options):
        raise AssertionError("network call")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for metric_class in (ClassificationMetrics, MultiLabelMetrics, ScoreMetrics, RegressionMetrics):
        metric_class(cache_dir=str(tmp_path))
    metric = ClassificationMetrics(cache_dir=str(tmp_path))
    metric.add_batch(predictions=[0, 1], references=[0, 1])
    # Two processes would write to the same file here.
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert metric.compute()["accuracy"] == 1.0
