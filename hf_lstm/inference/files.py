"""Predict the rows of a file and write them to another, in constant memory."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ..data import TEXT_COLUMNS, find_column, stream_file
from .prediction import format_predictions, predict_texts

# Rows of a file that are read, sorted by length, scored and written at a time: this bounds the memory.
WINDOW = 2_048


def predict_file(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, source: str, target: str, text_column: str | None = None
) -> tuple[int, int]:
    """
    Copies a table with the columns `predicted_label` and `predicted_score` added, in constant memory.

    Args:
        model: A sequence classifier.
        tokenizer: Its tokenizer.
        source: csv, tsv, json, jsonl, parquet or txt file.
        target: csv, tsv, jsonl or parquet file; it appears when all of it is written.
        text_column: Column of the texts; by default the one with a usual name.

    Returns:
        Number of rows, and how many of them had no text and therefore got no prediction.

    Raises:
        FileNotFoundError: There is no such source.
        ValueError: The source or the target cannot be used; the message says why.
    """
    if Path(target).exists() and Path(target).samefile(source):
        raise ValueError(f"{target} is the input itself: name another file to write to.")
    count = skipped = 0
    with open_writer(target) as write, tqdm(unit="row", unit_scale=True) as progress:
        for rows in windows(stream_file(source), WINDOW):
            if count == 0:
                text_column = find_column(list(rows[0]), TEXT_COLUMNS, text_column, role="text", where=source)
            readable = [row for row in rows if row.get(text_column) is not None]
            for row in readable:
                if not isinstance(row[text_column], str):
                    raise ValueError(f"Column {text_column!r} of {source} holds {row[text_column]!r}, not a text.")
            logits = predict_texts(model, tokenizer, [row[text_column] for row in readable])
            for row in rows:
                row["predicted_label"] = row["predicted_score"] = None
            for row, prediction in zip(readable, format_predictions(logits, model.config), strict=True):
                row.update({f"predicted_{key}": value for key, value in prediction.items()})
            write(rows)
            count += len(rows)
            skipped += len(rows) - len(readable)
            progress.update(len(rows))
    return count, skipped


def windows(items: Iterable, size: int) -> Iterator[list]:
    """Consecutive lists of at most `size` items."""
    iterator = iter(items)
    while window := list(islice(iterator, size)):
        yield window


@contextmanager
def open_writer(path: str) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """
    Opens a table to write in windows of rows; an interrupted run leaves no half-written file behind.

    Args:
        path: File that ends in .csv, .tsv, .jsonl or .parquet.

    Yields:
        A function that appends rows.

    Raises:
        ValueError: The ending is another one.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".tsv", ".jsonl", ".parquet"):
        raise ValueError(f"{path} should end in .csv, .tsv, .jsonl or .parquet: the ending says how it is written.")
    partial = f"{path}.partial"
    table: pq.ParquetWriter | csv.DictWriter | None = None
    stream = None if suffix == ".parquet" else open(partial, "w", encoding="utf-8", newline="")  # noqa: SIM115

    def write(rows: list[dict[str, Any]]) -> None:
        nonlocal table
        if suffix == ".jsonl":
            stream.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        elif suffix == ".parquet":
            if table is None:
                schema = pa.Table.from_pylist(rows).schema
                # A column that starts without any value is taken for text.
                fields = [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema]
                table = pq.ParquetWriter(partial, pa.schema(fields))
            table.write_table(pa.Table.from_pylist(rows, schema=table.schema))
        else:
            if table is None:
                table = csv.DictWriter(stream, list(rows[0]), dialect="excel-tab" if suffix == ".tsv" else "excel")
                table.writeheader()
            for row in rows:
                table.writerow({k: ",".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()})

    try:
        yield write
        if isinstance(table, pq.ParquetWriter):
            table.close()
        if stream is not None:
            stream.close()
        os.replace(partial, path)
    finally:
        if stream is not None:
            stream.close()
        Path(partial).unlink(missing_ok=True)
