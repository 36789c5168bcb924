"""Load labelled texts as train, validation and test splits with the columns `text` and `labels`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, concatenate_datasets

from ..messages import capitalize, format_count, format_names, library_progress_bars
from ..models import PROBLEM_TYPES
from .labels import Columns, LabelledRows, check_label_columns, join_label_columns, select_labelled
from .reading import read_source
from .tables import LABEL_COLUMNS, TEXT_COLUMNS, find_column, iterate_texts, name_source, select_texts
from .targets import (
    Target,
    count_labels,
    describe_numbers,
    describe_scores,
    encode_rows,
    find_target,
    has_hidden_labels,
    similar_names,
)

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Corpus:
    """Labelled texts, ready to be tokenised.

    Args:
        splits: "train", "validation" and possibly "test", with the columns `text` (string) and `labels` (a
            `ClassLabel`, a 0/1 float vector with one entry per label, or a float score).
        label_names: Name of each label id; for a regression the name of the score column.
        problem_type: "single_label_classification", "multi_label_classification" or "regression", as in the model's
            config.
        notes: Sentences about what was found, split off, skipped or not used, with counts; meant to be printed.
        unlabelled: Texts of the splits without labels, as the column `text`; `None` if there are none.
    """

    splits: DatasetDict
    label_names: tuple[str, ...]
    problem_type: str
    notes: tuple[str, ...]
    unlabelled: Dataset | None = None


@library_progress_bars()
def load_corpus(
    data: Any = None,
    *,
    config_name: str | None = None,
    text_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    label_separator: str | None = None,
    problem_type: str | None = None,
    validation_fraction: float = 0.1,
    seed: int = 42,
    separator: str | None = None,
    encoding: str | None = None,
    min_classes: int = 2,
) -> Corpus:
    """Load labelled texts, find the text and label columns, encode the labels, and split off missing splits.

    Args:
        data: One of
            - a csv, tsv, json, jsonl, parquet, txt or xlsx file, possibly compressed (txt: one example per line,
              written as `__label__NAME text`);
            - a local folder with a `datasets` layout, with files named train.*, validation.* and test.*, with one
              folder of txt files per class, or written by `save_to_disk`;
            - a Hub id such as `stanfordnlp/imdb`;
            - a `Dataset`, `DatasetDict`, pandas or polars DataFrame, or list of dictionaries;
            - a dictionary that maps the names of splits to such tables;
            - `None` for the bundled reviews.

            A single table becomes "train". The rows of an `IterableDataset` are read into memory.
        config_name: Configuration of a dataset that has several, such as `sst2` of `nyu-mll/glue`.
        text_column: Name of the text column; by default the one with a usual name (`text`, `sentence`, ...).
        label_column: Name of the label column; by default the one with a usual name (`label`, `sentiment`, ...). Whole
            numbers and strings are classes, other numbers are scores (regression), lists are several labels per text.
            Several names are columns of 0 and 1 or booleans, one per label: a multi-label classification.
        label_separator: Separator of the labels in strings such as "a|b" with several labels per text. Strings that are
            written as lists, such as "['a', 'b']", need no separator.
        problem_type: "single_label_classification", "multi_label_classification" or "regression", if it should not be
            inferred. Labels that look like numbers are then kept as written: the classes 1.1 and 1.10 are different.
        validation_fraction: Fraction of the training rows that becomes the validation split if there is none. If train
            is the only split, a test split of the same size is split off as well. 0.1 leaves most rows for training.
        seed: Seed of the choice of these rows.
        separator: Separator of the columns of csv and tsv files; detected by default.
        encoding: Encoding of text files, such as "cp1252"; detected by default.
        min_classes: Number of different labels that are required. 1 is for rows of one class that join others.

    Returns:
        The corpus; its `notes` report every decision.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ConnectionError: The Hub cannot be reached.
        TypeError: `data` is not one of the above.
        ValueError: The data cannot be used; the message names the file, column or row, and what to do.
    """
    if not 0 < validation_fraction < 0.5:
        raise ValueError(f"validation_fraction is {validation_fraction}; it must be between 0 and 0.5.")
    name = name_source(data)
    corpus, _ = _read_labelled(
        data,
        config_name=config_name,
        text_column=text_column,
        label_column=label_column,
        label_separator=label_separator,
        problem_type=problem_type,
        separator=separator,
        encoding=encoding,
        min_classes=min_classes,
    )
    notes = list(corpus.notes)
    splits = _add_missing_splits(corpus.splits, corpus.problem_type, validation_fraction, seed, name, notes)
    notes += _count_duplicates(splits)
    if corpus.problem_type == "regression":
        notes.append(describe_scores(splits["train"]))
    return replace(corpus, splits=splits, notes=tuple(notes))


@library_progress_bars()
def load_given_splits(data: Any = None, **options: Any) -> tuple[Corpus, np.ndarray]:
    """Load labelled texts as [`load_corpus`] does, but do not split off rows of train.

    Args:
        data: As in [`load_corpus`].
        options: Options of [`load_corpus`] other than `validation_fraction` and `seed`.

    Returns:
        The corpus, whose `splits` are those of the data, and the position of each row of its train split in the data as
        it was read, `(rows,)`, because rows without a text or a label are skipped.

    Raises:
        ValueError, TypeError, OSError: As in [`load_corpus`].
    """
    return _read_labelled(data, **options)


def _read_labelled(
    data: Any,
    *,
    config_name: str | None = None,
    text_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    label_separator: str | None = None,
    problem_type: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    min_classes: int = 2,
) -> tuple[Corpus, np.ndarray]:
    """Return the corpus without added splits, and the positions of its training rows in the data."""
    if problem_type not in (None, *PROBLEM_TYPES):
        raise ValueError(f"problem_type is {problem_type!r}; it must be one of {', '.join(PROBLEM_TYPES)}.")
    name = name_source(data)
    notes: list[str] = []
    raw = read_source(data, config_name, separator=separator, encoding=encoding, notes=notes)
    if not isinstance(raw, DatasetDict):
        raw = DatasetDict({split: Dataset.from_list(list(rows), rows.features) for split, rows in raw.items()})
    _check_splits(raw, name)
    notes.append(f"Read {name}: " + ", ".join(f"{split} {len(rows):,}" for split, rows in raw.items()) + " rows.")
    names = raw["train"].column_names
    text_column = find_column(names, TEXT_COLUMNS, text_column, role="text", where=name)
    label_columns = [label_column] if isinstance(label_column, str) else list(label_column or ())
    if len(label_columns) > 1:
        raw, label_column = _join_label_columns(raw, label_columns, text_column, name)
        # Otherwise columns of which exactly one is 1 in every row would be read as classes.
        problem_type = problem_type or "multi_label_classification"
    else:
        wanted = label_columns[0] if label_columns else None
        label_column = find_column(names, LABEL_COLUMNS, wanted, role="label", where=name)
    as_written = problem_type not in (None, "regression")
    columns = Columns(text_column, label_column, as_written, label_separator)
    labelled = _select_labelled_splits(raw, columns, name, notes)
    unlabelled = _collect_unlabelled(raw, columns, name, notes)
    target = find_target(labelled, label_column, name, problem_type, min_classes)
    notes.append(f"Texts are in column {text_column!r}; labels are in {label_column!r}: {target.describe()}.")
    if target.problem_type != "regression":
        notes += _describe_classes(labelled["train"], target) + describe_numbers(labelled["train"], target)
    splits = _encode_splits(labelled, target, notes)
    corpus = Corpus(splits, target.names, target.problem_type, tuple(notes), unlabelled)
    return corpus, labelled["train"].row_numbers


def _check_splits(raw: DatasetDict, name: str) -> None:
    if "train" not in raw:
        raise ValueError(
            f"{capitalize(name)} has no train split, only {', '.join(raw)}; name the split or file to train on 'train'."
        )
    for split in SPLITS:
        if split in raw and not len(raw[split]):
            raise ValueError(f"The {split} split of {name} is empty; add rows or remove it.")


def _join_label_columns(raw: DatasetDict, columns: list[str], text_column: str, name: str) -> tuple[DatasetDict, str]:
    """Replace several label columns by one; return the splits and the name of the new column."""
    check_label_columns(raw["train"].column_names, columns, text_column, name)
    splits = {split: join_label_columns(rows, columns, f"the {split} split of {name}") for split, rows in raw.items()}
    return DatasetDict(splits), ", ".join(columns)


def _select_labelled_splits(raw: DatasetDict, columns: Columns, name: str, notes: list[str]) -> dict[str, LabelledRows]:
    """Return the labelled rows of train, validation and test; a split without labels is left out."""
    labelled = {}
    for split in SPLITS:
        if split in raw:
            rows = select_labelled(raw[split], columns, f"the {split} split of {name}", notes)
            if rows is not None:
                labelled[split] = rows
    if "train" not in labelled:
        raise ValueError(
            f"Column {columns.label!r} of {name} has no label in the train split; set label_column to another column."
        )
    return labelled


def _collect_unlabelled(raw: DatasetDict, columns: Columns, name: str, notes: list[str]) -> Dataset | None:
    """Return the texts of the splits other than train, validation and test that have no labels."""
    texts = []
    for split in [split for split in raw if split not in SPLITS]:
        rows = raw[split]
        count = f"the split {split!r} ({format_count(len(rows), 'row')})"
        has_texts = columns.text in rows.column_names and len(rows) > 0
        if has_texts and select_labelled(rows, columns, f"split {split!r} of {name}", []) is None:
            texts.append(select_texts(rows, columns.text))
            notes.append(f"Kept {count} as unlabelled texts for a teacher.")
        else:
            notes.append(f"Did not use {count}: it is not train, validation or test.")
    joined = concatenate_datasets(texts) if texts else None
    return joined if joined else None


def _describe_classes(train: LabelledRows, target: Target) -> list[str]:
    """Return sentences with the number of training rows of each label, and with similar label names."""
    counts = count_labels(train, target)
    listed = format_names([f"{name} {counts[name]:,}" for name in target.names])
    return [f"Rows of train with each label: {listed}."] + [
        f"The labels {', '.join(map(repr, group))} differ only in case or white space; merge them if they are the same."
        for group in similar_names(target.names)
    ]


def _encode_splits(labelled: dict[str, LabelledRows], target: Target, notes: list[str]) -> DatasetDict:
    splits = DatasetDict()
    for split, rows in labelled.items():
        if has_hidden_labels(rows, target):
            count = format_count(len(rows.labels), "row")
            notes.append(f"The {split} split ({count}) has only the label -1; it is not used as labelled data.")
        else:
            splits[split] = encode_rows(rows, target)
    return splits


def _add_missing_splits(
    splits: DatasetDict, problem_type: str, fraction: float, seed: int, name: str, notes: list[str]
) -> DatasetDict:
    """Split off a validation split if there is none, and a test split if train is the only split."""
    if "validation" in splits:
        if "test" not in splits:
            notes.append(f"{capitalize(name)} has no test split; results are measured on the validation split.")
        return splits
    wanted = ["validation"] if "test" in splits else ["test", "validation"]
    train = splits["train"]
    size = round(len(train) * fraction) or 1
    if size * len(wanted) >= len(train):
        raise ValueError(f"{capitalize(name)} has {format_count(len(train), 'row')}, too few to split; add rows.")
    added = {}
    for split in wanted:
        stratify = problem_type == "single_label_classification" and _can_stratify(train, size)
        parts = train.train_test_split(size, seed=seed, stratify_by_column="labels" if stratify else None)
        train, added[split] = parts["train"], parts["test"]
        how = "with the same class proportions" if stratify else "at random"
        notes.append(
            f"There is no labelled {split} split; {format_count(size, 'row')} of train became the {split} split, "
            f"chosen {how} (seed {seed})."
        )
    splits = DatasetDict(splits | added | {"train": train})
    return DatasetDict({split: splits[split] for split in SPLITS if split in splits})


def _can_stratify(train: Dataset, size: int) -> bool:
    """Return whether every class has two rows or more and the new split has room for each class."""
    counts = np.bincount(np.asarray(train.with_format("arrow")["labels"]))
    counts = counts[counts > 0]
    return counts.min() > 1 and len(counts) <= size


def _count_duplicates(splits: DatasetDict) -> list[str]:
    if "test" not in splits:
        return []
    known = {hash(text) for split in splits if split != "test" for text in iterate_texts(splits[split])}
    count = sum(hash(text) in known for text in iterate_texts(splits["test"]))
    if not count:
        return ["No test text occurs in train or validation."]
    total = format_count(len(splits["test"]), "test text")
    verbs = ("occurs", "it is") if count == 1 else ("occur", "they are")
    return [f"{count:,} of {total} also {verbs[0]} in train or validation; {verbs[1]} kept."]
