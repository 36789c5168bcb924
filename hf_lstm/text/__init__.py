"""Tokenizers, and the positions where a text may be cut."""

from .boundaries import SPECIAL_TOKENS, clean_text, stable_length, take_stable_text
from .tokenization import TokenizerKind, is_streamable, train_tokenizer

__all__ = [
    "SPECIAL_TOKENS",
    "TokenizerKind",
    "clean_text",
    "is_streamable",
    "stable_length",
    "take_stable_text",
    "train_tokenizer",
]
