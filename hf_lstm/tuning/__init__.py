"""Train a classifier with given options, or search for the best ones within a time budget."""

from .arguments import TuningArguments
from .search_space import Groups
from .train import TRAINING_GROUPS, train_classifier, train_or_tune, tune_classifier

__all__ = [
    "Groups",
    "TRAINING_GROUPS",
    "TuningArguments",
    "train_classifier",
    "train_or_tune",
    "tune_classifier",
]
