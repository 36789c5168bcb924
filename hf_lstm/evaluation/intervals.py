"""Bootstrap confidence interval of the main metric."""

from collections.abc import Callable

import numpy as np
from scipy.stats import bootstrap

from ..inference import is_predicted, probabilities

RESAMPLES = 1_000

CONFIDENCE = 0.95

# Resamples computed at once: bounds the memory to 50 row indices per text.
BATCH = 50


def confidence_interval(config, logits: np.ndarray, labels: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """
    Return the bootstrap confidence interval of the main metric: accuracy, macro F1 or mean squared error.

    The texts are resampled with replacement, so the interval measures the variation between samples of texts. It does
    not measure the variation between trainings with different seeds.

    Args:
        config: Config of the model; its `problem_type` selects the metric.
        logits: Logits `(texts, num_labels)`.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`; regression: numbers.
        seed: Seed of the resampling.

    Returns:
        Lower and upper bound of the 95 % interval (percentiles of 1,000 resamples).
    """
    scores = probabilities(np.asarray(logits, dtype=np.float64), config.problem_type)
    if config.problem_type == "single_label_classification":
        statistic = _mean_of((scores.argmax(1) == labels).astype(float))
    elif config.problem_type == "regression":
        statistic = _mean_of(np.square(scores - np.reshape(labels, scores.shape)).mean(1))
    else:
        statistic = _macro_f1_of(is_predicted(scores, config.threshold), np.asarray(labels, dtype=bool))
    interval = bootstrap(
        (np.arange(len(labels)),),
        statistic,
        n_resamples=RESAMPLES,
        batch=BATCH,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=seed,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _mean_of(values: np.ndarray) -> Callable[..., np.ndarray]:
    """Return a function from row indices `(..., texts)` to the mean of `values` `(texts,)` over these rows."""

    def statistic(rows: np.ndarray, axis: int = -1) -> np.ndarray:
        return values[rows].mean(axis=axis)

    return statistic


def _macro_f1_of(predicted: np.ndarray, actual: np.ndarray) -> Callable[..., np.ndarray]:
    """Return a function from row indices `(..., texts)` to the macro F1 of `predicted` and `actual` on these rows."""
    # F1 needs only these three counts per label, so a resample is a weighted sum over texts.
    counted = np.stack([predicted & actual, predicted, actual], axis=1).astype(float)  # (texts, 3, num_labels)

    def statistic(rows: np.ndarray, axis: int = -1) -> np.ndarray:
        resamples = rows.reshape(-1, len(actual))
        weights = np.stack([np.bincount(resample, minlength=len(actual)) for resample in resamples])
        counts = np.tensordot(weights, counted, 1)  # (resamples, 3, num_labels)
        true_positives, predictions, positives = np.moveaxis(counts, 1, 0)  # each (resamples, num_labels)
        f1 = 2 * true_positives / np.maximum(predictions + positives, 1)
        return f1.mean(1).reshape(rows.shape[:-1])

    return statistic
