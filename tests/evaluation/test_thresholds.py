import numpy as np
import pytest
from sklearn.metrics import f1_score

from hf_lstm.evaluation.thresholds import best_thresholds


def test_best_thresholds_by_hand():
    labels = np.array([[1, 0, 0, 1, 1], [1, 0, 0, 1, 1], [0, 1, 0, 1, 1], [0, 0, 0, 1, 1]])
    scores = np.array(
        [[0.9, 0.1, 0.4, 0.9, 1], [0.3, 0.2, 0.8, 0.92, 1], [0.05, 0.6, 0.2, 0.94, 1], [0.21, 0.1, 0.1, 0.96, 1]]
    )
    # Labels 0 and 1 are separable: half-way between 0.3 and 0.21, and 0.6 and 0.2. Label 2 has no positive text.
    # Labels 3 and 4 are always positive: half of the lowest score, 0.9 and 1.
    assert best_thresholds(scores, labels) == pytest.approx([0.255, 0.4, 0.5, 0.45, 0.5])
    # Saturated scores that are not all correct: the threshold is limited to 0.99.
    assert best_thresholds(np.array([[1.0], [1 - 2**-24], [0.0]]), np.array([[1], [0], [0]])) == [0.99]


def test_no_other_threshold_has_a_higher_f1():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (40, 3))
    scores = (labels + 2 * rng.random((40, 3))) / 3
    for column, best in enumerate(best_thresholds(scores, labels)):
        f1 = [f1_score(labels[:, column], scores[:, column] >= limit) for limit in (best, *np.linspace(0, 1, 101))]
        assert max(f1) == f1[0] < 1
