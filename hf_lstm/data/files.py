"""Read csv, tsv, json, jsonl, parquet and txt files, with one-sentence errors."""

import glob
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
from datasets import Dataset, DatasetDict, Features, IterableDataset, Sequence, Value
from datasets.exceptions import DatasetGenerationError

from ..messages import one_line
from ..text import clean_text

FILE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt")

# The types of columns are inferred from this many rows, so that a file of any size is read in constant memory.
SAMPLE_ROWS = 1000


def stream_file(path: str) -> IterableDataset:
    """Read a csv, tsv, json, jsonl, parquet or txt file row by row, in constant memory.

    A .json file that is one list is parsed as a whole; JSON lines are streamed.

    Args:
        path: The file. Each line of a .txt file is a text (the column `text`); `__label__` marks before it are removed.

    Returns:
        Rows as dictionaries; `.batch(size)` or `.iter(batch_size=size)` give batches.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has an unknown suffix or is empty, or, during the iteration, a row cannot be parsed.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    _check_file(path)
    return IterableDataset.from_generator(_stream_rows, gen_kwargs={"path": path})


def _stream_rows(path: str) -> Iterator[dict[str, Any]]:
    with reading(path):
        if Path(path).suffix.lower() in (".json", ".jsonl", ".txt"):
            rows = _parse_file(path, labelled=False)
        else:
            rows = _load_table([path], "train", streaming=True)
        for row in rows:
            yield {key: _clean(value) for key, value in row.items()}


def read_files(files: dict[str, list[str]], separator: str | None = None, labelled: bool = True) -> DatasetDict:
    """Read the files of each split with one type for each column.

    Args:
        files: The files of each split; all files of a split have the same suffix.
        separator: Separator of the columns of a csv file; by default a comma, or a tab in a tsv file.
        labelled: Whether the lines of a txt file start with `__label__` marks; otherwise each line is a text.

    Raises:
        ValueError: A file cannot be read; the message names it and, if known, the line.
    """
    splits = DatasetDict()
    for split, names in files.items():
        for name in names:
            _check_file(name)
        with reading(", ".join(names)):
            if Path(names[0]).suffix.lower() in (".json", ".jsonl", ".txt"):
                # The times are part of the cache key, so that a changed file is read again.
                times = tuple(Path(name).stat().st_mtime_ns for name in names)
                features = _sample_features(names, labelled)
                splits[split] = Dataset.from_generator(
                    _typed_rows,
                    features=features,
                    gen_kwargs={
                        "names": tuple(names),
                        "labelled": labelled,
                        "times": times,
                        "columns": tuple(features),
                    },
                )
            else:
                splits[split] = _load_table(names, split, separator=separator)
    return splits


def _check_file(name: str) -> None:
    if Path(name).suffix.lower() not in FILE_SUFFIXES:
        raise FileError(f"{name} has an unknown suffix; a file must end in one of {', '.join(FILE_SUFFIXES)}.")
    if Path(name).stat().st_size == 0:
        raise FileError(f"{name} is empty; add rows or remove it.")


def _load_table(
    names: list[str], split: str, *, separator: str | None = None, streaming: bool = False
) -> Dataset | IterableDataset:
    """Read csv, tsv or parquet files with the builder of `datasets`."""
    # `data_files` are patterns, so brackets in file names have to be escaped.
    options: dict[str, Any] = {"data_files": {split: [glob.escape(name) for name in names]}, "streaming": streaming}
    if names[0].lower().endswith(".parquet"):
        return datasets.load_dataset("parquet", **options)[split]
    separator = separator or ("\t" if names[0].lower().endswith(".tsv") else ",")
    # Read all columns as strings. Otherwise pandas reads the text "None" as missing and "007" as 7, and infers the type
    # of each block of rows separately.
    for name in names:
        # If the first row is longer than the header, pandas uses its first fields as row names.
        if len(pd.read_csv(name, sep=separator, header=None, nrows=2)) < 2:
            raise FileError(f"{name} has a header and no rows.")
    features = Features({column: Value("string") for column in pd.read_csv(names[0], sep=separator, nrows=0)})
    return datasets.load_dataset("csv", **options, sep=separator, features=features, keep_default_na=False)[split]


def _parse_file(name: str, *, labelled: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the rows of a json, jsonl or txt file.

    The JSON builder of `datasets` stops at a lone surrogate and does not report the line of an error.
    """
    fasttext = name.lower().endswith(".txt")
    with open(name, encoding="utf-8-sig") as file:
        is_list = not fasttext and file.read(1000).lstrip().startswith("[")
        file.seek(0)
        rows = json.load(file) if is_list else file
        for number, row in enumerate(rows, 1):
            where = f"{name}, {'item' if is_list else 'line'} {number}"
            if fasttext:
                labels, text = _split_fasttext(row)
                if not labelled:
                    row = {"text": text}
                elif labels:
                    row = {"text": text, "labels": labels}
                elif text.strip():
                    raise FileError(
                        f"{where}: expected a label before the text, such as '__label__positive I liked it'."
                    )
                else:
                    row = None
            elif not is_list:
                row = _parse_json_line(row, where)
            if row is None:
                continue
            if not isinstance(row, dict):
                raise FileError(f'{where}: expected an object such as {{"text": "I liked it", "label": "positive"}}.')
            yield row


def _parse_json_line(line: str, where: str) -> Any:
    if not line.strip():
        return None
    try:
        return json.loads(line)
    except ValueError as error:
        raise FileError(f"{where} is not JSON ({error}); write one object per line, or one list of objects.") from None


def _split_fasttext(line: str) -> tuple[list[str], str]:
    """Split a line into its labels and its text."""
    line = line.rstrip("\n")
    marks = re.match(r"(?:__label__\S+(?:\s+|$))*", line)
    end = marks.end() if marks else 0
    return [mark.removeprefix("__label__") for mark in line[:end].split()], line[end:]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _typed_rows(
    names: tuple[str, ...], labelled: bool, times: tuple[int, ...] = (), columns: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    for row in chain.from_iterable(_parse_file(name, labelled=labelled) for name in names):
        yield {column: _clean(row.get(column)) for column in columns or row}


def _sample_features(names: list[str], labelled: bool) -> Features:
    """Infer columns and types from the first rows; columns that hold objects are left out."""
    sample = list(islice(_typed_rows(tuple(names), labelled), SAMPLE_ROWS))
    if not sample:
        raise FileError(f"{', '.join(names)} has no rows.")
    features = {}
    for column in dict.fromkeys(key for row in sample for key in row):
        try:
            kind = pa.array([row.get(column) for row in sample]).type
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            raise FileError(f"{names[0]}: column {column!r} mixes types; give all its rows the same type.") from None
        item = kind.value_type if pa.types.is_list(kind) else kind
        if pa.types.is_integer(item):
            item = pa.float64()  # a later row may have a fraction
        elif pa.types.is_null(item):
            item = pa.string()  # no value yet, but a later row may have one
        if pa.types.is_string(item) or pa.types.is_boolean(item) or pa.types.is_floating(item):
            features[column] = Sequence(Value(str(item))) if pa.types.is_list(kind) else Value(str(item))
    return Features(features)


class FileError(ValueError):
    """An error whose message already names the file."""


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
        cause = error.__cause__ if isinstance(error, DatasetGenerationError) and error.__cause__ else error
        if isinstance(cause, FileError):
            raise cause from None
        raise FileError(
            f"{where} could not be read; check that its content matches its suffix: {one_line(cause)}."
        ) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
