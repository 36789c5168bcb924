"""Train classifiers and language models."""

from .arguments import (
    BackboneArguments,
    ClassifierTrainingArguments,
    DataArguments,
    ModelArguments,
    RecurrentTrainingArguments,
    TextArguments,
)
from .building import build_model, build_tokenizer, has_layers, load_layers, new_config, start_from_vectors
from .callbacks import EpochLines, add_callbacks
from .checkpoints import (
    find_resume_checkpoint,
    is_complete,
    remove_checkpoints,
    remove_training_records,
    save_classifier,
)
from .defaults import ResolvedArguments, resolve_defaults
from .labels import SUSPICIOUS_FILE, name_labels
from .options import arguments_from_call, build_arguments, format_call
from .records import precision_of
from .train import ARGUMENT_GROUPS, audit_folder, load_or_build_vocabulary, name_of, run_training, train_classifier
from .trainer import build_trainer

__all__ = [
    "ARGUMENT_GROUPS",
    "BackboneArguments",
    "ClassifierTrainingArguments",
    "DataArguments",
    "EpochLines",
    "ModelArguments",
    "RecurrentTrainingArguments",
    "ResolvedArguments",
    "SUSPICIOUS_FILE",
    "TextArguments",
    "audit_folder",
    "add_callbacks",
    "arguments_from_call",
    "build_arguments",
    "build_model",
    "build_tokenizer",
    "build_trainer",
    "find_resume_checkpoint",
    "format_call",
    "has_layers",
    "is_complete",
    "load_layers",
    "load_or_build_vocabulary",
    "name_labels",
    "name_of",
    "precision_of",
    "new_config",
    "remove_checkpoints",
    "remove_training_records",
    "resolve_defaults",
    "run_training",
    "save_classifier",
    "start_from_vectors",
    "train_classifier",
]
