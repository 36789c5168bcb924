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

# Types of parsed files are inferred from this many rows, so that a file of any size is read in constant memory.
SAMPLE_ROWS = 1000

_FASTTEXT = re.compile(r"((?:__label__\S+(?:\s+|$))*)(.*)", re.DOTALL)


def stream_file(path: str) -> IterableDataset:
    """Reads a csv, tsv, json, jsonl, parquet or txt file row by row in constant memory.

    A .json file that is one list is parsed at once; JSON lines are streamed.

    Args:
        path: The file. Each line of a .txt file is a text, the column `text`; `__label__` marks before it are left out.

    Returns:
        Rows as dictionaries; `.batch(size)` or `.iter(batch_size=size)` give batches.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not what its ending says, or, while reading, a row of it is not.
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
    splits = DatasetDict()
    for split, names in files.items():
        for name in names:
            _check_file(name)
        with reading(", ".join(names)):
            if Path(names[0]).suffix.lower() in (".json", ".jsonl", ".txt"):
                # The times are part of the cache key: a file that has changed is read anew.
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
        raise FileError(f"{name} is no file that can be read here; it must end in one of {', '.join(FILE_SUFFIXES)}.")
    if Path(name).stat().st_size == 0:
        raise FileError(f"{name} is empty; add rows or remove it.")


def _load_table(names: list[str], split: str, *, separator: str | None = None, streaming: bool = False):
    """Reads csv, tsv or parquet files with the builder of `datasets`."""
    # `data_files` are patterns, but a bracket in a file name is not.
    options = {"data_files": {split: [glob.escape(name) for name in names]}, "streaming": streaming}
    if names[0].lower().endswith(".parquet"):
        return datasets.load_dataset("parquet", **options)[split]
    separator = separator or ("\t" if names[0].lower().endswith(".tsv") else ",")
    # All columns as strings: pandas reads the text "None" as missing, "007" as 7, and types each block on its own.
    for name in names:
        # Where the first row is longer than the header, pandas would take its first fields for row names.
        if len(pd.read_csv(name, sep=separator, header=None, nrows=2)) < 2:
            raise FileError(f"{name} has a header and no rows.")
    features = Features({column: Value("string") for column in pd.read_csv(names[0], sep=separator, nrows=0)})
    return datasets.load_dataset("csv", **options, sep=separator, features=features, keep_default_na=False)[split]


def _parse_file(name: str, *, labelled: bool = True) -> Iterator[dict[str, Any]]:
    """Yields the rows of a json, jsonl or txt file.

    The JSON builder of `datasets` stops at a lone surrogate and does not say at which line a file is broken.
    """
    fasttext = name.lower().endswith(".txt")
    with open(name, encoding="utf-8-sig") as file:
        is_list = not fasttext and file.read(1000).lstrip().startswith("[")
        file.seek(0)
        rows = json.load(file) if is_list else file
        for number, row in enumerate(rows, 1):
            where = f"{name}, {'item' if is_list else 'line'} {number}"
            if fasttext:
                row = _parse_fasttext(row, where) if labelled else {"text": _FASTTEXT.fullmatch(row.rstrip("\n"))[2]}
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
        raise FileError(f"{where} is not JSON ({error}); give one object a line, or one list of objects.") from None


def _parse_fasttext(line: str, where: str) -> dict[str, Any] | None:
    if not line.strip():
        return None
    labels, text = _FASTTEXT.fullmatch(line.rstrip("\n")).groups()
    if not labels:
        raise FileError(f"{where}: expected a label, then the text, such as '__label__positive I liked it'.")
    return {"text": text, "labels": [label.removeprefix("__label__") for label in labels.split()]}


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
    """Infers columns and types from the first rows; columns that hold objects are left out."""
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
            item = pa.string()  # nothing yet, but later rows may hold something
        if pa.types.is_string(item) or pa.types.is_boolean(item) or pa.types.is_floating(item):
            features[column] = Sequence(Value(str(item))) if pa.types.is_list(kind) else Value(str(item))
    return Features(features)


class FileError(ValueError):
    """A sentence that already names what was being read."""


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turns whatever a reader raises and logs into one sentence that names what was being read."""
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
            f"{where} is no file or folder here, and the Hugging Face Hub could not be reached to look for it "
            f"({one_line(error)}); name a local folder or file, set HF_HUB_OFFLINE=1 to use an earlier download, or "
            "name no dataset to use the bundled corpus."
        ) from None
    except Exception as error:
        cause = error.__cause__ if isinstance(error, DatasetGenerationError) and error.__cause__ else error
        if isinstance(cause, FileError):
            raise cause from None
        raise FileError(
            f"{where} could not be read; check that it is what its name says: {one_line(cause)}."
        ) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
