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
from .callbacks import EpochLines, add_callbacks, check_trackers
from .checkpoints import (
    describe_training_data,
    find_resume_checkpoint,
    is_complete,
    remove_checkpoints,
    remove_training_records,
    save_classifier,
)
from .defaults import ResolvedArguments, resolve_defaults
from .labels import SUSPICIOUS_FILE, name_labels
from .options import (
    announce_replacement,
    arguments_from_call,
    audit_folder,
    build_arguments,
    format_call,
    name_dataset,
    name_of,
)
from .records import TrainingRun, finish_training, fit_baseline, precision_of, push_finished
from .train import (
    ARGUMENT_GROUPS,
    TokenizedTexts,
    label_unlabelled,
    load_or_build_vocabulary,
    read_corpus,
    resolve_output,
    run_training,
    tokenize_texts,
)
from .trainer import ClassifierTrainer, build_trainer

__all__ = [
    "ARGUMENT_GROUPS",
    "BackboneArguments",
    "ClassifierTrainer",
    "ClassifierTrainingArguments",
    "DataArguments",
    "EpochLines",
    "ModelArguments",
    "RecurrentTrainingArguments",
    "ResolvedArguments",
    "SUSPICIOUS_FILE",
    "TextArguments",
    "TokenizedTexts",
    "TrainingRun",
    "add_callbacks",
    "announce_replacement",
    "arguments_from_call",
    "audit_folder",
    "build_arguments",
    "build_model",
    "build_tokenizer",
    "build_trainer",
    "check_trackers",
    "describe_training_data",
    "find_resume_checkpoint",
    "finish_training",
    "fit_baseline",
    "format_call",
    "has_layers",
    "is_complete",
    "label_unlabelled",
    "load_layers",
    "load_or_build_vocabulary",
    "name_dataset",
    "name_labels",
    "name_of",
    "new_config",
    "precision_of",
    "push_finished",
    "read_corpus",
    "remove_checkpoints",
    "remove_training_records",
    "resolve_defaults",
    "resolve_output",
    "run_training",
    "save_classifier",
    "start_from_vectors",
    "tokenize_texts",
]
