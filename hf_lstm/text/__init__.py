"""Train tokenizers, check texts, and find the positions where a text may be cut."""

from .ascii_words import AsciiWords, is_word_tokenizer
from .boundaries import SPECIAL_TOKENS, clean_text, join_surrogates, stable_length, take_stable_text
from .inputs import check_texts
from .scripts import share_without_spaces
from .tokenization import (
    TokenizerKind,
    are_words,
    build_given_tokenizer,
    count_words,
    is_streamable,
    train_tokenizer,
)

__all__ = [
    "SPECIAL_TOKENS",
    "AsciiWords",
    "TokenizerKind",
    "are_words",
    "build_given_tokenizer",
    "check_texts",
    "clean_text",
    "count_words",
    "is_streamable",
    "is_word_tokenizer",
    "join_surrogates",
    "share_without_spaces",
    "stable_length",
    "take_stable_text",
    "train_tokenizer",
]
