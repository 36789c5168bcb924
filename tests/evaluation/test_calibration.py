import numpy as np
import pytest

from hf_lstm.evaluation.calibration import calibration


def test_log_loss_and_calibration_error_by_hand():
    # Confidence 0.8 with accuracy 0.6 on ten texts; confidence 0.55 with accuracy 1 on ten texts.
    probability = np.array([0.8] * 10 + [0.55] * 10)  # of class 1
    logits = np.log(np.stack([1 - probability, probability], axis=1))
    labels = np.array([1] * 6 + [0] * 4 + [1] * 10)
    metrics = calibration(logits, labels)
    assert metrics["calibration_error"] == pytest.approx((10 * 0.2 + 10 * 0.45) / 20)
    expected = -(6 * np.log(0.8) + 4 * np.log(0.2) + 10 * np.log(0.55)) / 20
    assert metrics["log_loss"] == pytest.approx(expected)
