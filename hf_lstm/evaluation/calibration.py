"""Log loss and expected calibration error of single-label predictions."""

import numpy as np
from sklearn.metrics import log_loss

from ..inference import probabilities

# Number of equally wide bins of [0, 1] in which confidence and accuracy are compared; 15 as in Guo et al. (2017).
CALIBRATION_BINS = 15


def calibration(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """
    Return the log loss and the expected calibration error of single-label predictions.

    Args:
        logits: Logits `(texts, num_labels)`.
        labels: Class ids `(texts,)`.

    Returns:
        `log_loss`, and `calibration_error`: the mean absolute difference between confidence (the probability of the
        predicted class) and accuracy, over 15 bins of confidence weighted by their number of texts (Guo et al., 2017,
        https://huggingface.co/papers/1706.04599).
    """
    scores = probabilities(np.asarray(logits, dtype=np.float64), "single_label_classification")
    confidence, correct = scores.max(1), scores.argmax(1) == labels  # each (texts,)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [np.abs(np.sum(confidence[bins == i] - correct[bins == i])) for i in range(CALIBRATION_BINS)]
    return {
        "log_loss": float(log_loss(labels, scores, labels=np.arange(scores.shape[1]))),
        "calibration_error": float(np.sum(gaps) / len(labels)),
    }
