"""Selective prediction: thresholds with a minimum precision, and precision against coverage."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta, binomtest

from ..inference import is_predicted, label_thresholds, probabilities
from ..messages import format_names, markdown_table
from .metrics import label_names
from .thresholds import best_thresholds

# Probability, for each label, that the promised precision holds for texts like those of the split.
CONFIDENCE = 0.95

# The search for a threshold starts at each of these shares of the texts for which the label is more probable than not.
STARTS = (1, 1 / 2, 1 / 4, 1 / 8)

COVERAGES = (1.0, 0.99, 0.95, 0.9, 0.8, 0.5)


def precision_targets(values: Sequence[str] | None, names: Sequence[str], problem_type: str) -> dict[str, float]:
    """
    Parse the option `min_precision`.

    Args:
        values: Strings such as "spam=0.98", or "0.95" for all labels that are not named.
        names: Labels of the model.
        problem_type: `problem_type` of the config.

    Returns:
        The smallest precision by label.

    Raises:
        ValueError: A value is not a precision between 0 and 1, a label does not exist or is named twice, or the problem
            is a regression.
    """
    if not values:
        return {}
    if problem_type == "regression":
        raise ValueError("`min_precision` needs labels, which a regression does not have: remove it.")
    targets: dict[str | None, float] = {}
    for value in values:
        name, equals, number = value.rpartition("=")
        label = name if equals else None
        if label is not None and label not in names:
            raise ValueError(
                f"`min_precision` names the label {label!r}, which does not exist; there are {format_names([*names])}."
            )
        if label in targets:
            raise ValueError(f"`min_precision` has two values for {label or 'all labels'}: remove one of them.")
        try:
            targets[label] = float(number)
        except ValueError:
            targets[label] = math.nan
        if not 0 < targets[label] < 1:
            raise ValueError(f"`min_precision` must be LABEL=0.98 or 0.98, between 0 and 1, got {value!r}.")
    shared = dict.fromkeys(names, targets[None]) if None in targets else {}
    return shared | {label: target for label, target in targets.items() if label is not None}


class PreciseThreshold(NamedTuple):
    """
    Threshold of a label from [`precise_threshold`].

    Args:
        threshold: Probability from which the label is predicted; 1 if it is never predicted.
        predicted: Number of texts of the split for which it is predicted.
        correct: Number of these texts that have the label.
        bound: Lower confidence bound of the precision; without a threshold, the highest one that was found.
    """

    threshold: float
    predicted: int
    correct: int
    bound: float


def precise_threshold(scores: np.ndarray, correct: np.ndarray, target: float) -> PreciseThreshold:
    """
    Choose the lowest threshold whose precision on new texts is at least the target, with a confidence of 95 %.

    Thresholds are tested from several starts downwards, each until the lower bound of Clopper and Pearson (1934) is
    below the target. The error probability is divided by the number of starts, which accounts for all tests: fixed
    sequence testing with multiple starts, algorithm 1 of "Learn then Test" (https://huggingface.co/papers/2110.01052).

    Args:
        scores: Probability of the label in the texts for which it can be predicted, `(texts,)`.
        correct: Whether these texts have the label, `(texts,)`.
        target: Wanted precision.

    Returns:
        The threshold, half-way between the last score that reaches it and the next lower one, or 0 if all texts pass.
        It is 1 if no threshold passes.
    """
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order].astype(np.float64), np.cumsum(np.asarray(correct, dtype=int)[order])
    # Equal scores are above a threshold together.
    ends = np.flatnonzero(np.append(scores[:-1] > scores[1:], True)[: len(scores)])
    counts, hits = ends + 1, hits[ends]
    # The quantile for 0 correct texts is not defined; the bound is 0.
    level = (1 - CONFIDENCE) / len(STARTS)
    bounds = np.where(hits > 0, beta.ppf(level, np.maximum(hits, 1), counts - hits + 1), 0.0)
    # With many labels, the most probable one may be below 0.5 in every text.
    likely = int((scores >= 0.5).sum()) or len(scores)
    starts = np.searchsorted(counts, [math.ceil(share * likely) for share in STARTS]) if likely else np.array([], int)
    passed = [start + _leading_true(bounds[start:] >= target) for start in starts]  # end of the passed tests
    last = max((int(end) for start, end in zip(starts, passed, strict=True) if end > start), default=0) - 1
    if last < 0:
        return PreciseThreshold(1.0, 0, 0, float(bounds[starts].max(initial=0)))
    count = int(counts[last])
    threshold = 0.0 if count == len(scores) else float(scores[count - 1] + scores[count]) / 2
    return PreciseThreshold(threshold, count, int(hits[last]), float(bounds[last]))


def _leading_true(values: np.ndarray) -> int:
    """Return the number of true values before the first false one."""
    return len(values) if values.all() else int(values.argmin())


def choose_thresholds(config, logits: np.ndarray, labels: np.ndarray, targets: Mapping[str, float]) -> list[str]:
    """
    Set the thresholds of a classifier: those with a wanted precision, and for other labels those with the highest F1.

    Args:
        config: Config of the model, which is modified. In single-label classification, other labels have the threshold
            0, and without any wanted precision the config is not changed.
        logits: Logits of the validation split `(texts, num_labels)`.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`.
        targets: Wanted precision by label.

    Returns:
        One sentence for each label with a wanted precision.
    """
    scores, labels = probabilities(logits, config.problem_type), np.asarray(labels)
    is_single, notes = config.problem_type == "single_label_classification", []
    thresholds = [0.0] * config.num_labels if is_single else best_thresholds(scores, labels)
    for i, name in enumerate(label_names(config)):
        if name not in targets:
            continue
        if is_single:
            rows, correct = scores.argmax(1) == i, labels == i
        else:
            rows, correct = np.ones(len(scores), dtype=bool), labels[:, i] > 0
        found = precise_threshold(scores[rows, i], correct[rows], targets[name])
        thresholds[i] = found.threshold
        notes.append(_threshold_note(name, targets[name], found))
    if targets or not is_single:
        config.threshold = thresholds
    return notes


def _threshold_note(name: str, target: float, found: PreciseThreshold) -> str:
    if found.predicted:
        return (
            f"Label {name!r}: precision of at least {target:g} from the probability {found.threshold:.4f}; "
            f"{found.correct:,} of {found.predicted:,} validation texts are correct there, so that the precision is "
            f"above {found.bound:.4f} with a confidence of {CONFIDENCE:.0%} for this label. The same texts chose the "
            "checkpoint, so that this is slightly optimistic."
        )
    needed = math.ceil(math.log((1 - CONFIDENCE) / len(STARTS)) / math.log(target))
    return (
        f"Warning: label {name!r} is never predicted, because the validation texts do not show a precision of "
        f"{target:g} (highest lower bound: {found.bound:.4f}). That takes at least {needed:,} texts without an error: "
        "use more validation texts or a lower --min_precision."
    )


def coverage_rows(logits: np.ndarray, labels: np.ndarray, config) -> list[dict[str, float]]:
    """
    Measure the precision if only the most confident texts get a label.

    Args:
        logits: Logits `(texts, num_labels)`.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`.
        config: Config of the model.

    Returns:
        For each coverage, from 1 to 0.5: `coverage`, the share of texts; `threshold`, the lowest probability among
        them; `texts`; `precision`, the share whose most probable label is correct; and `low` and `high`, its 95 %
        interval (Clopper and Pearson, 1934).
    """
    confidence, correct = top_labels(logits, labels, config.problem_type)
    order = np.argsort(-confidence, kind="stable")
    confidence, hits = confidence[order], np.cumsum(correct[order])
    counts = sorted({max(1, round(coverage * len(order))) for coverage in COVERAGES}, reverse=True)
    return [
        {"coverage": count / len(order), "threshold": float(confidence[count - 1])}
        | _precision(int(hits[count - 1]), count)
        for count in counts
    ]


def top_labels(logits: np.ndarray, labels: np.ndarray, problem_type: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of the most probable label and whether the text has it, each `(texts,)`."""
    scores, labels = probabilities(np.asarray(logits, dtype=np.float64), problem_type), np.asarray(labels)
    best = scores.argmax(1)
    if problem_type == "single_label_classification":
        return scores.max(1), best == labels
    return scores.max(1), labels[np.arange(len(best)), best] > 0


def threshold_rows(logits: np.ndarray, labels: np.ndarray, config) -> list[dict[str, Any]]:
    """
    Measure the precision of each label at the threshold of the model.

    Args:
        logits, labels, config: See [`coverage_rows`].

    Returns:
        For each label: `label`, `threshold`, `texts` (for which it is predicted), and `precision` with `low` and `high`
        unless there are no such texts. Without thresholds, as in most single-label models, there are no rows.
    """
    thresholds = label_thresholds(config)
    if not thresholds.any():
        return []
    scores, labels = probabilities(np.asarray(logits), config.problem_type), np.asarray(labels)
    predicted = is_predicted(scores, thresholds)  # (texts, num_labels)
    actual = labels > 0 if labels.ndim == 2 else np.eye(len(thresholds), dtype=bool)[labels]
    if config.problem_type == "single_label_classification":
        predicted &= np.eye(len(thresholds), dtype=bool)[scores.argmax(1)]
    correct, count = (predicted & actual).sum(0), predicted.sum(0)
    return [
        {"label": name, "threshold": float(thresholds[i])} | _precision(int(correct[i]), int(count[i]))
        for i, name in enumerate(label_names(config))
    ]


def _precision(correct: int, count: int) -> dict[str, float]:
    if not count:
        return {"texts": 0}
    low, high = binomtest(correct, count).proportion_ci(CONFIDENCE, method="exact")
    return {"texts": count, "precision": correct / count, "low": float(low), "high": float(high)}


def precision_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format the rows of [`coverage_rows`] or [`threshold_rows`] as a Markdown table."""
    first = "label" if "label" in rows[0] else "coverage"
    table = [[first.capitalize(), "Probability from", "Texts", "Precision", "95 % interval"]]
    for row in rows:
        name = row["label"] if first == "label" else f"{row['coverage']:.0%}"
        measured = [f"{row['precision']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}"] if row["texts"] else ["", ""]
        table.append(
            [name, f"{row['threshold']:.4f}" if row["threshold"] < 1 else "never", f"{row['texts']:,}", *measured]
        )
    return markdown_table(table)
