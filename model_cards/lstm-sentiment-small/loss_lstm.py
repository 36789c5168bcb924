# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Loss of a sequence classifier, with class weights, label smoothing and soft labels."""

from typing import Any, Literal, get_args

import torch
from torch.nn import functional as F
from transformers.loss.loss_utils import ForSequenceClassificationLoss

from .configuration_lstm import LstmConfig

ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]

PROBLEM_TYPES: tuple[str, ...] = get_args(ProblemType)

# Label of a text that does not count, as in torch.
IGNORED = -100

# Probabilities of a text may be rounded to two decimals each, so that their sum differs from 1 by up to this per label.
ROUNDING = 0.01


def infer_problem_type(labels: torch.Tensor, num_labels: int) -> ProblemType:
    """Return the problem type of a config that does not set it, by the rules of transformers."""
    if num_labels == 1:
        return "regression"
    return "single_label_classification" if labels.dtype in (torch.long, torch.int) else "multi_label_classification"


def sequence_classification_loss(
    labels: torch.Tensor, pooled_logits: torch.Tensor, config: LstmConfig, **kwargs: Any
) -> torch.Tensor:
    """
    Compute the loss for `config.problem_type`, with the `class_weights` and `label_smoothing` of the config.

    Labels are smoothed first and weighted afterwards: the smoothed loss of a text is multiplied by the weight of its
    class. `torch.nn.functional.cross_entropy` multiplies the smoothed probability of every other class by the weight of
    that class instead, so that a rare class with a large weight is predicted everywhere.

    Args:
        labels: For a single-label problem, `(batch,)` class ids, where -100 does not count, or `(batch, num_labels)`
            probabilities (soft labels). For a multi-label problem, `(batch, num_labels)` zeros and ones, or
            probabilities. For a regression, `(batch,)` or `(batch, num_labels)` scores.
        pooled_logits: `(batch, num_labels)`.
        config: Config of the model. Its `problem_type` is inferred from the labels and set if it is `None`.
        kwargs: Ignored; the library passes the same arguments to every loss.

    Returns:
        The mean loss of the batch, a scalar.

    Raises:
        ValueError: The labels of a single-label problem are neither class ids nor probabilities. The sum of the
            probabilities is checked on the CPU only, because a GPU would have to wait for it in every step.
    """
    logits, labels = pooled_logits.float(), labels.to(pooled_logits.device)
    if config.problem_type is None:
        config.problem_type = infer_problem_type(labels, logits.shape[1])
    weights = None if config.class_weights is None else logits.new_tensor(config.class_weights)  # (num_labels,)
    if config.problem_type == "single_label_classification":
        return _single_label_loss(logits, labels, weights, config.label_smoothing)
    if config.problem_type == "multi_label_classification":
        return _multi_label_loss(logits, labels, weights, config.label_smoothing)
    return ForSequenceClassificationLoss(labels.to(logits.dtype), logits, config)


def _single_label_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None, label_smoothing: float
) -> torch.Tensor:
    """Mean cross entropy of class ids or soft labels; each text has the weight of its class."""
    if labels.is_floating_point():
        _check_soft_labels(labels, logits.shape)
        labels = labels.to(logits.dtype)  # (batch, num_labels)
    else:
        labels = labels.flatten().long()  # (batch,)
    if weights is None:
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    if labels.is_floating_point():
        text_weights = labels @ weights  # (batch,)
    else:
        text_weights = weights[labels.clamp(min=0)] * (labels != IGNORED)  # (batch,)
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)  # (batch,)
    return (losses * text_weights).sum() / text_weights.sum()


def _check_soft_labels(labels: torch.Tensor, shape: torch.Size) -> None:
    if labels.shape != shape:
        raise ValueError(
            f"The labels of a single-label problem must be class ids (integers) or probabilities of shape "
            f"{tuple(shape)}, got {labels.dtype} of shape {tuple(labels.shape)}."
        )
    if not labels.is_cpu or torch.compiler.is_compiling():
        return
    sums = labels.sum(1, dtype=torch.float32)
    # Labels of a multi-label problem have sums of 0, 2, 3, ..., which differ from 1 by more than a half.
    wrong = (sums - 1).abs() > min(0.5, ROUNDING * shape[1])
    if bool(wrong.any()):
        raise ValueError(
            f"The label probabilities of each text must sum to 1 for problem_type='single_label_classification', got a "
            f"sum of {float(sums[wrong][0]):g}. If a text can have several labels, set "
            "problem_type='multi_label_classification' in the config."
        )


def _multi_label_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None, label_smoothing: float
) -> torch.Tensor:
    """Mean binary cross entropy; each positive label has the weight of its class, each negative one the weight 1."""
    labels = labels.to(logits.dtype)  # (batch, num_labels)
    entries = None if weights is None else 1 + (weights - 1) * labels  # (batch, num_labels)
    targets = labels * (1 - label_smoothing) + label_smoothing / 2
    return F.binary_cross_entropy_with_logits(logits, targets, weight=entries)
