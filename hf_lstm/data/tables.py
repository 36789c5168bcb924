"""Convert DataFrames, datasets and lists of dictionaries to splits, and find their text and label columns."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, Sequence, Value

from ..messages import capitalize, one_line
from ..text import clean_text

TEXT_COLUMNS = ("text", "sentence", "review", "content", "question", "document", "comment", "tweet", "message", "body")

LABEL_COLUMNS = ("label", "labels", "sentiment", "category", "class", "target", "intent", "emotion", "topic", "score")

Rows = TypeVar("Rows", Dataset, IterableDataset)

TABLE_KINDS = (
    "a file, a folder, a Hub id, a Dataset, a DatasetDict, a pandas or polars DataFrame, a list of dictionaries, or a "
    "dictionary that maps the names of splits to such tables"
)


def name_source(data: Any) -> str:
    """Return what messages call the data: its path, "the DataFrame", "the bundled reviews" and so on."""
    if data is None:
        return "the bundled reviews"
    if isinstance(data, str | Path):
        return str(data)
    if isinstance(data, Mapping) and not isinstance(data, DatasetDict | IterableDatasetDict):
        return "the dictionary"
    return f"the {type(data).__name__}"


def convert_splits(data: Any, notes: list[str] | None = None) -> DatasetDict | IterableDatasetDict:
    """Convert tables in memory to splits.

    Args:
        data: One table, which becomes the split "train", or a dictionary that maps the names of splits to tables. A
            table is a `Dataset`, an `IterableDataset`, a pandas, polars or Arrow table, or a list of dictionaries.
        notes: Sentences about columns that become text or that cannot be read are added to this list.

    Returns:
        An `IterableDatasetDict` if one of the tables is an `IterableDataset`, otherwise a `DatasetDict`.

    Raises:
        TypeError: The data is something else.
        ValueError: Two columns have the same name.
    """
    name = name_source(data)
    notes = [] if notes is None else notes
    if not isinstance(data, Mapping):
        splits = {"train": _convert_table(data, name, notes)}
    elif not data:
        raise ValueError(f"{capitalize(name)} has no splits; pass at least 'train'.")
    else:
        splits = {
            str(split): _convert_table(table, f"the {split} split of {name}", notes) for split, table in data.items()
        }
    if any(isinstance(rows, IterableDataset) for rows in splits.values()):
        return IterableDatasetDict({split: as_iterable(rows) for split, rows in splits.items()})
    return DatasetDict(splits)


def as_iterable(rows: Dataset | IterableDataset) -> IterableDataset:
    """Return the rows as an `IterableDataset`."""
    return rows.to_iterable_dataset() if isinstance(rows, Dataset) else rows


def _convert_table(data: Any, where: str, notes: list[str]) -> Dataset | IterableDataset:
    if isinstance(data, Dataset | IterableDataset):
        return data
    pandas = sys.modules.get("pandas")
    if pandas and isinstance(data, pandas.DataFrame):
        columns = {str(name): data.iloc[:, position] for position, name in enumerate(data.columns)}
        _check_unique([str(name) for name in data.columns], where)
    elif isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
        names = dict.fromkeys(key for row in data for key in row)
        columns = {str(name): [row.get(name) for row in data] for name in names}
    elif hasattr(data, "__arrow_c_stream__") and (hasattr(data, "columns") or hasattr(data, "column_names")):
        # polars, pyarrow and other libraries export tables through this interface of Arrow.
        table = pa.table(data)
        _check_unique(table.column_names, where)
        columns = dict(zip(table.column_names, table.columns, strict=True))
    else:
        raise TypeError(f"{capitalize(where)} cannot be read as a table; pass {TABLE_KINDS}.")
    arrays = {name: _convert_column(column, name, where, notes) for name, column in columns.items()}
    return Dataset(pa.table({name: array for name, array in arrays.items() if array is not None}))


def _check_unique(names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{capitalize(where)} has several columns {name!r}; rename or drop all but one.")


def _convert_column(values: Any, name: str, where: str, notes: list[str]) -> pa.ChunkedArray | pa.Array | None:
    """Return an Arrow array of a type that `datasets` supports, or `None` if the values cannot be read."""
    try:
        if isinstance(values, pa.ChunkedArray):
            array = values
        else:
            sparse = hasattr(values, "sparse")  # a pandas column that Arrow cannot read
            array = pa.array(list(values) if sparse else values, from_pandas=True)
    except UnicodeEncodeError:  # a lone surrogate, which has no UTF-8 form
        array = pa.array([clean_text(value) if isinstance(value, str) else value for value in values], from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        kind = "null"
        for value in values:
            kind = merge_kinds(kind, kind_of(value))
        if kind in ("object", "null"):
            problem = f"its type cannot be read ({one_line(error)})"
            notes.append(f"Did not read column {name!r} of {where}; {problem}.")
            return None
        notes.append(f"Column {name!r} of {where} has values of several types; all its values are read as text.")
        array = pa.array([None if is_missing(value) else as_text(value) for value in values], pa.string())
    kind = plain_type(array.type)
    try:
        return array if kind == array.type else array.cast(kind)
    except pa.ArrowNotImplementedError:  # Arrow lacks this conversion, for example from a dictionary of `string_view`
        return pa.array(array.to_pylist(), kind)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the common type for a variant of it: `string` for `large_string`, `string_view` and a dictionary of these,
    `list` for all kinds of lists, and `float64` for decimals.
    """
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_decimal(kind):
        return pa.float64()
    if is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    return kind


# Types of columns by the kind of their values. "list:KIND" is a list of values of a kind, "object" a value that is not
# read, and "mixed" is for values of several kinds, which become text.
FEATURES = {"bool": "bool", "int64": "int64", "float64": "float64", "string": "string", "mixed": "string"}

KIND_NAMES = {"bool": "true or false", "int64": "whole numbers", "float64": "numbers", "string": "text"}


def is_missing(value: Any) -> bool:
    """Return whether a value is `None`, NaN, or a missing value of pandas."""
    return value is None or (not isinstance(value, str) and str(value) in ("nan", "<NA>", "NaT"))


def kind_of(value: Any) -> str:
    """Return the kind of a value; see `FEATURES`. The kind of a missing value is "null"."""
    if isinstance(value, np.generic):
        value = value.item()
    if is_missing(value):
        return "float64" if isinstance(value, float) else "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64" if -(2**63) <= value < 2**63 else "string"
    if isinstance(value, list):
        item = "null"
        for kind in map(kind_of, value):
            item = merge_kinds(item, kind)
        return "object" if item == "object" or item.startswith("list") else f"list:{item}"
    return {float: "float64", str: "string"}.get(type(value), "object")


def merge_kinds(first: str, second: str) -> str:
    """Return the kind that has room for the values of both kinds."""
    if first == second or second == "null":
        return first
    if first == "null":
        return second
    if {first, second} == {"int64", "float64"}:
        return "float64"
    if first.startswith("list:") and second.startswith("list:"):
        return "list:" + merge_kinds(first.removeprefix("list:"), second.removeprefix("list:"))
    return "object" if {first, second} == {"object", "list:null"} else "mixed"


def describe_kind(kind: str) -> str:
    """Return a kind in words."""
    return "lists of " + describe_kind(kind[5:]) if kind.startswith("list:") else KIND_NAMES.get(kind, "other values")


def feature_of(kind: str) -> Any:
    """Return the type of a column in a `Dataset`; a column without values is text."""
    if kind.startswith("list:"):
        return Sequence(feature_of(kind.removeprefix("list:")))
    return Value(FEATURES.get(kind, "string"))


def convert_value(value: Any, kind: str) -> Any:
    """Return a value in the type of a column of this kind."""
    if kind.startswith("list:"):
        return None if value is None else [convert_value(item, kind.removeprefix("list:")) for item in value]
    return value if kind in KIND_NAMES and kind != "string" else as_text(value)


def as_text(value: Any) -> str | None:
    """Return a value as text: strings unchanged, others as in JSON."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def is_list(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is one of the list types."""
    return any(
        test(kind)
        for test in (
            *(pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list),
            *(pa.types.is_list_view, pa.types.is_large_list_view),
        )
    )


def find_column(columns: list[str], usual: tuple[str, ...], wanted: str | None, *, role: str, where: str) -> str:
    """Find the text or label column of a table.

    Args:
        columns: Column names of the table.
        usual: Usual names in lower case; the first of them has priority over the others.
        wanted: The name that the user gave, if any.
        role: "text" or "label", for the message.
        where: What the message calls the table.

    Returns:
        The name of the column.

    Raises:
        ValueError: There is no such column, or more than one.
    """
    listed = ", ".join(columns)
    where = capitalize(where)
    if wanted is not None:
        if wanted not in columns:
            raise ValueError(f"{where} has no column {wanted!r}; its columns are: {listed}.")
        return wanted
    # The columns that prediction adds to a file are not labels to train on or to evaluate with.
    candidates = [column for column in columns if not column.startswith("predicted_")]
    found = [column for column in candidates if column.lower() in usual or column.lower().endswith(f"_{role}")]
    best = [column for column in found if column.lower() == usual[0]] or found
    if len(best) != 1:
        problem = f"several columns that may be the {role} column" if found else f"no column with a usual {role} name"
        raise ValueError(f"{where} has {problem}; set {role}_column. Its columns are: {listed}.")
    return best[0]


def select_texts(rows: Rows, text_column: str) -> Rows:
    """Return the texts as the only column `text`, without empty and blank ones."""
    rows = rows.select_columns([text_column]).rename_columns({text_column: "text"} if text_column != "text" else {})
    # The splits must have the same type before they can be concatenated.
    return rows.filter(lambda row: bool(row["text"] and row["text"].strip())).cast(Features({"text": Value("string")}))


def iterate_texts(rows: Dataset) -> Iterator[str]:
    """Yield the texts of a split without loading all of them into memory."""
    for batch in rows.select_columns("text").iter(batch_size=1000):
        yield from batch["text"]
