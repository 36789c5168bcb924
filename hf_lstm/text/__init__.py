"""Train tokenizers, check texts, and find the positions where a text may be cut."""

from .boundaries import SPECIAL_TOKENS, clean_text, stable_length, take_stable_text
from .inputs import check_texts
from .scripts import share_without_spaces
from .tokenization import TokenizerKind, is_streamable, train_tokenizer

__all__ = [
    "SPECIAL_TOKENS",
    "TokenizerKind",
    "check_texts",
    "clean_text",
    "is_streamable",
    "share_without_spaces",
    "stable_length",
    "take_stable_text",
    "train_tokenizer",
]
