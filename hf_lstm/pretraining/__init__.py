"""Pretrain language models and word vectors on texts without labels."""

from .pretrain import PRETRAINING_GROUPS, PretrainedModel, pretrain, run_pretraining

__all__ = ["PRETRAINING_GROUPS", "PretrainedModel", "pretrain", "run_pretraining"]
