"""Read labelled and unlabelled texts from files, folders, the Hub and tables in memory."""

from .batching import (
    BlockCollator as BlockCollator,
    ClassifierCollator as ClassifierCollator,
    SimilarLengthSampler as SimilarLengthSampler,
    pad_batch as pad_batch,
    summarize_tokens as summarize_tokens,
    tokenize_blocks as tokenize_blocks,
    tokenize_corpus as tokenize_corpus,
)
from .corpus import Corpus as Corpus, load_corpus as load_corpus, load_given_splits as load_given_splits
from .files import is_data_file as is_data_file, reading_errors as reading_errors, stream_file as stream_file
from .formats import (
    FILE_SUFFIXES as FILE_SUFFIXES,
    FileError as FileError,
    file_digest as file_digest,
    open_binary as open_binary,
)
from .labels import (
    Columns as Columns,
    LabelledRows as LabelledRows,
    check_label_columns as check_label_columns,
    join_label_columns as join_label_columns,
    select_labelled as select_labelled,
)
from .parsing import flatten_row as flatten_row
from .reading import read_source as read_source
from .sample_reviews import build_sample_reviews as build_sample_reviews
from .tables import (
    LABEL_COLUMNS as LABEL_COLUMNS,
    TEXT_COLUMNS as TEXT_COLUMNS,
    find_column as find_column,
    is_missing as is_missing,
    iterate_texts as iterate_texts,
    name_source as name_source,
)
from .targets import (
    Target as Target,
    count_labels as count_labels,
    encode_rows as encode_rows,
    has_hidden_labels as has_hidden_labels,
)
from .unlabelled import load_texts as load_texts, unlabelled_texts as unlabelled_texts
