"""Reproduce the published checkpoints, and pack the corpus for the language-model recipe."""

from .checkpoints import distil as distil, reproduce_checkpoint as reproduce_checkpoint
from .packing import PACKED_VOCAB_SIZE as PACKED_VOCAB_SIZE, pack_corpus as pack_corpus
from .steps import CHECKPOINTS as CHECKPOINTS, CORPUS as CORPUS
