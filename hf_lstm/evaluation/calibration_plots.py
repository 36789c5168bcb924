"""Plot how far the probabilities of a classifier can be trusted: reliability diagram and precision against coverage."""

from pathlib import Path

import numpy as np
from scipy.stats import beta

from .calibration import CALIBRATION_BINS, calibration, chance_error, confidences, reliability_bins
from .plots import new_figure
from .selective import CONFIDENCE, top_labels


def plot_calibration(logits: np.ndarray, labels: np.ndarray, config, title: str, path: str | Path) -> None:
    """
    Plot accuracy against confidence in bins, and precision against coverage.

    Args:
        logits: Logits `(texts, num_labels)`.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`.
        config: Config of the model; not a regression.
        title: Title of the plot.
        path: PNG file to write.
    """
    confidence, outcome = confidences(logits, labels, config.problem_type)
    with new_figure(path, 9, 4.2) as figure:
        figure.suptitle(title)
        left, right = figure.subplots(1, 2)
        _draw_reliability(left, confidence, outcome, config.problem_type)
        error = calibration(logits, labels, config.problem_type)["calibration_error"]
        left.set_title(f"Calibration error {error:.3f} (by chance {chance_error(confidence):.3f})", fontsize=10)
        _draw_coverage(right, *top_labels(logits, labels, config.problem_type))


def _draw_reliability(axes, confidence: np.ndarray, outcome: np.ndarray, problem_type: str) -> None:
    """Draw the accuracy of each bin of confidence with its 95 % interval, and the number of predictions in grey."""
    rows = reliability_bins(confidence, outcome)
    count = np.array([row["count"] for row in rows])
    mean, accuracy = (np.array([row[name] for row in rows]) for name in ("confidence", "accuracy"))
    correct, tail = np.rint(accuracy * count), (1 - CONFIDENCE) / 2
    low = np.where(correct > 0, beta.ppf(tail, np.maximum(correct, 1), count - correct + 1), 0)
    high = np.where(correct < count, beta.ppf(1 - tail, correct + 1, np.maximum(count - correct, 1)), 1)
    shares = axes.twinx()
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    shares.hist(confidence, edges, weights=np.full(len(confidence), 1 / len(confidence)), color="0.85")
    # Most predictions are in one bin; the bars stay below the points of the others.
    shares.set(ylim=(0, 2.5), yticks=[0, 0.5, 1], ylabel="share (grey)")
    shares.yaxis.set_label_coords(1.12, 0.2)
    axes.set_zorder(shares.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.plot([0, 1], [0, 1], color="0.4", linestyle="--", linewidth=1)
    # Rounding can put the mean outside of its interval slightly.
    errors = np.maximum([accuracy - low, high - accuracy], 0)
    axes.errorbar(mean, accuracy, yerr=errors, fmt="o", markersize=4, capsize=2)
    is_single = problem_type == "single_label_classification"
    axes.set(
        xlabel="probability of the predicted label" if is_single else "probability of a label",
        ylabel="accuracy" if is_single else "share of texts with the label",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)


def _draw_coverage(axes, confidence: np.ndarray, correct: np.ndarray) -> None:
    """Draw the precision of the most confident texts, with its pointwise 95 % interval, against their share."""
    hits = np.cumsum(correct[np.argsort(-confidence, kind="stable")])
    count = np.arange(1, len(hits) + 1)
    tail = (1 - CONFIDENCE) / 2
    low = np.where(hits > 0, beta.ppf(tail, np.maximum(hits, 1), count - hits + 1), 0)
    high = np.where(hits < count, beta.ppf(1 - tail, hits + 1, np.maximum(count - hits, 1)), 1)
    coverage = count / len(hits)
    axes.fill_between(coverage, low, high, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(coverage, hits / count, label="precision")
    bottom = min(hits[-1] / count[-1], (hits / count)[len(hits) // 20 :].min())
    axes.set(xlabel="coverage: share of texts with a label", ylabel="precision", xlim=(0, 1))
    axes.set_ylim(max(0.0, bottom - 0.4 * (1 - bottom) - 0.01), 1.002)
    axes.set_title("Precision of the most confident texts", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
