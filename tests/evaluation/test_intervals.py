import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import f1_score

from hf_lstm.evaluation.intervals import confidence_interval


def test_accuracy_interval_matches_the_normal_approximation(tiny_config):
    config = tiny_config(problem_type="single_label_classification")
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 2_000)
    correct = rng.random(2_000) < 0.9
    logits = np.eye(2)[np.where(correct, labels, 1 - labels)]
    low, high = confidence_interval(config, logits, labels)
    accuracy = correct.mean()
    half = norm.ppf(0.975) * np.sqrt(accuracy * (1 - accuracy) / 2_000)
    assert low == pytest.approx(accuracy - half, abs=0.002) and high == pytest.approx(accuracy + half, abs=0.002)


def test_interval_contains_the_metric_of_each_problem_type(tiny_config):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, (60, 2)).astype(float)
    config = tiny_config(problem_type="multi_label_classification")
    low, high = confidence_interval(config, 4 * (labels - 0.5) + rng.normal(size=(60, 2)) * 2, labels)
    assert 0.5 < low < high < 1
    # One threshold per label: F1 is 0 for the first label and 1 for the second.
    config.threshold = [0.9, 0.1]
    logits = np.array([[1.0, -1.0], [-1.0, -4.0]] * 30)
    low, high = confidence_interval(config, logits, np.array([[1, 1], [0, 0]] * 30))
    assert low == high == 0.5
    scores = rng.normal(size=60)
    regression = tiny_config(problem_type="regression", num_labels=1)
    low, high = confidence_interval(regression, scores[:, None] + 0.5, scores)
    assert low == pytest.approx(0.25) and high == pytest.approx(0.25)


def test_macro_f1_interval_matches_a_plain_bootstrap(tiny_config):
    rng = np.random.default_rng(3)
    labels = (rng.random((400, 3)) < [0.5, 0.3, 0.05]).astype(int)
    logits = 2 * labels - 1 + rng.normal(size=(400, 3)) * 2
    interval = confidence_interval(tiny_config(problem_type="multi_label_classification"), logits, labels)
    resamples = [rng.integers(0, 400, 400) for _ in range(500)]
    metrics = [f1_score(labels[rows], logits[rows] >= 0, average="macro", zero_division=0) for rows in resamples]
    low, high = np.percentile(metrics, [2.5, 97.5])
    assert high - low > 0.08 and interval == (pytest.approx(low, abs=0.015), pytest.approx(high, abs=0.015))
