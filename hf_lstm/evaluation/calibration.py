"""Confidence intervals, log loss and calibration error."""

import numpy as np
from scipy.stats import bootstrap
from sklearn.metrics import log_loss

from ..inference import probabilities
from .metrics import MAIN_METRIC

# Resamples of an interval, and how many of the intervals would hold the true figure.
RESAMPLES = 1_000

CONFIDENCE = 0.95

# Equally wide parts of [0, 1] in which confidence and accuracy are compared.
CALIBRATION_BINS = 15


def confidence_interval(config, logits: np.ndarray, labels: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """
    Bootstrap interval of the main figure (accuracy, macro F1 or mean squared error) over the texts.

    It says how much another sample of texts would change the figure, and nothing of another training.

    Args:
        config: The model's.
        logits: `(texts, num_labels)`.
        labels: Class ids `(texts,)`, 0/1 indicators `(texts, num_labels)`, or scores.
        seed: Of the resampling.

    Returns:
        Lower and upper bound of the 95 % interval (percentiles of 1,000 resamples).
    """
    scores = probabilities(np.asarray(logits, dtype=np.float64), config.problem_type)
    if config.problem_type == "single_label_classification":
        right = (scores.argmax(1) == labels).astype(float)  # (texts,)

        def figure(rows, axis=-1):
            return right[rows].mean(axis=axis)
    elif config.problem_type == "regression":
        squares = np.square(scores - np.reshape(labels, scores.shape)).mean(1)  # (texts,)

        def figure(rows, axis=-1):
            return squares[rows].mean(axis=axis)
    else:
        predicted, true = scores >= config.threshold, np.asarray(labels, dtype=bool)
        found = np.stack([predicted & true, predicted, true], axis=1).astype(float)  # (texts, 3, num_labels)

        def figure(rows, axis=-1):
            drawn = np.stack([np.bincount(row, minlength=len(true)) for row in rows.reshape(-1, len(true))])
            both, said, had = np.moveaxis(np.tensordot(drawn, found, 1), 1, 0)  # each (resamples, num_labels)
            return (2 * both / np.maximum(said + had, 1)).mean(1).reshape(rows.shape[:-1])

    resampled = bootstrap(
        (np.arange(len(labels)),),
        figure,
        n_resamples=RESAMPLES,
        batch=50,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=seed,
    )
    return float(resampled.confidence_interval.low), float(resampled.confidence_interval.high)


def calibration(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """
    How far the probabilities of one class a text can be believed.

    Args:
        logits: `(texts, num_labels)`.
        labels: Class ids, `(texts,)`.

    Returns:
        `log_loss`, and `calibration_error`: the mean distance between the probability of the predicted class and how
        often it is right, over 15 ranges of that probability (Guo et al., 2017, https://huggingface.co/papers/1706.04599).
    """
    scores = probabilities(np.asarray(logits, dtype=np.float64), "single_label_classification")
    confidence, right = scores.max(1), scores.argmax(1) == labels  # each (texts,)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [np.abs(np.sum(confidence[bins == i] - right[bins == i])) for i in range(CALIBRATION_BINS)]
    return {
        "log_loss": float(log_loss(labels, scores, labels=np.arange(scores.shape[1]))),
        "calibration_error": float(np.sum(gaps) / len(labels)),
    }


def reliability(config, logits: np.ndarray, labels: np.ndarray) -> dict[str, float | tuple[float, float]]:
    """Of two texts or more the main figure's interval, `NAME_interval`; of one class a text also [`calibration`]."""
    found = {}
    if len(labels) > 1:
        found[f"{MAIN_METRIC[config.problem_type]}_interval"] = confidence_interval(config, logits, labels)
    if config.problem_type == "single_label_classification":
        found |= calibration(logits, labels)
    return found
