"""Train classifiers and language models."""

from .arguments import (
    ClassifierTrainingArguments,
    DataArguments,
    LanguageModelTrainingArguments,
    ModelArguments,
    PretrainingArguments,
    PretrainingDataArguments,
)
from .building import build_model, build_pretraining_model, build_tokenizer, start_from_vectors
from .checkpoints import find_resume_checkpoint, is_complete, save_classifier
from .classifier import TrainedClassifier, load_classifier
from .defaults import ResolvedArguments, resolve_defaults
from .options import build_arguments
from .pretraining import build_pretrainer, measure_perplexity, sample_text, save_language_model, save_vectors
from .train import ARGUMENT_GROUPS, run_training, train_classifier
from .trainer import build_trainer

__all__ = [
    "ARGUMENT_GROUPS",
    "ClassifierTrainingArguments",
    "DataArguments",
    "LanguageModelTrainingArguments",
    "ModelArguments",
    "PretrainingArguments",
    "PretrainingDataArguments",
    "ResolvedArguments",
    "TrainedClassifier",
    "build_arguments",
    "build_model",
    "build_pretrainer",
    "build_pretraining_model",
    "build_tokenizer",
    "build_trainer",
    "find_resume_checkpoint",
    "is_complete",
    "load_classifier",
    "measure_perplexity",
    "resolve_defaults",
    "run_training",
    "sample_text",
    "save_classifier",
    "save_language_model",
    "save_vectors",
    "start_from_vectors",
    "train_classifier",
]
