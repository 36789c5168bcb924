"""Turn a label column into label ids.

The steps, in the order in which `load_corpus` calls them:

1. [`select_labelled`] keeps the rows of a split that have a text and a label, and reads each label as a name: the class
   `"positive"`, the score `"2.5"`, or a list of names if a text can have several labels.
2. [`find_target`] decides from the names in the train split what is predicted, and puts the names in the order of their
   ids.
3. [`encode_rows`] replaces the names by ids, by 0/1 vectors, or by scores.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, Sequence, Value, concatenate_datasets

from ..messages import capitalize, format_count
from ..text import clean_text
from .tables import is_list, plain_type

# More distinct values than this, and more than half the number of rows: the column holds ids or texts, not labels.
MAX_DISTINCT_LABELS = 1000

# Labels in a text file that mean "no label". Lower-case "none" is not among them, because it is often a class.
MISSING_LABELS = ("", "NaN", "nan", "None", "null", "NULL", "<NA>")

PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

_WHOLE_NUMBER = re.compile(r"[-+]?\d+")

_INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)


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


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Args:
        problem_type: As in the model's config.
        names: Names of the labels in the order of their ids; the name of the column for a regression.
        is_vector: Whether the column holds a vector of 0 and 1 per row, not the names of labels.
    """

    problem_type: str
    names: tuple[str, ...]
    is_vector: bool = False

    @property
    def feature(self) -> Any:
        """The type of the encoded labels in a `Dataset`."""
        if self.problem_type == "single_label_classification":
            return ClassLabel(names=list(self.names))
        if self.problem_type == "multi_label_classification":
            return Sequence(Value("float32"), length=len(self.names))
        return Value("float32")

    def describe(self) -> str:
        """Return the target in words."""
        return {
            "single_label_classification": f"one of {len(self.names):,} classes",
            "multi_label_classification": f"any number of {len(self.names):,} labels",
            "regression": "scores (regression); if they are classes, set problem_type to single_label_classification",
        }[self.problem_type]


def select_labelled(
    rows: Dataset, text_column: str, label_column: str, where: str, notes: list[str], as_written: bool = False
) -> LabelledRows | None:
    """Keep the rows of a split that have a text and a label.

    Args:
        rows: A split as it was read.
        text_column: Name of its text column.
        label_column: Name of its label column.
        where: What messages call the split.
        notes: Sentences about skipped rows are added to this list.
        as_written: Keep numbers in strings as they are written: "1.0" and "1" are different labels.

    Returns:
        The complete rows, or `None` if no row of the split has a label.

    Raises:
        ValueError: A column is missing or has the wrong type, or no row has both a text and a label.
    """
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
    labels = _read_names(table[label_column], feature, f"Column {label_column!r} of {where}", as_written)
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
    if len(kept) < len(rows):
        texts, labels = texts.select(kept), labels.take(pa.array(kept))
    blank = pc.sum(pc.equal(pc.utf8_trim_whitespace(table[text_column].take(pa.array(kept))), "")).as_py()
    if blank:
        notes.append(f"Kept {format_count(blank, 'text')} of {where} with nothing but white space.")
    class_names = tuple(feature.names) if isinstance(feature, ClassLabel) else ()
    return LabelledRows(where, texts, labels, kept, class_names)


def _read_names(column: pa.ChunkedArray, feature: Any, where: str, as_written: bool) -> pa.Array:
    """Return a name, or a list of names, for each row; null where a label, or one in a list, is missing."""
    values = column.cast(plain_type(column.type)).combine_chunks()
    items = values.flatten() if is_list(values.type) else values
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_null)
    if not any(test(items.type) for test in kinds):
        raise ValueError(f"{where} holds {items.type}, not labels; set label_column to another.")
    # Each distinct value is converted once.
    distinct = items.dictionary_encode()
    names = pa.array([_name_of(value, feature, as_written) for value in distinct.dictionary.to_pylist()], pa.string())
    names = names.take(distinct.indices)
    if not is_list(values.type):
        return names
    incomplete = np.asarray(values.is_null())
    incomplete[np.asarray(pc.list_parent_indices(values))[np.asarray(names.is_null())]] = True
    ends = np.cumsum(np.asarray(pc.fill_null(pc.list_value_length(values), 0)), dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    return pa.ListArray.from_arrays(pa.array(offsets), names, mask=pa.array(incomplete))


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
    if _NUMBER.fullmatch(name) and not _WHOLE_NUMBER.fullmatch(name) and float(name).is_integer():
        return str(int(float(name)))
    return name


def _items(labels: pa.Array) -> pa.Array:
    return labels.flatten() if is_list(labels.type) else labels


def find_target(
    splits: dict[str, LabelledRows], label_column: str, name: str, problem_type: str | None = None
) -> Target:
    """Decide from the train split what is predicted.

    Args:
        splits: The labelled rows of each split.
        label_column: Name of the label column.
        name: What messages call the data.
        problem_type: The problem type, if it should not be inferred.

    Raises:
        ValueError: The labels have one class only, are lists of fractions, are different in nearly every row, or do not
            fit `problem_type`.
    """
    where, train = f"Column {label_column!r} of {name}", splits["train"]
    occurring = sorted(set(_items(train.labels).to_pylist()))
    if len(occurring) < 2:
        raise ValueError(f"{where} has one class only in the train split ({', '.join(occurring)}); two are needed.")
    # Lists with one label each, as in the format of fastText, are classes.
    is_multi_label = any(
        pc.any(pc.not_equal(pc.list_value_length(rows.labels), 1)).as_py()
        for rows in splits.values()
        if is_list(rows.labels.type)
    )
    inferred = "multi_label_classification" if is_multi_label else "single_label_classification"
    names = train.class_names or tuple(occurring)
    if not train.class_names and all(_NUMBER.fullmatch(label) or _INFINITE.fullmatch(label) for label in names):
        names = tuple(sorted(names, key=lambda label: (float(label), label)))
        if not all(_WHOLE_NUMBER.fullmatch(label) for label in names):
            inferred = "regression"
    problem_type = problem_type or inferred
    if problem_type == "single_label_classification" and is_multi_label:
        raise ValueError(f"{where} holds lists with several labels; problem_type must be multi_label_classification.")
    if problem_type == "regression":
        if is_list(train.labels.type):
            raise ValueError(f"{where} holds lists of fractions; a list must hold names or ids of labels.")
        return Target("regression", (label_column,))
    if not train.class_names and len(names) > max(MAX_DISTINCT_LABELS, len(train.labels) / 2):
        raise ValueError(
            f"{where} has {len(names):,} different values in {len(train.labels):,} rows, too many for classes; set "
            "label_column to another column."
        )
    if problem_type == "single_label_classification":
        return Target("single_label_classification", names)
    widths = pc.unique(pc.list_value_length(train.labels)).to_pylist() if is_list(train.labels.type) else []
    if occurring == ["0", "1"] and len(widths) == 1 and widths[0] > 1:
        return Target("multi_label_classification", tuple(map(str, range(widths[0]))), is_vector=True)
    return Target("multi_label_classification", names)


def similar_names(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the groups of label names that differ only in case or white space, such as `("Yes", "yes")`."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault("".join(name.casefold().split()), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def count_labels(rows: LabelledRows, target: Target) -> dict[str, int]:
    """Return the number of rows with each label of a classification."""
    if target.is_vector:
        sums = _encode_labels(rows, target).sum(0)  # (num_labels,)
        return {name: int(total) for name, total in zip(target.names, sums, strict=True)}
    counted = pc.value_counts(_items(rows.labels)).to_pylist()
    return dict.fromkeys(target.names, 0) | {pair["values"]: pair["counts"] for pair in counted}


def has_hidden_labels(rows: LabelledRows, target: Target) -> bool:
    """Return whether every label of a split is -1, which is how published test splits hide their labels."""
    return (
        target.problem_type != "regression"
        and "-1" not in target.names
        and pc.all(pc.equal(_items(rows.labels), "-1")).as_py()
    )


def encode_rows(rows: LabelledRows, target: Target) -> Dataset:
    """Return the clean texts with the encoded labels, as the columns `text` and `labels`.

    Args:
        rows: The labelled rows of a split.
        target: What is predicted; its `feature` is the type of the encoded labels.

    Raises:
        ValueError: A label does not occur in the train split; the message names the row.
    """
    texts = rows.texts.map(
        _clean_batch, batched=True, features=Features({"text": Value("string")}), desc="Reading texts"
    )
    labels = Dataset.from_dict({"labels": _encode_labels(rows, target)}, features=Features({"labels": target.feature}))
    return concatenate_datasets([texts, labels], axis=1)


def _clean_batch(batch: dict[str, list[str]]) -> dict[str, list[str]]:
    return {"text": [clean_text(text) for text in batch["text"]]}


def _encode_labels(rows: LabelledRows, target: Target) -> np.ndarray:
    """Return label ids or scores, `(rows,)`, or 0/1 vectors, `(rows, num_labels)`."""
    items, num_rows = _items(rows.labels), len(rows.labels)
    parents = pc.list_parent_indices(rows.labels) if is_list(rows.labels.type) else pa.array(range(num_rows))
    if target.problem_type == "regression":
        known = np.array([bool(_NUMBER.fullmatch(name)) for name in items.to_pylist()])
        _check_known(known, items, parents, rows, "is not a finite number; correct it or remove the row")
        return np.array([float(name) for name in items.to_pylist()], dtype=np.float32)
    if target.is_vector:
        widths = pc.list_value_length(rows.labels) if is_list(rows.labels.type) else pa.array([1])
        if not pc.all(pc.equal(widths, len(target.names))).as_py() or set(items.to_pylist()) - {"0", "1"}:
            raise ValueError(
                f"{capitalize(rows.where)} must have {len(target.names)} labels of 0 or 1 in every row, as train has."
            )
        return np.array(items.to_pylist(), dtype=np.float32).reshape(num_rows, len(target.names))
    ids = np.asarray(pc.fill_null(pc.index_in(items, pa.array(target.names, pa.string())), -1))
    _check_known(
        ids >= 0, items, parents, rows, "does not occur in the train split; correct it, or add such rows to train"
    )
    if target.problem_type == "single_label_classification":
        return ids.astype(np.int64)
    vectors = np.zeros((num_rows, len(target.names)), dtype=np.float32)
    vectors[np.asarray(parents), ids] = 1
    return vectors


def _check_known(known: np.ndarray, items: pa.Array, parents: pa.Array, rows: LabelledRows, problem: str) -> None:
    """Raise an error that names the first row whose label cannot be encoded."""
    if known.all():
        return
    first = int(np.argmin(known))
    row = int(rows.row_numbers[parents[first].as_py()]) + 1
    raise ValueError(f"{capitalize(rows.where)} has the label {items[first].as_py()!r} (row {row:,}), which {problem}.")
