"""Model cards, and pushing a classifier to the Hub."""

from .model_card import METRICS_FILE, TRAINING_RECORDS, build_card, metrics_table, save_metrics, write_card
from .push import assemble_repository, card_metadata, check_push, push_repository

__all__ = [
    "METRICS_FILE",
    "TRAINING_RECORDS",
    "assemble_repository",
    "build_card",
    "card_metadata",
    "check_push",
    "metrics_table",
    "push_repository",
    "save_metrics",
    "write_card",
]
