"""Choose the decision thresholds of a multi-label classifier."""

import numpy as np
from sklearn import metrics as sk

# Saturated scores are 1, which no threshold may be.
MAX_THRESHOLD = 0.99


def best_thresholds(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    """Pick the multi-label thresholds with the highest F1 of each label; give it validation data, never test data.

    Args:
        scores: Probabilities, `(n, num_labels)`.
        labels: 0/1 indicators, `(n, num_labels)`.

    Returns:
        One per label, half-way between the lowest score that reaches it and the next lower one, or 0, and below 1; 0.5
        for a label that no text has.
    """
    return [_best_threshold(*columns) for columns in zip(np.transpose(scores), np.transpose(labels), strict=True)]


def _best_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    if not labels.any():
        return 0.5
    precision, recall, found = sk.precision_recall_curve(labels, scores)
    harmonic = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    best = int(harmonic[:-1].argmax())  # the last is that of no prediction at all
    below = float(found[best - 1]) if best else 0.0
    return min((below + float(found[best])) / 2, MAX_THRESHOLD)
