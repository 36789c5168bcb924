"""Convert DataFrames, datasets and lists of dictionaries to splits, and find their text and label columns."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, Value

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


def convert_splits(data: Any) -> DatasetDict | IterableDatasetDict:
    """Convert tables in memory to splits.

    Args:
        data: One table, which becomes the split "train", or a dictionary that maps the names of splits to tables. A
            table is a `Dataset`, an `IterableDataset`, a pandas, polars or Arrow table, or a list of dictionaries.

    Returns:
        An `IterableDatasetDict` if one of the tables is an `IterableDataset`, otherwise a `DatasetDict`.

    Raises:
        TypeError: The data is something else.
        ValueError: A column has values of several types or of a type that cannot be read.
    """
    name = name_source(data)
    if not isinstance(data, Mapping):
        splits = {"train": _convert_table(data, name)}
    elif not data:
        raise ValueError(f"{capitalize(name)} has no splits; pass at least 'train'.")
    else:
        splits = {str(split): _convert_table(table, f"the {split} split of {name}") for split, table in data.items()}
    if any(isinstance(rows, IterableDataset) for rows in splits.values()):
        return IterableDatasetDict({split: as_iterable(rows) for split, rows in splits.items()})
    return DatasetDict(splits)


def as_iterable(rows: Dataset | IterableDataset) -> IterableDataset:
    """Return the rows as an `IterableDataset`."""
    return rows.to_iterable_dataset() if isinstance(rows, Dataset) else rows


def _convert_table(data: Any, where: str) -> Dataset | IterableDataset:
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
    return Dataset(pa.table({name: _convert_column(column, name, where) for name, column in columns.items()}))


def _check_unique(names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{capitalize(where)} has several columns {name!r}; rename or drop all but one.")


def _convert_column(values: Any, name: str, where: str) -> pa.ChunkedArray | pa.Array:
    """Return an Arrow array of a type that `datasets` supports."""
    try:
        if isinstance(values, pa.ChunkedArray):
            array = values
        else:
            sparse = hasattr(values, "sparse")  # a pandas column that Arrow cannot read
            array = pa.array(list(values) if sparse else values, from_pandas=True)
    except UnicodeEncodeError:  # a lone surrogate, which has no UTF-8 form
        array = pa.array([clean_text(value) if isinstance(value, str) else value for value in values], from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ValueError(
            f"Column {name!r} of {where} mixes types or has a type that cannot be read ({one_line(error)}); give all "
            "its rows the same type, or drop the column."
        ) from None
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
