"""Predict the rows of a file and write them to another file, in constant memory."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import IterableDataset

from ..data import TEXT_COLUMNS, find_column, flatten_row, stream_file
from ..messages import progress_bar
from .columns import find_schema, predict_columns, prediction_types
from .writers import check_suffix, open_writer

# This many rows are read, sorted by length, scored and written at a time, which bounds the memory.
WINDOW = 2_048

Item = TypeVar("Item")


def predict_file(
    score: Callable[[list[str]], np.ndarray],
    config: Any,
    source: str | Path,
    target: str | Path,
    text_column: str | None = None,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    notes: list[str] | None = None,
) -> tuple[int, int]:
    """Copy a table and add the columns `predicted_label` and `predicted_score`, in constant memory.

    A label below its threshold is missing, as in [`format_predictions`], but its score is not. In multi-label
    classification, labels and scores are empty lists if no label reaches its threshold.

    The source is read twice: first to find all columns and their types, and to check the texts before anything is
    predicted. Every value of every row is kept. In a parquet file, whole numbers become fractions if other rows of the
    column have fractions, objects have the keys of all rows, and a column with values of several types becomes text. In
    csv and tsv files, lists and objects are written as JSON. In a jsonl file, each row keeps its own keys and types.

    Args:
        score: Computes the logits `(texts, num_labels)` of texts.
        config: The config of the classifier, with its label names, problem type and threshold.
        source: csv, tsv, json, jsonl, parquet or txt file.
        target: csv, tsv, jsonl or parquet file. It is created or replaced when all rows are written.
        text_column: Column of the texts; by default the one with a usual name.
        separator: Separator of the columns of a csv or tsv source; detected by default.
        encoding: Encoding of a text source; detected by default.
        notes: Sentences about a detected separator or encoding, columns with values of several types, texts
            without a label, and columns that the predictions replace, are added to this list.

    Returns:
        The number of rows, and how many of them have no text and therefore no prediction.

    Raises:
        FileNotFoundError: There is no such source, or no folder for the target.
        ValueError: The source or the target cannot be used; the message gives the reason.
    """
    source, target = str(source), str(target)
    if Path(target).exists() and Path(target).samefile(source):
        raise ValueError(f"{target} is the input file; choose another output file.")
    suffix = check_suffix(target)
    if not Path(target).parent.is_dir():
        raise FileNotFoundError(f"There is no folder {Path(target).parent} for the output file; create it.")
    rows = stream_file(source, flatten=False, separator=separator, encoding=encoding, notes=notes)
    schema, text_column, count, mixed = check_rows(rows, text_column, source)
    if mixed and notes is not None and suffix != ".jsonl":
        columns = ", ".join(map(repr, mixed))
        notes.append(f"Columns of {source} with values of several types are written as text: {columns}.")
    if notes is not None and (replaced := [name for name in prediction_types(config) if name in schema.names]):
        notes.append(f"Columns of {source} that the predictions replace: {', '.join(map(repr, replaced))}.")
    skipped = unlabelled = 0
    with (
        open_writer(target, _add_predictions(schema, config)) as write,
        progress_bar(total=count, unit="row", unit_scale=True) as progress,
    ):
        for window in windows(rows, WINDOW):
            texts = [flatten_row(row).get(text_column or "") for row in window]
            predicted = predict_columns(score, config, texts)
            for row, *values in zip(window, *predicted.values(), strict=True):
                row.update(zip(predicted, values, strict=True))
            write(window)
            skipped += texts.count(None)
            unlabelled += sum(not label for label in predicted["predicted_label"])
            progress.update(len(window))
    if notes is not None and unlabelled > skipped and config.problem_type != "regression":
        notes.append(f"Rows of {source} without a label, because none reaches its threshold: {unlabelled - skipped:,}.")
    return count, skipped


def check_rows(
    rows: IterableDataset, text_column: str | None, source: str
) -> tuple[pa.Schema, str | None, int, list[str]]:
    """Read a table once, in constant memory, and check its texts.

    Args:
        rows: The rows of the table.
        text_column: Column of the texts, if it is given.
        source: What messages call the table.

    Returns:
        The schema, the text column (`None` if there are no rows), the number of rows, and the columns with values of
        several types.

    Raises:
        ValueError: There is no text column, or it holds something that is not a text.
    """
    count = 0
    names: dict[str, None] = {}  # nested fields, too, with dotted names such as "ticket.subject"
    wrong: dict[str, tuple[int, Any]] = {}  # first row of each column with a value that is not a text

    def checked() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in rows:
            count += 1
            for name, value in flatten_row(row).items():
                names[name] = None
                if name not in wrong and not isinstance(value, str | None):
                    wrong[name] = (count, value)
            yield row

    schema, mixed = find_schema(checked())
    if Path(source).suffix.lower() == ".parquet":  # it declares its types
        schema, mixed = _read_schema(source), []
    if count == 0:
        return schema, None, count, mixed
    text_column = find_column(list(names), TEXT_COLUMNS, text_column, role="text", where=source)
    if text_column in wrong:
        number, value = wrong[text_column]
        raise ValueError(f"Column {text_column!r} of {source} holds {value!r} in row {number:,}, not a text.")
    return schema, text_column, count, mixed


def _read_schema(source: str) -> pa.Schema:
    """Return the columns of a parquet file with the types of their values."""
    fields = pq.read_schema(source)
    types = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in fields]
    return pa.schema(zip(fields.names, types, strict=True))


def _add_predictions(schema: pa.Schema, config: Any) -> pa.Schema:
    """Return the schema with the columns of the predictions; columns with these names are replaced."""
    types = {field.name: field.type for field in schema} | prediction_types(config)
    return pa.schema(types.items())


def windows(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield consecutive lists of at most `size` items."""
    iterator = iter(items)
    while window := list(islice(iterator, size)):
        yield window
