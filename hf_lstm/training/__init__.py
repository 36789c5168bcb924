"""Train classifiers and language models."""

from .arguments import (
    ClassifierTrainingArguments,
    DataArguments,
    LanguageModelTrainingArguments,
    ModelArguments,
    PretrainingArguments,
    PretrainingDataArguments,
)
from .building import build_backbone, build_language_model, build_model, build_tokenizer, start_from_vectors
from .checkpoints import (
    find_resume_checkpoint,
    is_complete,
    remove_checkpoints,
    remove_training_records,
    save_classifier,
)
from .defaults import ResolvedArguments, resolve_defaults
from .options import build_arguments, format_call
from .train import ARGUMENT_GROUPS, name_of, run_training, train_classifier
from .trainer import add_callbacks, build_trainer

__all__ = [
    "ARGUMENT_GROUPS",
    "ClassifierTrainingArguments",
    "DataArguments",
    "LanguageModelTrainingArguments",
    "ModelArguments",
    "PretrainingArguments",
    "PretrainingDataArguments",
    "ResolvedArguments",
    "add_callbacks",
    "build_arguments",
    "build_backbone",
    "build_language_model",
    "build_model",
    "build_tokenizer",
    "build_trainer",
    "find_resume_checkpoint",
    "is_complete",
    "format_call",
    "name_of",
    "remove_checkpoints",
    "remove_training_records",
    "resolve_defaults",
    "run_training",
    "save_classifier",
    "start_from_vectors",
    "train_classifier",
]
