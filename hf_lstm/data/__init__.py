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
from .corpus import Corpus, load_corpus, load_given_splits
from .files import is_data_file, reading, stream_file
from .formats import FILE_SUFFIXES, FileError, file_digest, open_binary
from .labels import Columns, LabelledRows, check_label_columns, join_label_columns, select_labelled
from .reading import read_source
from .sample_reviews import build_sample_reviews
from .tables import LABEL_COLUMNS, TEXT_COLUMNS, find_column, is_missing, iterate_texts, name_source
from .targets import Target, count_labels, encode_rows, has_hidden_labels
from .unlabelled import load_texts, unlabelled_texts

__all__ = [
    "BlockCollator",
    "ClassifierCollator",
    "Columns",
    "Corpus",
    "FILE_SUFFIXES",
    "FileError",
    "LABEL_COLUMNS",
    "LabelledRows",
    "SimilarLengthSampler",
    "TEXT_COLUMNS",
    "Target",
    "build_sample_reviews",
    "check_label_columns",
    "count_labels",
    "encode_rows",
    "file_digest",
    "find_column",
    "has_hidden_labels",
    "is_data_file",
    "is_missing",
    "join_label_columns",
    "iterate_texts",
    "load_corpus",
    "load_given_splits",
    "load_texts",
    "name_source",
    "open_binary",
    "pad_batch",
    "read_source",
    "reading",
    "select_labelled",
    "stream_file",
    "summarize_tokens",
    "tokenize_blocks",
    "tokenize_corpus",
    "unlabelled_texts",
]
