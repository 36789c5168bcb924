"""Log loss and calibration error of predicted probabilities, and the reliability bins behind them."""

import numpy as np
from scipy.special import logsumexp

from ..inference import probabilities

# Number of equally wide bins of [0, 1] in which confidence and accuracy are compared; 15 as in Guo et al. (2017).
CALIBRATION_BINS = 15

# Simulated label sets from which [`chance_error`] is estimated; its standard error is then below 2 % of its value.
DRAWS = 200


def calibration(
    logits: np.ndarray, labels: np.ndarray, problem_type: str = "single_label_classification"
) -> dict[str, float]:
    """
    Return the log loss and the expected calibration error of predictions.

    Args:
        logits: Logits `(texts, num_labels)`.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`.
        problem_type: `problem_type` of the config; not a regression.

    Returns:
        `log_loss`, the mean over texts, or for multi-label classification over all pairs of a text and a label; and
        `calibration_error`: the mean absolute difference between confidence and accuracy, over 15 bins of confidence
        weighted by their size (Guo et al., 2017, https://huggingface.co/papers/1706.04599).
    """
    logits = np.asarray(logits, dtype=np.float64)
    targets = one_hot(labels, logits.shape[1], problem_type)
    outcomes = len(logits) if problem_type == "single_label_classification" else logits.size
    bins = reliability_bins(*confidences(logits, labels, problem_type))
    gaps = [row["count"] * abs(row["confidence"] - row["accuracy"]) for row in bins]
    return {
        "log_loss": total_loss(logits, targets, problem_type) / outcomes,
        "calibration_error": float(sum(gaps) / outcomes),
    }


def confidences(logits: np.ndarray, labels: np.ndarray, problem_type: str) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the probabilities to compare with outcomes.

    Args:
        logits, labels, problem_type: See [`calibration`].

    Returns:
        Confidence and outcome, 0 or 1. Single-label: the probability of the predicted class and whether it is correct,
        each `(texts,)`. Multi-label: the probability of each label and whether the text has it,
        `(texts * num_labels,)`.
    """
    scores, labels = probabilities(np.asarray(logits, dtype=np.float64), problem_type), np.asarray(labels)
    if problem_type == "single_label_classification":
        return scores.max(1), (scores.argmax(1) == labels).astype(float)
    return scores.ravel(), labels.ravel().astype(float)


def reliability_bins(confidence: np.ndarray, outcome: np.ndarray) -> list[dict[str, float]]:
    """
    Compare confidence and accuracy in equally wide bins of confidence.

    Args:
        confidence, outcome: See [`confidences`].

    Returns:
        For each bin that is not empty, in order: `count`, and the means `confidence` and `accuracy`.
    """
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    count = np.bincount(bins, minlength=CALIBRATION_BINS)
    sums = [np.bincount(bins, weights=values, minlength=CALIBRATION_BINS) for values in (confidence, outcome)]
    return [
        {"count": int(count[i]), "confidence": float(sums[0][i] / count[i]), "accuracy": float(sums[1][i] / count[i])}
        for i in np.flatnonzero(count)
    ]


def chance_error(confidence: np.ndarray, seed: int = 0) -> float:
    """
    Return the calibration error that perfectly calibrated predictions would show, which is above 0 for few texts.

    Args:
        confidence: See [`confidences`].
        seed: Seed of the simulated outcomes.

    Returns:
        The mean calibration error over 200 simulations in which each outcome is 1 with the probability `confidence`.
    """
    rng = np.random.default_rng(seed)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    errors = []
    for _ in range(DRAWS):
        surplus = confidence - (rng.random(len(confidence)) < confidence)
        errors.append(np.abs(np.bincount(bins, weights=surplus)).sum() / len(confidence))
    return float(np.mean(errors))


def one_hot(labels: np.ndarray, num_labels: int, problem_type: str) -> np.ndarray:
    """Return labels as indicators, `(texts, num_labels)`, see [`calibration`]."""
    if problem_type == "single_label_classification":
        return np.eye(num_labels)[np.asarray(labels, dtype=int)]
    return np.asarray(labels, dtype=np.float64)


def total_loss(logits: np.ndarray, targets: np.ndarray, problem_type: str) -> float:
    """
    Return the sum of the log losses, computed from logits so that saturated probabilities give no infinity.

    Args:
        logits: Logits `(texts, num_labels)`.
        targets: Probabilities of the same shape; those of a text add up to 1 in single-label classification.
        problem_type: `problem_type` of the config; not a regression.
    """
    if problem_type == "single_label_classification":
        return float(logsumexp(logits, axis=1).sum() - (targets * logits).sum())
    return float(np.logaddexp(0, logits).sum() - (targets * logits).sum())
