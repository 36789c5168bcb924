"""Resolve every default of a training that depends on the data, in one place."""

import math
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, DatasetDict
from transformers import EvalPrediction

from ..evaluation import MAIN_METRIC, build_compute_metrics
from ..inference import load_config
from ..models import LstmConfig
from .arguments import ClassifierTrainingArguments, ModelArguments

# A corpus of at least this many training tokens is large. It needs more regularization, because the model would rely
# too much on single words, such as names, and fewer epochs.
LARGE_CORPUS_TOKENS = 1_000_000

# The default epochs read about this many texts in total, because small corpora need more passes than large ones.
TEXTS_TO_READ = 80_000
MIN_EPOCHS, MIN_EPOCHS_LARGE, MAX_EPOCHS = 5, 3, 30

# Adversarial training was measured for classification, where it raises the accuracy on small and on large corpora.
ADVERSARIAL_SIZE = 0.5

LOWER_IS_BETTER = ("loss", "mse", "mae")


@dataclass(frozen=True)
class ResolvedArguments:
    """
    The arguments of a training without any open default.

    Args:
        model: Arguments of the model.
        training: Arguments of the Trainer.
        chosen: Value of each argument whose default was resolved, by name.
        tokens: Number of training tokens.
    """

    model: ModelArguments
    training: ClassifierTrainingArguments
    chosen: dict[str, Any]
    tokens: int

    def __str__(self) -> str:
        values = ", ".join(f"{name} {value}" for name, value in self.chosen.items())
        size = "a large corpus" if self.tokens >= LARGE_CORPUS_TOKENS else "a small corpus"
        return f"Defaults for {self.tokens:,} training tokens ({size}): {values}."


def resolve_defaults(
    splits: DatasetDict, problem_type: str, model_args: ModelArguments, args: ClassifierTrainingArguments
) -> ResolvedArguments:
    """
    Replace the arguments that are `None` by values that suit the data. The given arguments are not modified.

    Args:
        splits: Tokenized splits with `length` and `labels`. The defaults depend on `train` only.
        problem_type: `problem_type` of the config of the model.
        model_args: Arguments of the model.
        args: Arguments of the Trainer.

    Returns:
        The resolved arguments, and which of them were chosen here.

    Raises:
        ValueError: `metric_for_best_model` is not a metric of the problem type.
    """
    train = splits["train"]
    tokens = sum(train["length"])
    is_large = tokens >= LARGE_CORPUS_TOKENS
    # Soft labels are smooth already; in multi-label data, smoothing would outweigh the few positives of a rare label.
    is_hard_label = isinstance(train.features["labels"], ClassLabel)
    chosen: dict[str, Any] = {}
    if model_args.label_smoothing is None:
        chosen["label_smoothing"] = 0.1 if is_hard_label else 0.0
    if model_args.embedding_dropout is None and model_args.pretrained is None and is_large:
        chosen["embedding_dropout"] = 0.3
    if model_args.vectors is None:
        chosen["vectors"] = "cooccurrence" if model_args.pretrained is None else "none"
    resolved_model = replace(model_args, **chosen)

    resolved = copy(args)
    if args.run_name is None:  # a tracker that is closed after the training can be reopened for the results
        resolved.run_name = f"{Path(args.output_dir or '.').name}-{datetime.now():%Y%m%d-%H%M%S}"
    if args.adversarial_size is None:
        size = 0.0 if problem_type == "regression" else ADVERSARIAL_SIZE
        resolved.adversarial_size = chosen["adversarial_size"] = size
    if args.num_train_epochs is None:
        epochs = default_epochs(len(train), is_large)
        if args.gradual_unfreezing:
            epochs = max(epochs, _num_layer_groups(resolved_model))
        resolved.num_train_epochs = chosen["num_train_epochs"] = epochs
    if args.chooses_best and not args.load_best_model_at_end:
        chosen["load_best_model_at_end"] = False
    if args.chooses_metric or args.metric_for_best_model is None:
        metric = chosen["metric_for_best_model"] = MAIN_METRIC[problem_type]
    else:
        metric = args.metric_for_best_model.removeprefix("eval_")
    if metric not in (known := validation_metrics(problem_type)):
        raise ValueError(f"`metric_for_best_model` must be one of {', '.join(known)}, got {metric!r}.")
    resolved.metric_for_best_model = metric
    if args.chooses_direction:
        resolved.greater_is_better = metric not in LOWER_IS_BETTER
    return ResolvedArguments(resolved_model, resolved, chosen, tokens)


def validation_metrics(problem_type: str) -> list[str]:
    """Return the names of all metrics of a validation, which are those of two texts that are predicted correctly."""
    scores = np.arange(2.0)[:, None] if problem_type == "regression" else np.eye(2)  # (2, 1) or (2, 2)
    labels = np.eye(2) if problem_type == "multi_label_classification" else np.arange(2.0)  # (2, 2) or (2,)
    return ["loss", *build_compute_metrics(problem_type, scores.shape[1])(EvalPrediction(scores, labels))]


def default_epochs(num_texts: int, is_large: bool = False) -> int:
    """
    Return the number of epochs that read about 80,000 texts: at most 30, and at least 5, or 3 for a large corpus.

    An adversarial epoch takes twice the time, but has as many optimizer steps as any other, and learning needs as many.

    Args:
        num_texts: Number of training texts.
        is_large: Whether the corpus has at least [`LARGE_CORPUS_TOKENS`].
    """
    wanted = math.ceil(TEXTS_TO_READ / num_texts)
    return min(MAX_EPOCHS, max(MIN_EPOCHS_LARGE if is_large else MIN_EPOCHS, wanted))


def _num_layer_groups(model_args: ModelArguments) -> int:
    """Return the number of epochs after which gradual unfreezing trains head, recurrent layers and embeddings."""
    layers = model_args.num_hidden_layers
    if layers is None:
        config = LstmConfig if model_args.pretrained is None else load_config(model_args.pretrained)
        layers = config.num_hidden_layers
    return layers + 2
