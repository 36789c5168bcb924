"""Load labelled rows on which to evaluate a model, with the labels of the model."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datasets import Dataset

from ..data import (
    LABEL_COLUMNS,
    TEXT_COLUMNS,
    Columns,
    Corpus,
    LabelledRows,
    Target,
    check_label_columns,
    count_labels,
    encode_rows,
    find_column,
    has_hidden_labels,
    join_label_columns,
    load_corpus,
    name_source,
    read_source,
    select_labelled,
)
from ..messages import capitalize, format_count, format_names, library_progress_bars
from .metrics import check_problem_type, label_names

# The first of these splits that has labels is used by default.
DEFAULT_SPLITS = ("test", "validation", "train")


class LabelledSplit(NamedTuple):
    """Rows to evaluate a model on.

    Args:
        name: Name of the split, or "all" for all rows of a table.
        rows: Column `text`, and `labels` as the model encodes them: class ids, 0/1 vectors of width `num_labels`, or
            scores.
        notes: Sentences about what was read and skipped, meant to be printed.
    """

    name: str
    rows: Dataset
    notes: tuple[str, ...]


@library_progress_bars()
def load_labelled(
    data: Any,
    config: Any,
    *,
    split: str | None = None,
    config_name: str | None = None,
    text_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    label_separator: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> LabelledSplit:
    """Load labelled rows with the problem type and the labels of a model.

    The rules for training data do not apply: there may be any number of rows, they need not have every label of the
    model, and they are not divided.

    Args:
        data: As in [`load_corpus`].
        config: Config of the model.
        split: Split to use; by default the first of test, validation and train that has labels. If the data has no
            such split, "validation" and "test" are the rows that training splits off with its default seed.
        config_name: Configuration of a dataset that has several.
        text_column: Name of the text column; by default the one with a usual name.
        label_column: Name of the label column, or names of several columns of 0 and 1 with one label each; by default
            the one with a usual name, or for a regression the column that the model was trained on.
        label_separator: Separator of the labels in strings such as "a|b".
        separator: Separator of the columns of csv and tsv files; detected by default.
        encoding: Encoding of text files; detected by default.

    Returns:
        The rows.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ConnectionError: The Hub cannot be reached.
        TypeError: `data` is of a type that cannot be read.
        ValueError: There is no such split or no labelled row, or a label is not one of the model.
    """
    where, notes = name_source(data), list[str]()
    reading: dict[str, Any] = {"config_name": config_name, "separator": separator, "encoding": encoding}
    raw = read_source(data, **reading, notes=notes)
    if split is not None and split not in raw:
        corpus = load_corpus(
            data,
            text_column=text_column,
            label_column=label_column,
            label_separator=label_separator,
            problem_type=config.problem_type,
            **reading,
        )
        if split not in corpus.splits:
            raise ValueError(f"{capitalize(where)} has no split {split!r}; choose one of: {', '.join(corpus.splits)}.")
        return LabelledSplit(split, align_labels(corpus.splits[split], corpus, config), corpus.notes)
    candidates = [split] if split else [name for name in DEFAULT_SPLITS if name in raw] or list(raw)
    names = list(dict.fromkeys(column for name in candidates for column in raw[name].column_names or ()))
    text_column = find_column(names, TEXT_COLUMNS, text_column, role="text", where=where)
    label_columns = [label_column] if isinstance(label_column, str) else list(label_column or ())
    if not label_columns and config.problem_type == "regression" and config.id2label[0] in names:
        label_columns = [config.id2label[0]]
    if len(label_columns) > 1:
        check_label_columns(names, label_columns, text_column, where)
        label_column = ", ".join(label_columns)  # the name of the joined column
    else:
        wanted = label_columns[0] if label_columns else None
        label_column = find_column(names, LABEL_COLUMNS, wanted, role="label", where=where)
    columns = Columns(text_column, label_column, _has_rewritten_numbers(config), label_separator)
    for name in candidates:
        rows = raw[name]
        if not isinstance(rows, Dataset):  # a stream
            rows = Dataset.from_list(list(rows), rows.features)
        part = where if len(raw) == 1 else f"the {name} split of {where}"
        if len(label_columns) > 1:
            rows = join_label_columns(rows, label_columns, part)
        labelled = select_labelled(rows, columns, part, notes)
        if labelled is None:
            continue
        target = _find_target(labelled, config)
        if has_hidden_labels(labelled, target):
            notes.append(f"{capitalize(part)} has only the label -1; it is not used.")
            continue
        _check_labels(labelled, target)
        used = encode_rows(labelled, target)
        notes.append(
            f"Evaluated on {format_count(len(used), 'row')} of {part}: texts in column {text_column!r}, labels in "
            f"{label_column!r}."
        )
        if target.problem_type != "regression":
            counts = count_labels(labelled, target)
            notes.append(f"Rows with each label: {format_names([f'{name} {counts[name]:,}' for name in counts])}.")
        return LabelledSplit("all" if len(raw) == 1 and split is None else name, used, tuple(notes))
    raise ValueError(
        f"Column {label_column!r} of {where} has no label in {', '.join(candidates)}; set label_column to another."
    )


def _has_rewritten_numbers(config: Any) -> bool:
    """Return whether a class of the model has a name such as "1.0", which is normally read as "1"."""
    for name in config.label2id:
        try:
            if not name.lstrip("+-").isdecimal() and float(name).is_integer():
                return True
        except ValueError:
            continue
    return False


def _find_target(rows: LabelledRows, config: Any) -> Target:
    """Return what the model predicts, in the form in which the rows have it."""
    problem_type, names = check_problem_type(config.problem_type), tuple(label_names(config))
    is_vector = (
        problem_type == "multi_label_classification"
        and pa.types.is_list(rows.labels.type)
        and set(rows.labels.value_lengths().to_pylist()) == {len(names)}
        and len(names) > 1
        and set(rows.flat_labels.to_pylist()) <= {"0", "1"}
    )
    return Target(problem_type, names, is_vector)


def _check_labels(rows: LabelledRows, target: Target) -> None:
    """Raise an error if the model does not have one of the labels, or predicts one label and a row has several."""
    if target.problem_type != "multi_label_classification" and pa.types.is_list(rows.labels.type):
        counts = rows.labels.value_lengths().to_pylist()
        if wrong := [index for index, count in enumerate(counts) if count != 1]:
            row = int(rows.row_numbers[wrong[0]]) + 1
            raise ValueError(
                f"{capitalize(rows.where)} has {format_count(counts[wrong[0]], 'label')} in row {row:,}, but the model "
                "predicts exactly one for each text."
            )
    if target.problem_type == "regression" or target.is_vector:
        return
    unknown = Counter(rows.flat_labels.to_pylist())
    for name in target.names:
        del unknown[name]
    if unknown:
        listed = format_names([f"{name!r} ({format_count(count, 'row')})" for name, count in unknown.most_common()])
        raise ValueError(
            f"{capitalize(rows.where)} has labels that the model does not have: {listed}; correct or remove these "
            f"rows. The labels of the model are: {format_names(list(target.names))}."
        )


def align_labels(rows: Dataset, corpus: Corpus, config: Any) -> Dataset:
    """Convert the label ids of a corpus to those of a model, matching the labels by name.

    Args:
        rows: A split of the corpus, with the column `labels`.
        corpus: Corpus whose `label_names` are indexed by the ids in `rows`.
        config: Config of the model, whose `label2id` has the new ids.

    Returns:
        The rows with the label ids of the model; multi-label indicators get the width of the model.

    Raises:
        ValueError: If the problem types differ, or the model does not have one of the labels.
    """
    if corpus.problem_type != config.problem_type:
        raise ValueError(
            f"The corpus is for {corpus.problem_type}, but the model was trained for {config.problem_type}."
        )
    if corpus.problem_type == "regression":
        return rows
    unknown = [name for name in corpus.label_names if name not in config.label2id]
    if unknown:
        raise ValueError(
            f"The corpus has the label {unknown[0]!r}, which the model does not have; the labels of the model are: "
            f"{', '.join(config.label2id)}."
        )
    ids = np.array([config.label2id[name] for name in corpus.label_names])
    labels = np.array(rows["labels"][:])
    if corpus.problem_type == "single_label_classification":
        aligned = ids[labels]
    else:
        aligned = np.zeros((len(labels), config.num_labels), dtype=np.float32)
        aligned[:, ids] = labels
    return rows.remove_columns("labels").add_column("labels", list(aligned))
