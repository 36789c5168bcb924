"""`evaluate.Metric` classes that work offline, and the metrics of each problem type."""

from collections.abc import Callable, Sequence

import datasets
import evaluate
import numpy as np
from sklearn import metrics as sk
from transformers import EvalPrediction

from ..inference import is_predicted, probabilities
from ..models import PROBLEM_TYPES

# Metric that selects the best checkpoint; reports list it first.
MAIN_METRIC = {
    "single_label_classification": "accuracy",
    "multi_label_classification": "f1_macro",
    "regression": "mse",
}

_INT, _FLOAT = datasets.Value("int64"), datasets.Value("float64")


class _InMemoryMetric(evaluate.Metric):
    """Metric that keeps predictions in memory: processes with the same home directory must not share cache files."""

    _description: str
    _features: datasets.Features | list[datasets.Features]
    _scores: Callable[..., dict[str, float]]

    def __init__(self, config_name: str | None = None, num_process: int = 1, **kwargs):
        # Several processes exchange predictions through cache files; a single process needs none.
        kwargs.setdefault("keep_in_memory", num_process == 1)
        super().__init__(config_name, num_process=num_process, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self._description,
            citation="",
            inputs_description=self.__doc__,
            features=self._features,
            reference_urls=["https://scikit-learn.org/stable/modules/model_evaluation.html"],
        )

    def _compute(self, **inputs) -> dict[str, float]:
        # `evaluate.combine` passes the inputs of all metrics to each metric.
        return self._scores(**{name: inputs[name] for name in self._feature_names()})


class ClassificationMetrics(_InMemoryMetric):
    """Accuracy, F1, precision, recall and Matthews correlation of single-label predictions.

    Macro metrics are unweighted averages over the classes that occur in predictions or references. A class that is
    never predicted has precision 0.

    Args:
        predictions: Class ids, `(n,)`.
        references: Class ids, `(n,)`.

    Returns:
        `accuracy`, `f1_macro`, `f1_weighted`, `precision_macro`, `recall_macro`, and `matthews_correlation` (omitted
        if there is only one class).
    """

    _description = "Metrics of single-label classification from predicted class ids."
    _features = datasets.Features({"predictions": _INT, "references": _INT})

    def _scores(self, predictions, references) -> dict[str, float]:
        macro = sk.precision_recall_fscore_support(references, predictions, average="macro", zero_division=0)
        result = {
            "accuracy": float(sk.accuracy_score(references, predictions)),
            "f1_macro": float(macro[2]),
            "f1_weighted": float(sk.f1_score(references, predictions, average="weighted", zero_division=0)),
            "precision_macro": float(macro[0]),
            "recall_macro": float(macro[1]),
        }
        if len({*references, *predictions}) > 1:
            result["matthews_correlation"] = float(sk.matthews_corrcoef(references, predictions))
        return result


class MultiLabelMetrics(_InMemoryMetric):
    """F1 and subset accuracy of multi-label predictions.

    Args:
        predictions: 0/1 indicators, `(n, num_labels)`.
        references: 0/1 indicators, `(n, num_labels)`.

    Returns:
        `f1_micro`, `f1_macro` (over all labels), `subset_accuracy` (share of texts with every label correct).
    """

    _description = "Metrics of multi-label classification from predicted label indicators."
    _features = datasets.Features({"predictions": datasets.Sequence(_INT), "references": datasets.Sequence(_INT)})

    def _scores(self, predictions, references) -> dict[str, float]:
        predictions, references = np.asarray(predictions), np.asarray(references)
        return {
            "f1_micro": float(sk.f1_score(references, predictions, average="micro", zero_division=0)),
            "f1_macro": float(sk.f1_score(references, predictions, average="macro", zero_division=0)),
            "subset_accuracy": float(sk.accuracy_score(references, predictions)),
        }


class ScoreMetrics(_InMemoryMetric):
    """ROC-AUC and ranking precision of scores, independent of a decision threshold.

    Args:
        prediction_scores: One score per class, `(n, num_labels)`: probabilities, or any increasing function of them.
        references: Class ids `(n,)`, or for multi-label 0/1 indicators `(n, num_labels)`.

    Returns:
        `roc_auc`: of class 1 for two classes, otherwise the unweighted mean of one-vs-rest; omitted unless every class
        has a positive and a negative example. For multi-label also `lrap`, the label ranking average precision.
    """

    _description = "ROC-AUC, and for multi-label ranking precision, from class scores."
    _features = [
        datasets.Features({"prediction_scores": datasets.Sequence(_FLOAT), "references": _INT}),
        datasets.Features({"prediction_scores": datasets.Sequence(_FLOAT), "references": datasets.Sequence(_INT)}),
    ]

    def _scores(self, prediction_scores, references) -> dict[str, float]:
        scores, references = np.asarray(prediction_scores), np.asarray(references)
        result = {}
        if references.ndim == 1:
            targets = np.eye(scores.shape[1], dtype=int)[references]
            if scores.shape[1] == 2:
                scores, targets = scores[:, 1:], targets[:, 1:]
        else:
            targets = references
            result["lrap"] = float(sk.label_ranking_average_precision_score(targets, scores))
        positives = targets.sum(axis=0)
        if np.all((positives > 0) & (positives < len(targets))):
            result["roc_auc"] = float(sk.roc_auc_score(targets, scores, average="macro"))
        return result


class RegressionMetrics(_InMemoryMetric):
    """Errors of predicted numbers.

    Args:
        predictions: Numbers, `(n,)` or `(n, num_labels)`.
        references: Numbers of the same shape.

    Returns:
        `mse`, `mae`, and `r2` (omitted for fewer than two texts), averaged over the outputs.
    """

    _description = "Metrics of regression."
    _features = [
        datasets.Features({"predictions": _FLOAT, "references": _FLOAT}),
        datasets.Features({"predictions": datasets.Sequence(_FLOAT), "references": datasets.Sequence(_FLOAT)}),
    ]

    def _scores(self, predictions, references) -> dict[str, float]:
        result = {
            "mse": float(sk.mean_squared_error(references, predictions)),
            "mae": float(sk.mean_absolute_error(references, predictions)),
        }
        if len(references) > 1:
            result["r2"] = float(sk.r2_score(references, predictions))
        return result


def compute_metrics(
    problem_type: str, scores: np.ndarray, labels: np.ndarray, threshold: float | Sequence[float] = 0.5
) -> dict[str, float]:
    """Compute all metrics of a problem type from scores.

    Args:
        problem_type: `"single_label_classification"`, `"multi_label_classification"` or `"regression"`.
        scores: `(n, num_labels)`: probabilities, or predicted numbers for regression.
        labels: Class ids `(n,)`; multi-label: 0/1 indicators `(n, num_labels)`; regression: numbers.
        threshold: Multi-label only: a label is predicted if its score is at least this; one number, or one per label.

    Returns:
        The merged results of the `evaluate.Metric` classes of the problem type.

    Raises:
        ValueError: If the problem type is unknown.
    """
    check_problem_type(problem_type)
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if problem_type == "single_label_classification":
        metrics = ClassificationMetrics().compute(predictions=scores.argmax(axis=1), references=labels)
        return metrics | ScoreMetrics().compute(prediction_scores=scores, references=labels)
    if problem_type == "multi_label_classification":
        labels = labels.astype(int)
        predictions = is_predicted(scores, threshold).astype(int)
        metrics = MultiLabelMetrics().compute(predictions=predictions, references=labels)
        return metrics | ScoreMetrics().compute(prediction_scores=scores, references=labels)
    return RegressionMetrics().compute(predictions=scores, references=labels.reshape(scores.shape))


def check_problem_type(problem_type: str | None) -> str:
    """Return the problem type, or raise a `ValueError` that lists the accepted values."""
    if problem_type not in PROBLEM_TYPES:
        raise ValueError(f"Unknown problem_type {problem_type!r}; choose one of: {', '.join(PROBLEM_TYPES)}.")
    return problem_type


def build_compute_metrics(
    problem_type: str, num_labels: int, threshold: float | Sequence[float] = 0.5
) -> Callable[[EvalPrediction], dict[str, float]]:
    """Build the `compute_metrics` argument of a `Trainer`.

    Args:
        problem_type: See `compute_metrics`.
        num_labels: Number of classes, labels or regression outputs.
        threshold: See `compute_metrics`.

    Returns:
        A function from an `EvalPrediction` (logits and labels) to the metrics of `compute_metrics`.

    Raises:
        ValueError: If the problem type is unknown. The function raises it if the logits do not have width `num_labels`.
    """
    check_problem_type(problem_type)

    def compute(prediction: EvalPrediction) -> dict[str, float]:
        logits = prediction.predictions
        if isinstance(logits, tuple):  # a model that returns more than logits, such as hidden states
            logits = logits[0]
        logits = np.asarray(logits, dtype=np.float64).reshape(len(logits), -1)  # (n, num_labels)
        if logits.shape[1] != num_labels:
            raise ValueError(f"The model returns {logits.shape[1]} scores per text, but num_labels is {num_labels}.")
        labels = np.asarray(prediction.label_ids)
        return compute_metrics(problem_type, probabilities(logits, problem_type), labels, threshold)

    return compute


def label_names(config) -> list[str]:
    """Return the label names of a config, in the order of the model's outputs."""
    return [config.id2label[i] for i in range(config.num_labels)]
