"""Read csv, tsv, json, jsonl, parquet and txt files as datasets, with one-sentence errors."""

import glob
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict, Features, IterableDataset, Sequence, Value
from datasets.exceptions import DatasetGenerationError

from ..messages import one_line
from .formats import COMPRESSIONS, FILE_SUFFIXES, FileError, TextFormat, detect_format, file_digest, format_suffix
from .parsing import Row, clean_row, flatten_row, parse_file

# The types of columns are inferred from this many rows, so that a file of any size is read in constant memory.
SAMPLE_ROWS = 1000


def stream_file(
    path: str | Path, *, separator: str | None = None, encoding: str | None = None, notes: list[str] | None = None
) -> IterableDataset:
    """Read a csv, tsv, json, jsonl, parquet or txt file row by row, in constant memory.

    A .json file that is one list or one object is parsed as a whole; JSON lines are streamed.

    Args:
        path: The file, possibly compressed (.gz, .bz2, .xz, .zst, .zip). Each line of a .txt file is a text (the column
            `text`); `__label__` marks before it are removed.
        separator: Separator of the columns of a csv or tsv file; detected by default.
        encoding: Encoding of a text file; detected by default.
        notes: Sentences about a detected separator or encoding are added to this list.

    Returns:
        Rows as dictionaries; `.batch(size)` or `.iter(batch_size=size)` give batches.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has an unknown suffix, is empty or is not text, or, during the iteration, a row cannot be
            parsed.
    """
    name = str(path)
    if not Path(name).is_file():
        raise FileNotFoundError(f"There is no file {name}.")
    with reading(name):
        _check_file(name)
        if format_suffix(name) == ".parquet":
            return IterableDataset.from_generator(_stream_parquet, gen_kwargs={"name": name})
        file_format = detect_format(name, encoding=encoding, separator=separator)
    if notes is not None:
        notes += file_format.describe()
    return IterableDataset.from_generator(_stream_rows, gen_kwargs={"file_format": file_format})


def _stream_rows(file_format: TextFormat) -> Iterator[Row]:
    with reading(file_format.name):
        yield from parse_file(file_format, labelled=False)


def _stream_parquet(name: str) -> Iterator[Row]:
    with reading(name):
        rows = datasets.load_dataset("parquet", data_files=glob.escape(name), split="train", streaming=True)
        yield from map(clean_row, rows)


def read_files(
    files: dict[str, list[str]],
    *,
    labelled: bool = True,
    separator: str | None = None,
    encoding: str | None = None,
    notes: list[str] | None = None,
) -> DatasetDict:
    """Read the files of each split with one type for each column. The rows are cached by the content of the files.

    Nested fields of a json file get dotted names, such as "ticket.subject".

    Args:
        files: The files of each split; all files of a split have the same format.
        labelled: Whether the lines of a txt file start with `__label__` marks; otherwise each line is a text.
        separator: Separator of the columns of csv and tsv files; detected by default.
        encoding: Encoding of text files; detected by default.
        notes: Sentences about a detected separator or encoding are added to this list.

    Raises:
        ValueError: A file cannot be read; the message names it and, if known, the line.
    """
    splits = DatasetDict()
    for split, names in files.items():
        with reading(", ".join(names)):
            for name in names:
                _check_file(name)
            if format_suffix(names[0]) == ".parquet":
                splits[split] = _read_parquet(names)
                continue
            formats = [detect_format(name, encoding=encoding, separator=separator) for name in names]
            if notes is not None:
                notes += [note for file_format in formats for note in file_format.describe()]
            features = _infer_features(formats, labelled)
            splits[split] = Dataset.from_generator(
                _typed_rows,
                features=features,
                gen_kwargs={"formats": tuple(formats), "labelled": labelled, "columns": tuple(features)},
            )
    return splits


def is_data_file(name: str) -> bool:
    """Return whether the suffix of a file is one that can be read, such as ".csv" or ".csv.gz"."""
    return format_suffix(name) in FILE_SUFFIXES


def _check_file(name: str) -> None:
    if not is_data_file(name):
        raise FileError(
            f"{name} has an unknown suffix; a file must end in one of {', '.join(FILE_SUFFIXES)}, possibly followed by "
            f"one of {', '.join(COMPRESSIONS)}."
        )
    if Path(name).stat().st_size == 0:
        raise FileError(f"{name} is empty; add rows or remove it.")


def _read_parquet(names: list[str]) -> Dataset:
    digests = []
    for name in names:
        with reading(name):
            pq.read_metadata(name)
            digests.append(file_digest(name))
    # The cache of `datasets` compares times of modification; a folder per content is safe against edits that keep it.
    cache = Path(datasets.config.HF_DATASETS_CACHE) / "by_content" / "-".join(digest[:16] for digest in digests)[:200]
    # `data_files` are patterns, so brackets in file names have to be escaped.
    escaped = [glob.escape(name) for name in names]
    return datasets.load_dataset("parquet", data_files=escaped, split="train", cache_dir=str(cache))


def _typed_rows(formats: tuple[TextFormat, ...], labelled: bool, columns: tuple[str, ...]) -> Iterator[Row]:
    for row in chain.from_iterable(parse_file(file_format, labelled=labelled) for file_format in formats):
        flat = flatten_row(row)
        yield {column: flat.get(column) for column in columns}


def _infer_features(formats: list[TextFormat], labelled: bool) -> Features:
    """Infer columns and types from the first rows; columns that hold lists of objects are left out."""
    names = ", ".join(file_format.name for file_format in formats)
    rows = chain.from_iterable(parse_file(file_format, labelled=labelled) for file_format in formats)
    sample = [flatten_row(row) for row in islice(rows, SAMPLE_ROWS)]
    if not sample:
        raise FileError(f"{names} has no rows.")
    features = {}
    for column in dict.fromkeys(key for row in sample for key in row):
        try:
            kind = pa.array([row.get(column) for row in sample]).type
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            raise FileError(f"{names}: column {column!r} mixes types; give all its rows the same type.") from None
        item = kind.value_type if pa.types.is_list(kind) else kind
        if pa.types.is_integer(item):
            item = pa.float64()  # a later row may have a fraction
        elif pa.types.is_null(item):
            item = pa.string()  # no value yet, but a later row may have one
        if pa.types.is_string(item) or pa.types.is_boolean(item) or pa.types.is_floating(item):
            features[column] = Sequence(Value(str(item))) if pa.types.is_list(kind) else Value(str(item))
    return Features(features)


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn any error of a reader into one sentence that names what was read, and silence its log messages."""
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    except (FileError, FileNotFoundError):
        raise
    except ConnectionError as error:
        raise ConnectionError(
            f"{where} is not a local file or folder, and the Hugging Face Hub could not be reached "
            f"({one_line(error)}); use a local file or folder, set HF_HUB_OFFLINE=1 to use an earlier download, or "
            "omit the dataset to use the bundled reviews."
        ) from None
    except Exception as error:
        cause: Any = error.__cause__ if isinstance(error, DatasetGenerationError) and error.__cause__ else error
        if isinstance(cause, FileError):
            raise cause from None
        raise FileError(
            f"{where} could not be read; check that its content matches its suffix: {one_line(cause)}."
        ) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
