import numpy as np
import pytest

from hf_lstm.evaluation.calibration import calibration, chance_error, reliability_bins, total_loss


def test_log_loss_and_calibration_error_by_hand():
    # Confidence 0.8 with accuracy 0.6 on ten texts; confidence 0.55 with accuracy 1 on ten texts.
    probability = np.array([0.8] * 10 + [0.55] * 10)  # of class 1
    logits = np.log(np.stack([1 - probability, probability], axis=1))
    labels = np.array([1] * 6 + [0] * 4 + [1] * 10)
    metrics = calibration(logits, labels)
    assert metrics["calibration_error"] == pytest.approx((10 * 0.2 + 10 * 0.45) / 20)
    expected = -(6 * np.log(0.8) + 4 * np.log(0.2) + 10 * np.log(0.55)) / 20
    assert metrics["log_loss"] == pytest.approx(expected)


def test_calibration_of_several_labels_compares_each_label_with_its_share():
    # One label has the probability 0.3 and is in half of the texts, the other one 0.9 and is in all of them.
    logits = np.log([[0.3 / 0.7, 0.9 / 0.1]] * 10)
    labels = np.array([[1, 1], [0, 1]] * 5)
    metrics = calibration(logits, labels, "multi_label_classification")
    assert metrics["calibration_error"] == pytest.approx((0.2 + 0.1) / 2)
    expected = -(np.log(0.3) / 2 + np.log(0.7) / 2 + np.log(0.9)) / 2
    assert metrics["log_loss"] == pytest.approx(expected)


def test_reliability_bins_by_hand():
    bins = reliability_bins(np.array([0.5, 1.0, 0.95, 0.52]), np.array([1.0, 1, 0, 0]))
    assert [row["count"] for row in bins] == [2, 2]
    assert [row["confidence"] for row in bins] == pytest.approx([0.51, 0.975])
    assert [row["accuracy"] for row in bins] == [0.5, 0.5]


def test_chance_error_is_that_of_calibrated_scores():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, 300)
    measured = []
    for _ in range(200):
        right = rng.random(300) < confidence
        # Two classes: class 1 has the confidence, and is correct where `right` is true.
        logits = np.stack([np.zeros(300), np.log(confidence / (1 - confidence))], axis=1)
        measured.append(calibration(logits, right.astype(int))["calibration_error"])
    assert chance_error(confidence) == pytest.approx(np.mean(measured), rel=0.05)
    assert chance_error(np.ones(5)) == 0


def test_loss_of_saturated_logits_is_finite():
    logits = np.array([[1e4, -1e4]])
    assert total_loss(logits, np.array([[0.0, 1.0]]), "single_label_classification") == 2e4
    assert total_loss(logits, np.array([[0.0, 1.0]]), "multi_label_classification") == 2e4
