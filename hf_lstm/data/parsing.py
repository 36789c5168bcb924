"""Parse the rows of csv, tsv, json, jsonl, txt and xlsx files, with errors that name the line."""

import csv
import datetime
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from typing import IO, Any

from ..text import clean_text
from .formats import FileError, TextFormat, format_suffix, open_text, open_workbook

# The default limit of a field, 128 kB, is too short for documents.
csv.field_size_limit(2**31 - 1)

Row = dict[str, Any]


def parse_file(file_format: TextFormat, *, labelled: bool = True) -> Iterator[Row]:
    """Yield the rows of a file.

    Args:
        file_format: The file and how it is read.
        labelled: Whether the lines of a txt file start with `__label__` marks; otherwise each line is a text.

    Raises:
        ValueError: A row cannot be parsed; the message names its line.
    """
    suffix = format_suffix(file_format.name)
    if suffix == ".xlsx":
        yield from map(clean_row, _parse_sheet(file_format.name))
        return
    with open_text(file_format) as file:
        if suffix in (".csv", ".tsv"):
            rows = _parse_table(file, file_format)
        elif suffix == ".txt":
            rows = _parse_lines(file, file_format.name, labelled)
        elif (objects := _parse_document(file, file_format.name)) is not None:
            rows = iter(objects)
        else:
            rows = _parse_json_lines(file_format)
        for row in rows:
            yield clean_row(row)


def clean_row(row: Row) -> Row:
    """Return the row with clean texts; see [`clean_text`]."""
    return {key: _clean(value) for key, value in row.items()}


def flatten_row(row: Row, prefix: str = "") -> Row:
    """Return the row with dotted names for nested fields, such as "ticket.subject"."""
    flat: Row = {}
    for key, value in row.items():
        nested = isinstance(value, dict) and value  # an empty object has no fields
        flat |= flatten_row(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _parse_table(file: Iterable[str], file_format: TextFormat) -> Iterator[Row]:
    """Yield the rows of a csv or tsv file. All values are strings; the fields that a row lacks are `None`."""
    name = file_format.name
    quoting: Any = csv.QUOTE_MINIMAL if file_format.is_quoted else csv.QUOTE_NONE
    # `strict` turns quotes that are not closed into errors; otherwise the rows after them become part of the field.
    reader = csv.reader(file, delimiter=file_format.separator, quoting=quoting, strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileError(
                f"{name}, line {line}: the quotes of this row are not closed, or quotes inside them are not doubled "
                f"({error}); correct the row."
            ) from None
        if not fields:
            continue
        if header is None:
            header = _name_columns(fields, name)
            continue
        if any(fields[len(header) :]):
            raise FileError(
                f"{name}, line {line} has {len(fields)} fields, but the header has {len(header)}; enclose fields that "
                "contain the separator in quotes."
            )
        yield {column: fields[index] if index < len(fields) else None for index, column in enumerate(header)}


def _name_columns(fields: list[str], name: str) -> list[str]:
    header = [field.strip() or f"column {number}" for number, field in enumerate(fields, 1)]
    for column in header:
        if header.count(column) > 1:
            raise FileError(f"{name} has several columns {column!r}; rename or remove all but one.")
    return header


def _parse_sheet(name: str) -> Iterator[Row]:
    """Yield the rows of the first sheet of an xlsx file; its first row is the header. Empty rows are skipped."""
    header: list[str] | None = None
    with open_workbook(name) as workbook:
        for cells in workbook.worksheets[0].iter_rows(values_only=True):
            if all(cell is None for cell in cells):
                continue
            if header is None:
                used = max(number for number, cell in enumerate(cells, 1) if cell is not None)
                header = _name_columns(["" if cell is None else str(cell) for cell in cells[:used]], name)
                continue
            yield {column: _cell_value(cell) for column, cell in zip_longest(header, cells[: len(header)])}


def _cell_value(cell: Any) -> Any:
    """Return dates and times as text in ISO format."""
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, datetime.timedelta) else cell


def _parse_lines(file: Iterable[str], name: str, labelled: bool) -> Iterator[Row]:
    """Yield the lines of a txt file in the format of fastText: `__label__NAME`, possibly several times, then a text."""
    for number, line in enumerate(file, 1):
        line = line.rstrip("\r\n")
        marks = re.match(r"(?:__label__\S+(?:\s+|$))*", line)
        end = marks.end() if marks else 0
        labels, text = [mark.removeprefix("__label__") for mark in line[:end].split()], line[end:]
        if not labelled:
            yield {"text": text}
        elif labels:
            yield {"text": text, "labels": labels}
        elif text.strip():
            raise FileError(
                f"{name}, line {number}: expected a label before the text, such as '__label__positive I liked it'."
            )


def _parse_document(file: IO[str], name: str) -> list[Row] | None:
    """Return the rows of a JSON document, or `None` if the file holds JSON lines.

    The document is a list of objects, or one object of columns: `{"column": [value, ...], ...}`, or as
    `DataFrame.to_json` writes it `{"column": {"row": value, ...}, ...}`.
    """
    first = next((line for line in file if line.strip()), "")
    if first.lstrip().startswith("["):
        rows = json.loads(first + file.read())
        for number, row in enumerate(rows, 1):
            _check_object(row, f"{name}, item {number}")
        return rows
    try:
        columns = json.loads(first)
        if any(line.strip() for line in file):
            return None
    except ValueError:
        try:
            columns = json.loads(first + file.read())  # one object on several lines
        except ValueError:
            return None
    if not isinstance(columns, dict) or len(columns) < 2:
        return None
    if format_suffix(name) == ".json":  # in a file of JSON lines, it is one row with lists
        columns = {column: dict(enumerate(c)) if isinstance(c, list) else c for column, c in columns.items()}
    is_table = all(isinstance(column, dict) for column in columns.values())
    keys = dict.fromkeys(chain.from_iterable(columns.values())) if is_table else {}
    if not keys or any(set(column) != set(keys) for column in columns.values()):
        return None
    return [{name: column[key] for name, column in columns.items()} for key in keys]


def _parse_json_lines(file_format: TextFormat) -> Iterator[Row]:
    with open_text(file_format) as file:
        for number, line in enumerate(file, 1):
            where = f"{file_format.name}, line {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise FileError(
                    f"{where} is not JSON ({error}); write one object per line, or one list of objects."
                ) from None
            _check_object(row, where)
            yield row


def _check_object(row: Any, where: str) -> None:
    if not isinstance(row, dict):
        raise FileError(f'{where}: expected an object such as {{"text": "I liked it", "label": "positive"}}.')
