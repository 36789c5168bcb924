"""Fit temperatures, by which logits are divided so that probabilities and accuracy agree."""

from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from ..models import LstmForSequenceClassification
from .calibration import calibration, confidences, one_hot, reliability_bins, total_loss
from .metrics import check_problem_type, label_names

# A temperature is fitted on at least this many texts, and that of a single label on at least this many texts with it
# and this many without it. One fitted number costs 1 / (2 * texts) of log loss on new texts, here at most 0.01.
MIN_TEXTS = 50

BOUNDS = (0.05, 20.0)

# Another temperature is used only if it lowers the total log loss by more than this: the criterion of Akaike (1974) for
# one more parameter.
MIN_GAIN = 1.0


def fit_temperatures(logits: np.ndarray, labels: np.ndarray, problem_type: str) -> np.ndarray:
    """
    Fit temperatures by log loss (Guo et al., 2017, https://huggingface.co/papers/1706.04599).

    A perfectly separated split would have the temperature 0. As in the method of Platt (1999), the targets are those of
    the split and one more text, which has each label with the same probability.

    Args:
        logits: Logits of the validation split `(texts, num_labels)`.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`.
        problem_type: `problem_type` of the config.

    Returns:
        The temperature of each label, `(num_labels,)`: the same for all labels, except that a label of a multi-label
        problem has its own one if it has 50 texts with and 50 without it, and that lowers the log loss enough. It is 1
        for fewer than 50 texts, if no other one lowers the log loss enough, and in a regression.
    """
    logits = np.asarray(logits, dtype=np.float64)
    texts, num_labels = logits.shape
    if problem_type == "regression" or texts < MIN_TEXTS:
        return np.ones(num_labels)
    targets = one_hot(labels, num_labels, problem_type)  # (texts, num_labels)
    choices = num_labels if problem_type == "single_label_classification" else 2
    smooth = (texts * targets + 1 / choices) / (texts + 1)
    temperatures = np.full(num_labels, _best_temperature(logits, smooth, problem_type, default=1.0))
    if problem_type == "multi_label_classification":
        positives = targets.sum(0)  # (num_labels,)
        for i in np.flatnonzero(np.minimum(positives, texts - positives) >= MIN_TEXTS):
            temperatures[i] = _best_temperature(logits[:, [i]], smooth[:, [i]], problem_type, temperatures[i])
    return temperatures


def _best_temperature(logits: np.ndarray, targets: np.ndarray, problem_type: str, default: float) -> float:
    """Return the temperature with the lowest log loss, or the default if that is almost as good."""

    def loss(log_temperature: float) -> float:
        return total_loss(logits / np.exp(log_temperature), targets, problem_type)

    best = minimize_scalar(loss, bounds=np.log(BOUNDS), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x)) if loss(np.log(default)) - best.fun > MIN_GAIN else default


def calibrate_head(
    model: LstmForSequenceClassification, logits: np.ndarray, labels: np.ndarray
) -> tuple[dict[str, Any], list[str]]:
    """
    Fit the temperatures of a classifier, and divide its linear head by them, which divides all logits.

    Every path that computes logits from the weights then agrees: pipeline, files, streams, ONNX and browsers.

    Args:
        model: The model; its head is modified.
        logits: Its logits of the validation split `(texts, num_labels)`.
        labels: The labels of these texts, see [`fit_temperatures`].

    Returns:
        A record and one note. The record has `temperature` (a number, or one for each label by name), `texts`;
        `log_loss` and `calibration_error`, each before and after on these texts; and the reliability `bins` afterwards,
        see [`reliability_bins`]. It is empty for fewer texts than a temperature requires.
    """
    problem_type = check_problem_type(model.config.problem_type)
    if len(labels) < MIN_TEXTS:
        return {}, [f"The scores are not calibrated: that takes {MIN_TEXTS} validation texts, there are {len(labels)}."]
    temperatures = fit_temperatures(logits, labels, problem_type)
    head = model.classifier
    with torch.no_grad():
        divisor = torch.as_tensor(temperatures, dtype=head.weight.dtype, device=head.weight.device)  # (num_labels,)
        head.weight.div_(divisor[:, None])
        head.bias.div_(divisor)
    scaled = np.asarray(logits, dtype=np.float64) / temperatures
    before, after = (calibration(values, labels, problem_type) for values in (logits, scaled))
    by_label = dict(zip(label_names(model.config), temperatures.tolist(), strict=True))
    record = {
        "temperature": by_label if len(set(temperatures)) > 1 else float(temperatures[0]),
        "texts": len(labels),
        **{name: [before[name], after[name]] for name in before},
        "bins": reliability_bins(*confidences(scaled, labels, problem_type)),
    }
    return record, [_note(record)]


def _note(record: dict[str, Any]) -> str:
    """Return a record of [`calibrate_head`] as one sentence."""
    temperature, texts = record["temperature"], f"{record['texts']:,} validation texts"
    if temperature == 1:
        return f"Temperature 1: no other one lowers the log loss of the {texts} enough."
    shown = f"Temperature {temperature:.3g}" if isinstance(temperature, float) else _range(temperature)
    changes = ", ".join(
        f"{name.replace('_', ' ')} {record[name][0]:.3f} -> {record[name][1]:.3f}"
        for name in ("log_loss", "calibration_error")
    )
    return f"{shown} (fitted on {texts}): {changes}."


def _range(temperatures: dict[str, float]) -> str:
    low, high = (choose(temperatures, key=lambda name: temperatures[name]) for choose in (min, max))
    return f"Temperatures from {temperatures[low]:.3g} ({low}) to {temperatures[high]:.3g} ({high})"
