"""Metrics, confidence intervals, calibration, selective prediction, baseline, speed and plots."""

from .baseline import tfidf_baseline
from .calibration import chance_error, confidences
from .calibration_plots import plot_calibration
from .cost import TIMED_TEXTS, describe_machine, folder_bytes, latency_ms, texts_per_second
from .evaluation import confident_errors, evaluate_average, evaluate_split
from .metrics import MAIN_METRIC, build_compute_metrics, check_problem_type, compute_metrics, label_names
from .plots import new_figure, plot_learning_curve, plot_predictions, plot_stream, plot_trials
from .selective import choose_thresholds, coverage_rows, precision_table, precision_targets, threshold_rows
from .splits import LabelledSplit, align_labels, load_labelled
from .temperature import calibrate_head
from .thresholds import best_thresholds

__all__ = [
    "LabelledSplit",
    "MAIN_METRIC",
    "TIMED_TEXTS",
    "align_labels",
    "best_thresholds",
    "build_compute_metrics",
    "calibrate_head",
    "chance_error",
    "check_problem_type",
    "choose_thresholds",
    "compute_metrics",
    "confidences",
    "confident_errors",
    "coverage_rows",
    "describe_machine",
    "evaluate_average",
    "evaluate_split",
    "folder_bytes",
    "label_names",
    "latency_ms",
    "load_labelled",
    "new_figure",
    "plot_calibration",
    "plot_learning_curve",
    "plot_predictions",
    "plot_stream",
    "plot_trials",
    "precision_table",
    "precision_targets",
    "texts_per_second",
    "tfidf_baseline",
    "threshold_rows",
]
