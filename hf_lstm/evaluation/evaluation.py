"""Evaluate one classifier, or the average of several, on labelled rows."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from datasets import Dataset
from transformers import EvalPrediction, PreTrainedModel, PreTrainedTokenizerFast

from ..data import tokenize_corpus
from ..inference import average_logits, label_thresholds, match_labels, predict_logits, predict_texts, probabilities
from ..models import LstmConfig, LstmForSequenceClassification
from .calibration import calibration
from .intervals import confidence_interval
from .metrics import MAIN_METRIC, build_compute_metrics, check_problem_type, label_names

# Metrics by name; `NAME_interval` is a pair of lower and upper bound.
Metrics = dict[str, float | tuple[float, float]]


def evaluate_split(
    model: LstmForSequenceClassification, split: Dataset, show_progress: bool = False
) -> tuple[Metrics, np.ndarray]:
    """
    Evaluate a classifier on a tokenized split, in single precision and without truncation.

    Args:
        model: Classifier.
        split: Rows with `input_ids` and `labels`.
        show_progress: Whether to show a progress bar.

    Returns:
        The metrics (see [`evaluate_logits`]) and the logits `(rows, num_labels)`.
    """
    logits = predict_logits(model, split["input_ids"][:], show_progress=show_progress)
    return evaluate_logits(logits, np.array(split["labels"][:]), model.config), logits


def evaluate_average(
    classifiers: Sequence[tuple[LstmForSequenceClassification, PreTrainedTokenizerFast]],
    rows: Dataset,
    show_progress: bool = False,
) -> tuple[list[Metrics], np.ndarray, LstmConfig]:
    """
    Evaluate several classifiers and the average of their probabilities.

    Args:
        classifiers: Models, each with its own tokenizer.
        rows: Rows with `text` and `labels`; the labels are ids of the first model.
        show_progress: Whether to show a progress bar.

    Returns:
        The metrics of each classifier and, last, of the average; the logits of the average `(rows, num_labels)`; and
        the config that describes these logits: a copy of the first one, with the mean of the thresholds.

    Raises:
        ValueError: If the models have different labels or problem types.
    """
    config = deepcopy(classifiers[0][0].config)
    problem_type, names = check_problem_type(config.problem_type), label_names(config)
    labels = np.array(rows["labels"][:])
    metrics, logits, thresholds = [], [], []
    for model, tokenizer in classifiers:
        order = match_labels(model.config, names, problem_type, model.config.name_or_path or "A model")
        input_ids = tokenize_corpus({"rows": rows}, tokenizer)["rows"]["input_ids"][:]
        logits.append(predict_logits(model, input_ids, show_progress=show_progress)[:, order])
        thresholds.append(label_thresholds(model.config)[order])
        config.threshold = thresholds[-1].tolist()
        metrics.append(evaluate_logits(logits[-1], labels, config))
    # 1 stands for a label that is never predicted, which no mean expresses.
    config.threshold = np.where(np.max(thresholds, axis=0) == 1, 1.0, np.mean(thresholds, axis=0)).tolist()
    average = average_logits(logits, problem_type)
    return [*metrics, evaluate_logits(average, labels, config)], average, config


def evaluate_logits(logits: np.ndarray, labels: np.ndarray, config) -> Metrics:
    """
    Compute all metrics of a classifier from its logits.

    Args:
        logits: Logits `(texts, num_labels)`.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`; regression: numbers.
        config: Config of the model.

    Returns:
        The metrics of `compute_metrics`; for two or more texts the confidence interval of the main metric,
        `NAME_interval`; for classification also those of [`calibration`].
    """
    compute_metrics = build_compute_metrics(config.problem_type, config.num_labels, config.threshold)
    metrics: Metrics = {**compute_metrics(EvalPrediction(predictions=logits, label_ids=labels))}
    if len(labels) > 1:
        metrics[f"{MAIN_METRIC[config.problem_type]}_interval"] = confidence_interval(config, logits, labels)
    if config.problem_type != "regression":
        metrics.update(calibration(logits, labels, config.problem_type))
    return metrics


def confident_errors(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], labels: np.ndarray, most: int = 5
) -> tuple[float, list[dict[str, str | float]]]:
    """
    Return the wrong predictions of a single-label classifier that have the highest probabilities.

    Args:
        model: Classifier.
        tokenizer: Tokenizer of the model.
        texts: Texts that may be published.
        labels: Class ids of the model `(texts,)`.
        most: Largest number of wrong predictions to return.

    Returns:
        The accuracy on the texts, and for each wrong prediction `text`, `label`, `predicted` and its `score`, highest
        score first.
    """
    scores = probabilities(predict_texts(model, tokenizer, texts), "single_label_classification")
    predicted = scores.argmax(1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(-scores[wrong].max(1), kind="stable")][:most]
    names = label_names(model.config)
    errors: list[dict[str, str | float]] = [
        {
            "text": texts[i],
            "label": names[labels[i]],
            "predicted": names[predicted[i]],
            "score": float(scores[i, predicted[i]]),
        }
        for i in worst
    ]
    return float((predicted == labels).mean()), errors
