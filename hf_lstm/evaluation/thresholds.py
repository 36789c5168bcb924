"""Choose the decision thresholds of a multi-label classifier."""

import numpy as np
from sklearn import metrics as sk

# The config requires thresholds below 1, but saturated scores are exactly 1.
MAX_THRESHOLD = 0.99


def best_thresholds(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return, for each label, the threshold with the highest F1. Use validation data, not test data.

    Args:
        scores: Probabilities `(texts, num_labels)`.
        labels: 0/1 indicators `(texts, num_labels)`.

    Returns:
        One threshold per label, below 1. It lies half-way between the lowest score that counts as predicted and the
        next lower score (or 0). A label without any positive text gets 0.5.
    """
    return [_best_threshold(*columns) for columns in zip(np.transpose(scores), np.transpose(labels), strict=True)]


def _best_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the threshold of one label from its scores and indicators, each `(texts,)`."""
    if not labels.any():
        return 0.5
    precision, recall, thresholds = sk.precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    best = int(f1[:-1].argmax())  # the last entry has no threshold: it predicts nothing
    next_lower = float(thresholds[best - 1]) if best else 0.0
    return min((next_lower + float(thresholds[best])) / 2, MAX_THRESHOLD)
