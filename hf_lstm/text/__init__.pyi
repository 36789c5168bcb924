"""Train tokenizers, check texts, and find the positions where a text may be cut."""

from .ascii_words import AsciiWords as AsciiWords, is_word_tokenizer as is_word_tokenizer
from .boundaries import (
    SPECIAL_TOKENS as SPECIAL_TOKENS,
    clean_text as clean_text,
    join_surrogates as join_surrogates,
    stable_length as stable_length,
    take_stable_text as take_stable_text,
)
from .inputs import check_texts as check_texts
from .scripts import share_without_spaces as share_without_spaces
from .tokenization import (
    TokenizerKind as TokenizerKind,
    are_words as are_words,
    build_given_tokenizer as build_given_tokenizer,
    count_words as count_words,
    is_streamable as is_streamable,
    train_tokenizer as train_tokenizer,
)
