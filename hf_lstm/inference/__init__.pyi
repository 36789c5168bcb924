"""Load classifiers and predict texts, files and streams."""

from .batch_predictor import BatchPredictor as BatchPredictor
from .encoding import encode_texts as encode_texts
from .files import WINDOW as WINDOW, check_rows as check_rows, predict_file as predict_file, windows as windows
from .loading import (
    Scorer as Scorer,
    fastest_device as fastest_device,
    load_any_config as load_any_config,
    load_config as load_config,
    load_model_and_tokenizer as load_model_and_tokenizer,
    load_scorer as load_scorer,
    load_tokenizer as load_tokenizer,
    loading_errors as loading_errors,
)
from .many_files import FileResult as FileResult, predict_files as predict_files, run_here as run_here
from .prediction import (
    average_logits as average_logits,
    format_predictions as format_predictions,
    is_predicted as is_predicted,
    label_thresholds as label_thresholds,
    match_labels as match_labels,
    predict_logits as predict_logits,
    predict_texts as predict_texts,
    probabilities as probabilities,
)
from .ray_actors import RayActors as RayActors
from .stream_state import (
    StopRule as StopRule,
    StreamResult as StreamResult,
    StreamState as StreamState,
    stored_stop_rule as stored_stop_rule,
)
from .streaming import StreamingClassifier as StreamingClassifier
from .writers import open_writer as open_writer
