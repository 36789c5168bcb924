"""Read labelled and unlabelled texts from files, folders, the Hub and tables in memory."""

from .batching import (
    BlockCollator,
    ClassifierCollator,
    SimilarLengthSampler,
    pad_batch,
    summarize_tokens,
    tokenize_blocks,
    tokenize_corpus,
)
from .corpus import Corpus, load_corpus
from .files import is_data_file, stream_file
from .formats import FILE_SUFFIXES
from .reading import read_source
from .sample_reviews import build_sample_reviews
from .tables import TEXT_COLUMNS, find_column, iterate_texts
from .unlabelled import load_texts

__all__ = [
    "BlockCollator",
    "ClassifierCollator",
    "Corpus",
    "FILE_SUFFIXES",
    "SimilarLengthSampler",
    "TEXT_COLUMNS",
    "build_sample_reviews",
    "find_column",
    "is_data_file",
    "iterate_texts",
    "load_corpus",
    "load_texts",
    "pad_batch",
    "read_source",
    "stream_file",
    "summarize_tokens",
    "tokenize_blocks",
    "tokenize_corpus",
]
