"""Read the label column of a split as names.

Each label is read as a name: the class `"positive"`, the score `"2.5"`, or a list of names if a text can have several
labels. The module `targets` turns these names into ids.
"""

import ast
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetInfo, Features, Sequence, Value, concatenate_datasets

from ..messages import capitalize, format_count
from .tables import LABEL_COLUMNS, find_column, is_list, plain_type

# Labels in a text file that mean "no label". Lower-case "none" is not among them, because it is often a class.
MISSING_LABELS = ("", "NaN", "nan", "None", "null", "NULL", "<NA>")

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

WHOLE_NUMBER = re.compile(r"[-+]?\d+")

# Values of a column of 0 and 1 for one label, in lower case, and whether the label applies.
YES_NO_VALUES = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a split that have a text and a label.

    Args:
        where: What messages call the split.
        texts: The column `text`.
        labels: For each row a name, or a list of names.
        row_numbers: Position of each row in the split as it was read, `(rows,)`, for messages.
        class_names: Names of the classes in the order of their ids if the column is a `ClassLabel`, otherwise empty.
    """

    where: str
    texts: Dataset
    labels: pa.Array
    row_numbers: np.ndarray
    class_names: tuple[str, ...]

    @property
    def flat_labels(self) -> pa.Array:
        """The labels of all rows in one array of names."""
        return self.labels.flatten() if is_list(self.labels.type) else self.labels


@dataclass(frozen=True)
class Columns:
    """The text and the label column, and how the labels are written.

    Args:
        text: Name of the text column.
        label: Name of the label column.
        as_written: Keep numbers in strings as they are written: "1.0" and "1" are different labels.
        label_separator: Separator of the labels in a string such as "a|b", if a text can have several labels.
    """

    text: str
    label: str
    as_written: bool = False
    label_separator: str | None = None


def check_label_columns(column_names: list[str], label_columns: list[str], text_column: str, name: str) -> None:
    """Raise a `ValueError` if several label columns do not all exist, or are not distinct.

    Args:
        column_names: Names of all columns.
        label_columns: Names of the label columns.
        text_column: Name of the text column.
        name: What messages call the data.
    """
    for column in label_columns:
        find_column(column_names, LABEL_COLUMNS, column, role="label", where=name)
        if label_columns.count(column) > 1:
            raise ValueError(f"label_column names {column!r} {label_columns.count(column)} times; remove all but one.")
        if column == text_column:
            raise ValueError(f"Column {column!r} of {name} cannot be both the text and a label column.")


def join_label_columns(rows: Dataset, names: list[str], where: str) -> Dataset:
    """Replace label columns of 0 and 1 by one column with the list of the labels that apply.

    Args:
        rows: A split as it was read.
        names: The label columns, one per label. Their values are 0 and 1 or booleans, also as text.
        where: What messages call the split.

    Returns:
        The rows with the column `", ".join(names)` instead of these columns. A row has no label if one of its values is
        missing. A split that lacks one of the columns is returned unchanged.

    Raises:
        ValueError: A column has another value; the message names the row.
    """
    if not set(names) <= set(rows.column_names):
        return rows
    table = rows.select_columns(names).with_format("arrow")[:]
    applies = np.zeros((len(rows), len(names)), dtype=bool)
    missing = np.zeros(len(rows), dtype=bool)
    for position, name in enumerate(names):
        column = table[name].cast(plain_type(table[name].type)).combine_chunks().dictionary_encode()
        if column.null_count == len(column):
            missing[:] = True
            continue
        texts = [str(value).strip() for value in column.dictionary.to_pylist()]
        codes = np.asarray(pc.fill_null(column.indices, len(texts)))  # (rows,)
        absent = np.array([text in MISSING_LABELS for text in texts] + [True])
        known = [YES_NO_VALUES.get(text.lower()) for text in texts] + [None]
        invalid = ~absent & np.array([value is None for value in known])
        if invalid[codes].any():
            row = int(np.argmax(invalid[codes]))
            raise ValueError(
                f"Column {name!r} of {where} has the value {texts[codes[row]]!r} in row {row + 1:,}; each of several "
                "label columns must hold 0 and 1, or true and false."
            )
        applies[:, position] = np.array(known, dtype=bool)[codes]
        missing |= absent[codes]
    applies[missing] = False
    offsets = np.concatenate([[0], applies.sum(1).cumsum()]).astype(np.int32)
    ids = pa.array(np.nonzero(applies)[1])
    lists = pa.ListArray.from_arrays(pa.array(offsets), ids, mask=pa.array(missing))
    joined = ", ".join(names)
    features = Features({joined: Sequence(ClassLabel(names=names))})
    column = Dataset(pa.table({joined: lists}), info=DatasetInfo(features=features))
    return concatenate_datasets([rows.remove_columns(names), column], axis=1)


def select_labelled(rows: Dataset, columns: Columns, where: str, notes: list[str]) -> LabelledRows | None:
    """Keep the rows of a split that have a text and a label.

    Args:
        rows: A split as it was read.
        columns: Its text and label column.
        where: What messages call the split.
        notes: Sentences about skipped rows are added to this list.

    Returns:
        The complete rows, or `None` if no row of the split has a label.

    Raises:
        ValueError: A column is missing or has the wrong type, or no row has both a text and a label.
    """
    text_column, label_column = columns.text, columns.label
    start = capitalize(where)
    if label_column not in rows.column_names:
        notes.append(f"{start} has no column {label_column!r}; it is not used as labelled data.")
        return None
    if text_column not in rows.column_names:
        raise ValueError(f"{start} has no column {text_column!r}; its columns are: {', '.join(rows.column_names)}.")
    if text_column == label_column:
        raise ValueError(f"Column {text_column!r} of {where} cannot be both the text and the label column.")
    table = rows.select_columns([text_column, label_column]).with_format("arrow")[:]
    if plain_type(table[text_column].type) != pa.string():
        raise ValueError(
            f"Column {text_column!r} of {where} holds {table[text_column].type}, not text; set text_column to another."
        )
    feature = getattr(rows.features[label_column], "feature", rows.features[label_column])
    labels = _read_names(table[label_column], feature, columns, where)
    has_text, has_label = np.asarray(table[text_column].is_valid()), np.asarray(labels.is_valid())
    if not has_label.any():
        count = format_count(len(has_label), "row")
        notes.append(f"{start} ({count}) has no labels; it is not used as labelled data.")
        return None
    kept = np.flatnonzero(has_text & has_label)
    if not len(kept):
        raise ValueError(f"{start} has no row with both a text and a label.")
    for missing, noun in ((~has_text, "text"), (has_text & ~has_label, "label")):
        if missing.any():
            notes.append(f"Skipped {format_count(missing.sum(), 'row')} of {where} without a {noun}.")
    texts = rows.select_columns([text_column])
    texts = texts.rename_column(text_column, "text") if text_column != "text" else texts
    if texts.features["text"] != Value("string"):  # a `string_view` cannot be split into rows
        texts = texts.cast(Features({"text": Value("string")}))
    if len(kept) < len(rows):
        texts, labels = texts.select(kept), labels.take(pa.array(kept))
    blank = pc.sum(
        pc.equal(pc.utf8_trim_whitespace(table[text_column].cast(pa.string()).take(pa.array(kept))), "")
    ).as_py()
    if blank:
        notes.append(f"Kept {format_count(blank, 'text')} of {where} with nothing but white space.")
    class_names = tuple(feature.names) if isinstance(feature, ClassLabel) else ()
    return LabelledRows(where, texts, labels, kept, class_names)


def _read_names(column: pa.ChunkedArray, feature: Any, columns: Columns, where: str) -> pa.Array:
    """Return a name, or a list of names, for each row; null where a label, or one in a list, is missing."""
    values = _parse_lists(column.cast(plain_type(column.type)).combine_chunks(), columns.label_separator)
    if is_list(values.type) and values.null_count:
        values = pa.array(values.to_pylist(), values.type)  # Arrow allows items in a list that is null
    items = values.flatten() if is_list(values.type) else values
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_null)
    if not any(test(items.type) for test in kinds):
        raise ValueError(
            f"Column {columns.label!r} of {where} holds {items.type}, not labels; set label_column to another."
        )
    # Each distinct value is converted once.
    distinct = items.dictionary_encode()
    names = pa.array(
        [_name_of(value, feature, columns.as_written) for value in distinct.dictionary.to_pylist()], pa.string()
    )
    names = names.take(distinct.indices)
    if not is_list(values.type):
        return names
    incomplete = np.asarray(values.is_null())
    incomplete[np.asarray(pc.list_parent_indices(values))[np.asarray(names.is_null())]] = True
    ends = np.cumsum(np.asarray(pc.fill_null(pc.list_value_length(values), 0)), dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    return pa.ListArray.from_arrays(pa.array(offsets), names, mask=pa.array(incomplete))


def _parse_lists(values: pa.Array, label_separator: str | None) -> pa.Array:
    """Return lists for strings such as "['a', 'b']" if all of them are lists, or split them at the separator."""
    if not pa.types.is_string(values.type):
        return values
    if label_separator is not None:
        return pc.split_pattern(values, label_separator)
    distinct = values.dictionary_encode()
    texts = distinct.dictionary.to_pylist()
    if not texts or not all(text.strip().startswith("[") and text.strip().endswith("]") for text in texts):
        return values
    try:
        lists = pa.array([[str(item) for item in ast.literal_eval(text.strip())] for text in texts])
    except (ValueError, SyntaxError):
        return values
    return lists.take(distinct.indices)


def _name_of(value: Any, feature: Any, as_written: bool) -> str | None:
    """Return the name of a label value, the same for 1, 1.0 and "1.0", or `None` for a missing label.

    With `as_written`, the string "1.0" keeps its name.
    """
    if isinstance(feature, ClassLabel):
        return feature.int2str(value) if value is not None and value >= 0 else None
    if value is None or value != value:  # NaN is not equal to itself
        return None
    name = str(value).strip()
    if isinstance(value, str) and (name in MISSING_LABELS or as_written):
        return None if name in MISSING_LABELS else name
    if NUMBER.fullmatch(name) and not WHOLE_NUMBER.fullmatch(name) and float(name).is_integer():
        return str(int(float(name)))
    return name
