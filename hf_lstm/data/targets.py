"""Determine the problem type and the label names of a corpus, and encode the labels as numbers.

[`find_target`] sorts the label names of the train split; their positions are the label ids. [`encode_rows`] replaces
the names by ids, by 0/1 vectors or by scores.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, Sequence, Value, concatenate_datasets

from ..messages import capitalize
from ..text import clean_text
from .labels import NUMBER, WHOLE_NUMBER, LabelledRows
from .tables import is_list

# A column with more distinct values than this, and than half the number of rows, has ids or texts, not labels.
MAX_DISTINCT_LABELS = 1000

# A number with a fraction or a percent sign, also with a decimal comma or with separators between thousands.
_FRACTION = re.compile(r"[-+]?(\d{1,3}([,.' ]\d{3})+|\d*)([.,]\d+\s*%?|\d\s*%)")

_INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """Problem type and labels of a corpus.

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


def find_target(
    splits: dict[str, LabelledRows], label_column: str, name: str, problem_type: str | None = None, min_classes: int = 2
) -> Target:
    """Determine the problem type and the label names from the train split.

    Args:
        splits: The labelled rows of each split.
        label_column: Name of the label column.
        name: What messages call the data.
        problem_type: The problem type, if it should not be inferred.
        min_classes: Number of different labels that the train split must have.

    Raises:
        ValueError: The labels have one class only, are lists of fractions, are different in nearly every row, or do not
            fit `problem_type`.
    """
    where, train = f"Column {label_column!r} of {name}", splits["train"]
    occurring = sorted(set(train.flat_labels.to_pylist()))
    if len(occurring) < min_classes:
        raise ValueError(f"{where} has one class only in the train split ({', '.join(occurring)}); two are needed.")
    # Lists with one label each, as in the format of fastText, are classes.
    is_multi_label = any(
        pc.any(pc.not_equal(pc.list_value_length(rows.labels), 1)).as_py()
        for rows in splits.values()
        if is_list(rows.labels.type)
    )
    inferred = "multi_label_classification" if is_multi_label else "single_label_classification"
    names = train.class_names or tuple(occurring)
    if not train.class_names and all(NUMBER.fullmatch(label) or _INFINITE.fullmatch(label) for label in names):
        names = tuple(sorted(names, key=lambda label: (float(label), label)))
        if not all(WHOLE_NUMBER.fullmatch(label) for label in names):
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
    if not train.class_names and occurring == ["0", "1"] and len(widths) == 1 and widths[0] > 1:
        return Target("multi_label_classification", tuple(map(str, range(widths[0]))), is_vector=True)
    return Target("multi_label_classification", names)


def similar_names(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the groups of label names that differ only in case or white space, such as `("Yes", "yes")`."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault("".join(name.casefold().split()), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def describe_numbers(train: LabelledRows, target: Target) -> list[str]:
    """Return a sentence if most classes are numbers with a fraction, so that the labels are rather scores.

    They are classes because at least one label is no plain number, such as "3,5", "45.2%" or "n/a".
    """
    fractions = [name for name in target.names if _FRACTION.fullmatch(name)]
    if target.problem_type != "single_label_classification" or 2 * len(fractions) <= len(target.names):
        return []
    labels = train.flat_labels.to_pylist()
    position = next((i for i, label in enumerate(labels) if not NUMBER.fullmatch(label)), None)
    if position is None:  # the user has set the problem type
        return []
    row = int(train.row_numbers[position]) + 1
    return [
        f"Most labels look like scores, but {labels[position]!r} (row {row:,} of train) is not a number such as 3.5, "
        "so all are read as classes; write numbers for a regression."
    ]


def describe_scores(train: Dataset) -> str:
    """Return a sentence about the training scores of a regression."""
    scores = np.array(train["labels"][:], dtype=np.float64).reshape(len(train), -1)  # (rows, num_labels)
    moments = zip(scores.mean(0), scores.std(0), strict=True)
    values = "; ".join(f"mean {mean:.4g}, standard deviation {deviation:.4g}" for mean, deviation in moments)
    return f"Scores of train: {values}."


def count_labels(rows: LabelledRows, target: Target) -> dict[str, int]:
    """Return the number of rows with each label of a classification."""
    if target.is_vector:
        sums = _encode_labels(rows, target).sum(0)  # (num_labels,)
        return {name: int(total) for name, total in zip(target.names, sums, strict=True)}
    counted = pc.value_counts(rows.flat_labels).to_pylist()
    return dict.fromkeys(target.names, 0) | {pair["values"]: pair["counts"] for pair in counted}


def has_hidden_labels(rows: LabelledRows, target: Target) -> bool:
    """Return whether every label of a split is -1, which is how published test splits hide their labels."""
    return (
        target.problem_type != "regression"
        and "-1" not in target.names
        and pc.all(pc.equal(rows.flat_labels, "-1")).as_py()
    )


def encode_rows(rows: LabelledRows, target: Target) -> Dataset:
    """Return the clean texts with the encoded labels, as the columns `text` and `labels`.

    Args:
        rows: The labelled rows of a split.
        target: Problem type and labels; its `feature` is the type of the encoded labels.

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
    items, num_rows = rows.flat_labels, len(rows.labels)
    parents = pc.list_parent_indices(rows.labels) if is_list(rows.labels.type) else pa.array(range(num_rows))
    if target.problem_type == "regression":
        known = np.array([bool(NUMBER.fullmatch(name)) for name in items.to_pylist()])
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
