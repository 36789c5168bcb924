"""The columns of a table with types that hold every value without loss, and the columns of the predictions."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .prediction import format_predictions

# Whole numbers up to this one are exact in double precision.
MAX_EXACT_FLOAT = 2**53

# Objects with more distinct keys than this are maps from keys to values, which an Arrow struct does not suit.
MAX_FIELDS = 1_000

Row = Mapping[str, Any]


class ValueTypes:
    """The Python types of the values of a column, found one value at a time in constant memory."""

    def __init__(self) -> None:
        self.kinds: set[type] = set()
        self.lowest = self.highest = 0
        self.items: ValueTypes | None = None
        self.fields: dict[str, ValueTypes] = {}

    def add(self, value: Any) -> None:
        """Take a value into account; `None` fits every type."""
        if value is None:
            return
        kind = type(value)
        self.kinds.add(kind)
        if kind is int:
            self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
        elif kind is list:
            self.items = self.items or ValueTypes()
            for item in value:
                self.items.add(item)
        elif kind is dict:
            for name, item in value.items():
                if name in self.fields or len(self.fields) <= MAX_FIELDS:
                    self.fields.setdefault(name, ValueTypes()).add(item)

    def arrow_type(self) -> pa.DataType | None:
        """Return the Arrow type that holds all values without loss, or `None` if only text does."""
        if not self.kinds:
            return pa.string()
        if self.kinds == {int, float}:
            return pa.float64() if max(-self.lowest, self.highest) <= MAX_EXACT_FLOAT else None
        if len(self.kinds) > 1:
            return None
        kind = next(iter(self.kinds))
        if kind is int:
            signed = self.lowest >= -(2**63) and self.highest < 2**63
            unsigned = self.lowest >= 0 and self.highest < 2**64
            return pa.int64() if signed else pa.uint64() if unsigned else None
        if kind is list and self.items is not None:
            item = self.items.arrow_type()
            return None if item is None else pa.list_(item)
        if kind is dict:
            types = {name: values.arrow_type() for name, values in self.fields.items()}
            # A parquet file cannot hold an object without keys.
            return None if None in types.values() or not 0 < len(types) <= MAX_FIELDS else pa.struct(types.items())
        return {bool: pa.bool_(), float: pa.float64(), str: pa.string()}.get(kind)


def find_schema(rows: Iterable[Row]) -> tuple[pa.Schema, list[str]]:
    """Return the columns of all rows with types that hold every value without loss.

    Whole numbers and fractions become `float64`. Values of several types, such as numbers and strings, become text, as
    do whole numbers of more than 64 bits and objects without keys.

    Args:
        rows: Rows with values as in JSON. They are read once and not kept. Not every row needs to have every key.

    Returns:
        The schema, with the columns in the order in which they first occur, and the names of the columns whose values
        of several types become text.
    """
    columns: dict[str, ValueTypes] = {}
    for row in rows:
        for name, value in row.items():
            if name not in columns:
                columns[name] = ValueTypes()
            columns[name].add(value)
    types = {name: values.arrow_type() for name, values in columns.items()}
    schema = pa.schema([(name, pa.string() if kind is None else kind) for name, kind in types.items()])
    return schema, [name for name, kind in types.items() if kind is None]


def as_text(value: Any) -> str | None:
    """Return a string as it is, `None` for `None`, and any other value as JSON."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace").decode()  # a lone surrogate has no UTF-8 form


def prediction_types(config: Any) -> dict[str, pa.DataType]:
    """Return the types of the columns that prediction adds to a table.

    Args:
        config: The config of the model.
    """
    several = config.problem_type == "multi_label_classification"
    vector = several or (config.problem_type == "regression" and config.num_labels > 1)
    return {
        "predicted_label": pa.list_(pa.string()) if several else pa.string(),
        "predicted_score": pa.list_(pa.float64()) if vector else pa.float64(),
    }


def predict_columns(
    score: Callable[[list[str]], np.ndarray], config: Any, texts: Sequence[str | None]
) -> dict[str, list[Any]]:
    """Return the columns that prediction adds to a table; see [`format_predictions`].

    Args:
        score: Computes the logits `(texts, num_labels)` of texts.
        config: The config of the model.
        texts: The texts of the rows. A missing text has neither a label nor a score.
    """
    logits = score([text for text in texts if text is not None])
    predictions = iter(format_predictions(logits, config))
    rows = [{} if text is None else next(predictions) for text in texts]
    return {f"predicted_{name}": [row.get(name) for row in rows] for name in ("label", "score")}
