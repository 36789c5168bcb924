"""What the columns of a raw corpus mean: which rows are complete, what the labels are, and as which ids."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from ..messages import capitalize, format_count
from ..text import clean_text

# More classes than this, and more than half as many as there are rows: an id or a free text, not a label.
MAX_DISTINCT_LABELS = 1000

_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")

_WHOLE_NUMBER = re.compile(r"[-+]?\d+")


@dataclass(frozen=True)
class LabelledTable:
    """The complete rows of a split."""

    rows: Dataset  # columns text and labels, nothing missing
    labels: pa.Array  # the label column as found
    kept: np.ndarray  # index of each row in the split as read


def complete_rows(
    rows: Dataset, text_column: str, label_column: str, where: str
) -> tuple[LabelledTable | None, list[str]]:
    """Drops the rows that lack a text or a label, and says how many.

    Args:
        rows: A split as read.
        text_column: Name of its text column.
        label_column: Name of its label column.
        where: What the split is called in a message.

    Returns:
        The complete rows, or None where none has a label, and a note for each thing that was put aside.

    Raises:
        ValueError: A column is missing or holds something else, or no row is complete.
    """
    if label_column not in rows.column_names:
        return None, [f"{capitalize(where)} has no column {label_column!r}; put aside as unlabelled."]
    if text_column not in rows.column_names:
        raise ValueError(
            f"{capitalize(where)} has no column {text_column!r}; its columns are: {', '.join(rows.column_names)}."
        )
    kind = getattr(rows.features[text_column], "dtype", "a list")
    if kind not in ("string", "large_string"):
        raise ValueError(
            f"Column {text_column!r} of {where} holds {kind}, not text; name the right one as text_column."
        )
    if text_column == label_column:
        raise ValueError(f"Column {text_column!r} of {where} cannot be both text and label.")
    rows = rows.select_columns([text_column, label_column]).rename_columns(
        {text_column: "text", label_column: "labels"}
    )
    table = rows.with_format("arrow")[:]
    no_text = np.asarray(table["text"].is_null())
    no_label = _missing_labels(table["labels"].combine_chunks(), rows.features["labels"])
    if no_label.all():
        return None, [
            f"{capitalize(where)} ({format_count(len(no_label), 'row')}) has no labels; put aside as unlabelled."
        ]
    notes = []
    if no_text.any():
        notes.append(f"Skipped {format_count(no_text.sum(), 'row')} of {where} without a text.")
    if (no_label & ~no_text).any():
        notes.append(f"Skipped {format_count((no_label & ~no_text).sum(), 'row')} of {where} without a label.")
    kept = np.flatnonzero(~(no_text | no_label))
    if not len(kept):
        raise ValueError(f"{capitalize(where)} has no row with both a text and a label.")
    if len(kept) < len(rows):
        rows, table = rows.select(kept), table.take(kept)
    blank = pc.sum(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(table["text"])), 0)).as_py()
    if blank:
        notes.append(f"Kept {format_count(blank, 'text')} of {where} with nothing but white space.")
    return LabelledTable(rows, table["labels"].combine_chunks(), kept), notes


def _item_feature(feature: Any) -> Any:
    return getattr(feature, "feature", feature)


def _items(labels: pa.Array) -> pa.Array:
    return labels.flatten() if _is_list(labels.type) else labels


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _missing_labels(labels: pa.Array, feature: Any) -> np.ndarray:
    """Marks the rows whose label, or any of whose labels, is null, NaN, an empty string or the -1 of a `ClassLabel`."""
    missing = np.asarray(labels.is_null())
    items = _items(labels)
    absent = np.asarray(items.is_null(nan_is_null=True))
    if isinstance(_item_feature(feature), ClassLabel):
        absent = absent | np.asarray(pc.fill_null(pc.less(items, 0), False))
    elif pa.types.is_string(items.type) or pa.types.is_large_string(items.type):
        absent = absent | np.asarray(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(items), ""), False))
    if not _is_list(labels.type):
        return missing | absent
    missing[np.asarray(pc.list_parent_indices(labels))[absent]] = True
    return missing


def _label_name(value: Any) -> str:
    """One name for the same label in any type: 1, 1.0 and "1.0" are "1"."""
    name = str(value).strip()
    if _NUMBER.fullmatch(name) and not _WHOLE_NUMBER.fullmatch(name) and float(name).is_integer():
        return str(int(float(name)))
    return name


def _names_of(table: LabelledTable) -> dict[Any, str]:
    """Maps each label value that occurs to its name."""
    feature = _item_feature(table.rows.features["labels"])
    values = pc.unique(_items(table.labels)).to_pylist()
    return {
        value: feature.int2str(value) if isinstance(feature, ClassLabel) else _label_name(value) for value in values
    }


@dataclass(frozen=True)
class Target:
    """What is to be predicted: the problem type of the model's config and the names of the labels."""

    problem_type: str
    names: tuple[str, ...] = ()
    multi_hot: bool = False  # the column holds 0/1 vectors already


def find_target(tables: dict[str, LabelledTable], where: str) -> Target:
    """Decides from the train split what is to be predicted.

    Raises:
        ValueError: The column holds no labels, one class only, or a different one in nearly every row.
    """
    train = tables["train"]
    feature, labels = train.rows.features["labels"], train.labels
    kind = _items(labels).type
    if not any(test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean,
                                       pa.types.is_string, pa.types.is_large_string)):  # fmt: skip
        raise ValueError(f"{capitalize(where)} holds {kind}, not labels; name the right one as label_column.")
    occurring = set(_names_of(train).values())
    if len(occurring) < 2:
        raise ValueError(
            f"{capitalize(where)} has one class only in the train split ({', '.join(occurring)}); two are needed."
        )
    numeric = all(_NUMBER.fullmatch(name) for name in occurring)
    is_list = _is_list(labels.type)
    if isinstance(_item_feature(feature), ClassLabel):
        names = tuple(_item_feature(feature).names)
    else:
        names = tuple(sorted(occurring, key=lambda name: (float(name), name) if numeric else name))
        if numeric and not all(_WHOLE_NUMBER.fullmatch(name) for name in names):
            if is_list:
                raise ValueError(
                    f"{capitalize(where)} holds lists of fractions; a list must hold the names or ids of labels."
                )
            return Target("regression")
        if len(names) > max(MAX_DISTINCT_LABELS, len(train.kept) / 2):
            raise ValueError(
                f"{capitalize(where)} has {len(names):,} different values in {len(train.kept):,} rows, too many for "
                "classes; name the right one as label_column."
            )
    # Lists of one label each, as the format of fastText gives them, are plain classes.
    if not is_list or all(pc.all(pc.equal(pc.list_value_length(table.labels), 1)).as_py() for table in tables.values()
                          if _is_list(table.labels.type)):  # fmt: skip
        return Target("single_label_classification", names)
    widths = pc.unique(pc.list_value_length(labels)).to_pylist()
    if occurring == {"0", "1"} and len(widths) == 1:
        return Target("multi_label_classification", tuple(map(str, range(widths[0]))), multi_hot=True)
    return Target("multi_label_classification", names)


def label_ids(table: LabelledTable, target: Target, where: str) -> dict[Any, Any] | None:
    """Maps each label value that occurs in a split to its id (regression: its score); None if all of them are -1."""
    names = _names_of(table)
    if target.problem_type == "regression":
        ids = {value: float(name) for value, name in names.items() if _NUMBER.fullmatch(name)}
    elif target.multi_hot:
        width = pc.list_value_length(table.labels)
        if not pc.all(pc.equal(width, len(target.names))).as_py() or not {*names.values()} <= {"0", "1"}:
            raise ValueError(
                f"{capitalize(where)} must have {len(target.names)} labels of 0 or 1 in every row, as train has."
            )
        return {}
    else:
        position = {name: index for index, name in enumerate(target.names)}
        ids = {value: position[name] for value, name in names.items() if name in position}
    unknown = [value for value in names if value not in ids]
    if unknown and {*names.values()} == {"-1"}:
        return None
    if unknown:
        first = pc.index(_items(table.labels), unknown[0]).as_py()
        if _is_list(table.labels.type):
            first = pc.list_parent_indices(table.labels)[first].as_py()
        raise ValueError(
            f"{capitalize(where)} has the label {names[unknown[0]]!r} (row {table.kept[first] + 1:,}), which the train "
            "split does not have; correct it, or add such rows to train."
        )
    return ids


def encode_rows(table: LabelledTable, ids: dict[Any, Any], target: Target) -> Dataset:
    """Cleans the text and turns labels into ids, 0/1 vectors or scores."""
    kinds = {
        "single_label_classification": ClassLabel(names=list(target.names)),
        "multi_label_classification": Sequence(Value("float32"), length=len(target.names)),
        "regression": Value("float32"),
    }
    return table.rows.map(
        _encode_batch,
        batched=True,
        # A list of pairs, as the keys of a mapping may be of any type.
        fn_kwargs={"ids": list(ids.items()), "target": target},
        features=Features({"text": Value("string"), "labels": kinds[target.problem_type]}),
        desc="Reading labels",
    )


def _encode_batch(batch: dict[str, list], ids: list[tuple[Any, Any]], target: Target) -> dict[str, Any]:
    ids = dict(ids)
    labels = batch["labels"]
    if target.multi_hot:
        labels = np.asarray(labels, dtype=np.float32)
    elif target.problem_type == "multi_label_classification":
        rows, labels = labels, np.zeros((len(labels), len(target.names)), dtype=np.float32)
        for vector, row in zip(labels, rows, strict=True):
            vector[[ids[value] for value in row]] = 1
    else:
        labels = [ids[value[0] if isinstance(value, list) else value] for value in labels]
    return {"text": [clean_text(text) for text in batch["text"]], "labels": labels}
