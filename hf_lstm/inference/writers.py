"""Write rows to csv, tsv, jsonl and parquet files, with every value unchanged."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .columns import Row, as_text

Rows = Sequence[Row]


class _JsonLinesWriter:
    """Every row keeps its own keys and types, so that the schema is not needed."""

    def __init__(self, path: str, schema: pa.Schema):
        # A lone surrogate, which has no UTF-8 form, can only be in a nested value.
        self.file = open(path, "w", encoding="utf-8", errors="replace")  # noqa: SIM115

    def write(self, rows: Rows) -> None:
        self.file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)

    def close(self) -> None:
        self.file.close()


class _CsvWriter:
    """Numbers are written as they are, and lists and objects as JSON."""

    dialect = "excel"

    def __init__(self, path: str, schema: pa.Schema):
        self.file = open(path, "w", encoding="utf-8", errors="replace", newline="")  # noqa: SIM115
        self.table = csv.DictWriter(self.file, schema.names, dialect=self.dialect)
        self.table.writeheader()

    def write(self, rows: Rows) -> None:
        for row in rows:
            self.table.writerow(
                {name: as_text(value) if isinstance(value, list | dict) else value for name, value in row.items()}
            )

    def close(self) -> None:
        self.file.close()


class _TsvWriter(_CsvWriter):
    dialect = "excel-tab"


class _ParquetWriter:
    """The columns have the types of the schema; other values in a text column are written as JSON."""

    def __init__(self, path: str, schema: pa.Schema):
        self.table = pq.ParquetWriter(path, schema)

    def write(self, rows: Rows) -> None:
        columns = [
            pa.array([_convert(row.get(field.name), field.type) for row in rows], field.type)
            for field in self.table.schema
        ]
        self.table.write_table(pa.Table.from_arrays(columns, schema=self.table.schema))

    def close(self) -> None:
        self.table.close()


def _convert(value: Any, kind: pa.DataType) -> Any:
    """Return a value in the form that Arrow accepts for a type; it does not convert to text by itself."""
    if pa.types.is_string(kind):
        return as_text(value)
    if pa.types.is_floating(kind) and isinstance(value, int):
        return float(value)
    if pa.types.is_list(kind) and isinstance(value, list):
        return [_convert(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind) and isinstance(value, dict):
        return {field.name: _convert(value.get(field.name), field.type) for field in kind}
    return value


_WRITERS: dict[str, type[_JsonLinesWriter | _CsvWriter | _ParquetWriter]] = {
    ".csv": _CsvWriter,
    ".tsv": _TsvWriter,
    ".jsonl": _JsonLinesWriter,
    ".parquet": _ParquetWriter,
}

# Suffixes of the files to which a table can be written.
SUFFIXES = tuple(_WRITERS)


def check_suffix(path: str) -> str:
    """Return the suffix of a file in lower case, or raise a `ValueError` if no table can be written to it."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path} must end in {', '.join(SUFFIXES)}; the suffix selects the format of the output.")
    return suffix


@contextmanager
def open_writer(path: str, schema: pa.Schema) -> Iterator[Callable[[Rows], None]]:
    """Open a table to which rows are written. The file appears only when the block ends without an error.

    Args:
        path: File that ends in .csv, .tsv, .jsonl or .parquet.
        schema: The columns of the rows, and their types in a parquet file; see [`find_schema`].

    Yields:
        A function that appends rows. A row does not need to have every column.

    Raises:
        ValueError: The path has another suffix.
    """
    suffix = check_suffix(path)
    partial = f"{path}.partial"
    try:
        writer = _WRITERS[suffix](partial, schema)
        try:
            yield writer.write
        finally:
            writer.close()
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)
