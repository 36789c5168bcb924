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
from .pretraining import (
    build_pretrainer,
    measure_perplexity,
    pretrain_streams,
    sample_text,
    save_language_model,
    save_vectors,
)
from .trainer import build_trainer

__all__ = [
    "ClassifierTrainingArguments",
    "DataArguments",
    "LanguageModelTrainingArguments",
    "ModelArguments",
    "PretrainingArguments",
    "PretrainingDataArguments",
    "build_model",
    "build_pretrainer",
    "build_pretraining_model",
    "build_tokenizer",
    "build_trainer",
    "find_resume_checkpoint",
    "is_complete",
    "measure_perplexity",
    "pretrain_streams",
    "sample_text",
    "save_classifier",
    "save_language_model",
    "save_vectors",
    "start_from_vectors",
]
