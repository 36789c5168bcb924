"""Read csv, tsv, json, jsonl, parquet, txt and xlsx files as datasets, with one-sentence errors."""

import glob
import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict, Features, IterableDataset
from datasets.exceptions import DatasetGenerationError
from huggingface_hub import is_offline_mode

from ..messages import format_names, one_line
from .formats import COMPRESSIONS, FILE_SUFFIXES, FileError, TextFormat, detect_format, file_digest, format_suffix
from .parsing import Row, clean_row, flatten_row, parse_file
from .tables import convert_value, describe_kind, feature_of, kind_of, merge_kinds

# Rows of a parquet file that are decoded at a time.
PARQUET_ROWS = 1_000


def stream_file(
    path: str | Path,
    *,
    flatten: bool = True,
    separator: str | None = None,
    encoding: str | None = None,
    notes: list[str] | None = None,
) -> IterableDataset:
    """Read a csv, tsv, json, jsonl, parquet, txt or xlsx file row by row, in constant memory.

    A .json file that is one list or one object is parsed as a whole; JSON lines are streamed.

    Args:
        path: The file, possibly compressed (.gz, .bz2, .xz, .zst, .zip). Each line of a .txt file is a text (the column
            `text`); `__label__` marks before it are removed.
        flatten: Give nested fields dotted names, such as "ticket.subject".
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
    with reading_errors(name):
        _check_file(name)
        if format_suffix(name) == ".parquet":
            return IterableDataset.from_generator(_stream_parquet, gen_kwargs={"name": name, "flatten": flatten})
        file_format = detect_format(name, encoding=encoding, separator=separator)
    if notes is not None:
        notes += file_format.describe()
    return IterableDataset.from_generator(_stream_rows, gen_kwargs={"file_format": file_format, "flatten": flatten})


def _stream_rows(file_format: TextFormat, flatten: bool) -> Iterator[Row]:
    with reading_errors(file_format.name):
        for row in parse_file(file_format, labelled=False):
            yield flatten_row(row) if flatten else row


def _stream_parquet(name: str, flatten: bool) -> Iterator[Row]:
    # `datasets` does not read every type, such as a map, and decodes the images of its own files.
    with reading_errors(name), pq.ParquetFile(name) as file:
        names = file.schema_arrow.names
        if repeated := next((column for column in names if names.count(column) > 1), None):
            raise FileError(f"{name} has several columns {repeated!r}; rename or remove all but one.")
        for batch in file.iter_batches(PARQUET_ROWS):
            for row in map(clean_row, batch.to_pylist()):
                yield flatten_row(row) if flatten else row


def read_files(
    files: dict[str, list[str]],
    *,
    labelled: bool = True,
    separator: str | None = None,
    encoding: str | None = None,
    notes: list[str] | None = None,
) -> DatasetDict:
    """Read the files of each split with one type for each column. The rows are cached by the content of the files.

    Nested fields of a json file get dotted names, such as "ticket.subject". A column with values of several types
    becomes text.

    Args:
        files: The files of each split; all files of a split have the same format.
        labelled: Whether the lines of a txt file start with `__label__` marks; otherwise each line is a text.
        separator: Separator of the columns of csv and tsv files; detected by default.
        encoding: Encoding of text files; detected by default.
        notes: Sentences about a detected separator or encoding, and about columns with several types, are added to this
            list.

    Raises:
        ValueError: A file cannot be read; the message names it and, if known, the line.
    """
    splits = DatasetDict()
    for split, names in files.items():
        with reading_errors(", ".join(names)):
            for name in names:
                _check_file(name)
            if format_suffix(names[0]) == ".parquet":
                splits[split] = _read_parquet(split, names)
                continue
            formats = [detect_format(name, encoding=encoding, separator=separator) for name in names]
            if notes is not None:
                notes += [note for file_format in formats for note in file_format.describe()]
            kinds, reported = _infer_kinds(formats, labelled)
            if notes is not None:
                notes += reported
            splits[split] = Dataset.from_generator(
                _typed_rows,
                features=Features({column: feature_of(kind) for column, kind in kinds.items()}),
                gen_kwargs={"formats": tuple(formats), "labelled": labelled, "kinds": kinds},
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


def content_cache(files: Mapping[str, list[str]]) -> str:
    """Return a cache folder of `datasets` for the splits of these files and their content.

    The cache of `datasets` identifies a folder by its name and a file by its time of modification, so that another
    folder of the same name, or an edit that keeps the time, would give the rows of an earlier call.

    Args:
        files: The files of each split; a file that is not local is identified by its name.
    """
    content = {split: [file_digest(n) if Path(n).is_file() else n for n in names] for split, names in files.items()}
    digest = hashlib.sha256(repr(content).encode()).hexdigest()
    return str(Path(datasets.config.HF_DATASETS_CACHE) / "by_content" / digest)


def _read_parquet(split: str, names: list[str]) -> Dataset:
    for name in names:
        with reading_errors(name):
            pq.read_metadata(name)
    # `data_files` are patterns, so brackets in file names have to be escaped.
    escaped = [glob.escape(name) for name in names]
    rows = datasets.load_dataset("parquet", data_files=escaped, split="train", cache_dir=content_cache({split: names}))
    rows.data.validate(full=True)  # text that is not UTF-8 would fail when it is used
    return rows


def _typed_rows(formats: tuple[TextFormat, ...], labelled: bool, kinds: dict[str, str]) -> Iterator[Row]:
    for row in chain.from_iterable(parse_file(file_format, labelled=labelled) for file_format in formats):
        flat = flatten_row(row)
        yield {column: convert_value(flat.get(column), kind) for column, kind in kinds.items()}


def _infer_kinds(formats: list[TextFormat], labelled: bool) -> tuple[dict[str, str], list[str]]:
    """Return the kind of each column over all rows, and sentences about columns with several types.

    A column with lists of objects is left out.
    """
    names = ", ".join(file_format.name for file_format in formats)
    kinds: dict[str, str] = {}
    notes = []
    is_empty = True
    for file_format in formats:
        rows = parse_file(file_format, labelled=labelled)
        # All values of these files are text or lists of text, and every row has the same columns.
        is_text = format_suffix(file_format.name) in (".csv", ".tsv", ".txt")
        for row in islice(rows, 1) if is_text else rows:
            is_empty = False
            for column, value in flatten_row(row).items():
                known, kind = kinds.get(column, "null"), kind_of(value)
                kinds[column] = merge_kinds(known, kind)
                if kinds[column].endswith("mixed") and not known.endswith("mixed"):
                    found = f"{describe_kind(known)} and {describe_kind(kind)}"
                    notes.append(f"Column {column!r} of {names} has {found}; all its values are read as text.")
    if is_empty:
        raise FileError(f"{names} has no rows.")
    left_out = [column for column, kind in kinds.items() if kind == "object"]
    if left_out:
        columns = format_names([repr(column) for column in left_out])
        notes.append(f"Did not read columns with lists of objects in {names}: {columns}.")
    return {column: kind for column, kind in kinds.items() if column not in left_out}, notes


@contextmanager
def reading_errors(where: str) -> Iterator[None]:
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
        earlier = (
            "unset HF_HUB_OFFLINE to download it"
            if is_offline_mode()
            else "set HF_HUB_OFFLINE=1 to use an earlier download"
        )
        raise ConnectionError(
            f"{where} is not a local file or folder, and the Hugging Face Hub could not be reached "
            f"({one_line(error)}); check the name, use a local file or folder, {earlier}, or omit the dataset to use "
            "the bundled reviews."
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
