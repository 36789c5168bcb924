"""Predict the rows of a file and write them to another file, in constant memory."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ..data import TEXT_COLUMNS, find_column, stream_file
from ..messages import progress_bar
from .prediction import format_predictions, predict_texts

# This many rows are read, sorted by length, scored and written at a time, which bounds the memory.
WINDOW = 2_048

Item = TypeVar("Item")


def predict_file(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    source: str | Path,
    target: str | Path,
    text_column: str | None = None,
) -> tuple[int, int]:
    """Copy a table and add the columns `predicted_label` and `predicted_score`, in constant memory.

    Args:
        model: A sequence classifier.
        tokenizer: Its tokenizer.
        source: csv, tsv, json, jsonl, parquet or txt file.
        target: csv, tsv, jsonl or parquet file. It is created or replaced when all rows are written.
        text_column: Column of the texts; by default the one with a usual name.

    Returns:
        The number of rows, and how many of them have no text and therefore no prediction.

    Raises:
        FileNotFoundError: There is no such source.
        ValueError: The source or the target cannot be used; the message says why.
    """
    source, target = str(source), str(target)
    if Path(target).exists() and Path(target).samefile(source):
        raise ValueError(f"{target} is the input file; choose another output file.")
    count = skipped = 0
    with open_writer(target) as write, progress_bar(unit="row", unit_scale=True) as progress:
        for rows in windows(stream_file(source), WINDOW):
            if count == 0:
                text_column = find_column(list(rows[0]), TEXT_COLUMNS, text_column, role="text", where=source)
            texts = [row.get(text_column) for row in rows]
            for number, text in enumerate(texts, count + 1):
                if not isinstance(text, str | None):
                    raise ValueError(
                        f"Column {text_column!r} of {source} holds {text!r} in row {number:,}, not a text."
                    )
            logits = predict_texts(model, tokenizer, [text for text in texts if text is not None])
            predictions = iter(format_predictions(logits, model.config))
            for row, text in zip(rows, texts, strict=True):
                prediction = {} if text is None else next(predictions)
                row["predicted_label"] = prediction.get("label")
                row["predicted_score"] = prediction.get("score")
            write(rows)
            count += len(rows)
            skipped += texts.count(None)
            progress.update(len(rows))
    return count, skipped


def windows(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield consecutive lists of at most `size` items."""
    iterator = iter(items)
    while window := list(islice(iterator, size)):
        yield window


Rows = list[dict[str, Any]]


class _JsonLinesWriter:
    def __init__(self, path: str):
        self.file = open(path, "w", encoding="utf-8")  # noqa: SIM115

    def write(self, rows: Rows) -> None:
        self.file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)

    def close(self) -> None:
        self.file.close()


class _CsvWriter:
    dialect = "excel"

    def __init__(self, path: str):
        self.file = open(path, "w", encoding="utf-8", newline="")  # noqa: SIM115
        self.table: csv.DictWriter | None = None

    def write(self, rows: Rows) -> None:
        if self.table is None:
            self.table = csv.DictWriter(self.file, list(rows[0]), dialect=self.dialect)
            self.table.writeheader()
        for row in rows:
            self.table.writerow(
                {key: ",".join(map(str, value)) if isinstance(value, list) else value for key, value in row.items()}
            )

    def close(self) -> None:
        self.file.close()


class _TsvWriter(_CsvWriter):
    dialect = "excel-tab"


class _ParquetWriter:
    def __init__(self, path: str):
        self.path = path
        self.table: pq.ParquetWriter | None = None

    def write(self, rows: Rows) -> None:
        if self.table is None:
            schema = pa.Table.from_pylist(rows).schema
            # A column that has no value in the first window is written as text.
            fields = [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema]
            self.table = pq.ParquetWriter(self.path, pa.schema(fields))
        self.table.write_table(pa.Table.from_pylist(rows, schema=self.table.schema))

    def close(self) -> None:
        if self.table is not None:
            self.table.close()


_WRITERS: dict[str, type[_JsonLinesWriter | _CsvWriter | _ParquetWriter]] = {
    ".csv": _CsvWriter,
    ".tsv": _TsvWriter,
    ".jsonl": _JsonLinesWriter,
    ".parquet": _ParquetWriter,
}


@contextmanager
def open_writer(path: str) -> Iterator[Callable[[Rows], None]]:
    """Open a table to which windows of rows are written. The file appears only when the block ends without an error.

    Args:
        path: File that ends in .csv, .tsv, .jsonl or .parquet.

    Yields:
        A function that appends rows.

    Raises:
        ValueError: The path has another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise ValueError(f"{path} must end in {', '.join(_WRITERS)}; the suffix selects the format of the output.")
    partial = f"{path}.partial"
    writer = _WRITERS[suffix](partial)
    try:
        yield writer.write
        writer.close()
        if os.path.exists(partial):  # a parquet file without rows has no columns and is not written
            os.replace(partial, path)
    finally:
        writer.close()
        Path(partial).unlink(missing_ok=True)
