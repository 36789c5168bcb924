"""Metrics, confidence intervals, calibration, baseline, speed and plots."""

from .baseline import tfidf_baseline
from .cost import TIMED_TEXTS, describe_machine, folder_bytes, texts_per_second
from .evaluation import confident_errors, evaluate_average, evaluate_split
from .metrics import MAIN_METRIC, build_compute_metrics, check_problem_type, compute_metrics, label_names
from .plots import plot_learning_curve, plot_predictions, plot_stream
from .splits import LabelledSplit, align_labels, load_labelled
from .thresholds import best_thresholds

__all__ = [
    "LabelledSplit",
    "MAIN_METRIC",
    "TIMED_TEXTS",
    "align_labels",
    "best_thresholds",
    "build_compute_metrics",
    "check_problem_type",
    "compute_metrics",
    "confident_errors",
    "describe_machine",
    "evaluate_average",
    "evaluate_split",
    "folder_bytes",
    "label_names",
    "load_labelled",
    "plot_learning_curve",
    "plot_predictions",
    "plot_stream",
    "texts_per_second",
    "tfidf_baseline",
]
