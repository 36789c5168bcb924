"""Trained classifiers as a whole: load them, describe them in a model card, push them to the Hub."""

from .classifier import TrainedClassifier, load_classifier
from .model_card import METRICS_FILE, TRAINING_RECORDS, build_card, metrics_table, save_metrics, write_card
from .push import (
    PROBE_TEXTS,
    assemble_repository,
    card_metadata,
    check_push,
    check_repo_id,
    created_repository,
    downloaded_repository,
    push_repository,
    score_probe_texts,
)

__all__ = [
    "METRICS_FILE",
    "PROBE_TEXTS",
    "TRAINING_RECORDS",
    "TrainedClassifier",
    "assemble_repository",
    "build_card",
    "card_metadata",
    "check_push",
    "check_repo_id",
    "created_repository",
    "downloaded_repository",
    "load_classifier",
    "metrics_table",
    "push_repository",
    "save_metrics",
    "score_probe_texts",
    "write_card",
]
