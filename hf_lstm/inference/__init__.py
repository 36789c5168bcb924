"""Load classifiers and predict texts, files and streams."""

from .batch_predictor import BatchPredictor
from .encoding import encode_texts
from .files import WINDOW, check_rows, predict_file, windows
from .loading import (
    fastest_device,
    load_any_config,
    load_config,
    load_model_and_tokenizer,
    load_tokenizer,
    loading_errors,
)
from .many_files import FileResult, predict_files, run_here
from .prediction import (
    average_logits,
    format_predictions,
    is_predicted,
    label_thresholds,
    match_labels,
    predict_logits,
    predict_texts,
    probabilities,
)
from .ray_actors import RayActors
from .stream_state import StopRule, StreamResult, StreamState, stored_stop_rule
from .streaming import StreamingClassifier
from .writers import open_writer

__all__ = [
    "BatchPredictor",
    "FileResult",
    "RayActors",
    "StopRule",
    "StreamResult",
    "StreamState",
    "StreamingClassifier",
    "WINDOW",
    "average_logits",
    "check_rows",
    "encode_texts",
    "fastest_device",
    "format_predictions",
    "is_predicted",
    "label_thresholds",
    "load_any_config",
    "load_config",
    "load_model_and_tokenizer",
    "load_tokenizer",
    "loading_errors",
    "match_labels",
    "open_writer",
    "predict_file",
    "predict_files",
    "predict_logits",
    "predict_texts",
    "probabilities",
    "run_here",
    "stored_stop_rule",
    "windows",
]
