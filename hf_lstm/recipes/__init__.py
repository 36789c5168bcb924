"""Reproduce the published checkpoints, and pack the corpus for the language-model recipe."""

from .checkpoints import CHECKPOINTS, CORPUS, reproduce_checkpoint
from .distillation import distil
from .packing import PACKED_VOCAB_SIZE, pack_corpus

__all__ = ["CHECKPOINTS", "CORPUS", "PACKED_VOCAB_SIZE", "distil", "pack_corpus", "reproduce_checkpoint"]
