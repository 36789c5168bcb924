"""Any labelled text corpus as train, validation and test splits with the columns `text` and `labels`."""

from dataclasses import dataclass

import numpy as np
from datasets import (
    Dataset,
    DatasetDict,
    concatenate_datasets,
)

from ..messages import format_count
from .columns import LABEL_COLUMNS, TEXT_COLUMNS, find_column, iterate_texts, select_texts
from .labels import complete_rows, encode_rows, find_target, label_ids
from .reading import read_source
from .sample_reviews import build_sample_reviews

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Corpus:
    """A labelled corpus, ready to be tokenised.

    Args:
        splits: "train", "validation" and, where there is one, "test", with the columns `text` (string) and `labels`
            (a `ClassLabel`, a 0/1 float vector with one entry per label, or a float score).
        label_names: Name of each label id; for regression the name of the score column.
        problem_type: "single_label_classification", "multi_label_classification" or "regression", as in the model's
            config.
        notes: One sentence each: what was found, split off, put aside or skipped, with counts.
        unlabelled: Texts of the splits without labels, the column `text`; `None` where there are none.
    """

    splits: DatasetDict
    label_names: tuple[str, ...]
    problem_type: str
    notes: tuple[str, ...]
    unlabelled: Dataset | None = None


def load_corpus(
    source: str | None = None,
    *,
    config_name: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    validation_fraction: float = 0.1,
    seed: int = 42,
) -> Corpus:
    """Loads a corpus, finds its columns and labels, and gives it the splits it lacks.

    Args:
        source: A local folder (a `datasets` layout, files named train.*, validation.* and test.*, or what
            `save_to_disk` wrote), one csv, tsv, json, jsonl, parquet or txt file (txt: `__label__NAME text`, one
            example a line), a Hub id such as `stanfordnlp/imdb`, or None for the bundled reviews.
        config_name: Configuration of a corpus that has several, such as `sst2` of `nyu-mll/glue`.
        text_column: Name of the text column; by default the one with a usual name (`text`, `sentence`, ...).
        label_column: Name of the label column; by default the one with a usual name (`label`, `sentiment`, ...). Whole
            numbers and strings are classes, other numbers are scores to regress, lists are several labels a text.
        validation_fraction: Share of the training rows that becomes the validation split where there is none; a corpus
            of one single split gives as large a test split too. 0.1 keeps nine tenths for learning.
        seed: Seed of that choice of rows.

    Returns:
        The corpus; what was decided on the way is in its `notes`.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ConnectionError: The Hub cannot be reached.
        ValueError: The corpus cannot be used as it is; the message names the file, column or row and what to do.
    """
    if not 0 < validation_fraction < 0.5:
        raise ValueError(f"validation_fraction is {validation_fraction}; it must lie between 0 and 0.5.")
    name = source or "the bundled corpus"
    raw = build_sample_reviews() if source is None else read_source(source, config_name)
    notes = [f"Read {name}: " + ", ".join(f"{split} {rows.num_rows:,}" for split, rows in raw.items()) + " rows."]
    others = {split: raw.pop(split) for split in list(raw) if split not in SPLITS}
    if "train" not in raw:
        raise ValueError(
            f"{name} has no train split, only {', '.join(raw)}; name the split or file to learn from train."
        )
    for split, rows in raw.items():
        if rows.num_rows == 0:
            raise ValueError(f"The {split} split of {name} is empty; add rows or remove it.")

    columns = raw["train"].column_names
    text_column = find_column(columns, TEXT_COLUMNS, text_column, role="text", where=name)
    label_column = find_column(columns, LABEL_COLUMNS, label_column, role="label", where=name)
    unlabelled, note = _unlabelled_texts(others, text_column, label_column, name)
    notes += note
    tables = {}
    for split, rows in raw.items():
        table, note = complete_rows(rows, text_column, label_column, f"the {split} split of {name}")
        notes += note
        if table is not None:
            tables[split] = table
    if "train" not in tables:
        raise ValueError(
            f"Column {label_column!r} of {name} holds no label in the train split; name another label_column."
        )
    target = find_target(tables, f"column {label_column!r} of {name}")
    described = {
        "single_label_classification": f"one of {len(target.names):,} classes",
        "multi_label_classification": f"any of {len(target.names):,} labels",
        "regression": "a score to regress",
    }
    notes.append(f"Text from column {text_column!r}, target from {label_column!r}: {described[target.problem_type]}.")

    splits = DatasetDict()
    for split in [split for split in SPLITS if split in tables]:
        ids = label_ids(tables[split], target, f"the {split} split of {name}")
        if ids is None:
            notes.append(
                f"The {split} split ({format_count(len(tables[split].kept), 'row')}) has only the label -1; put aside."
            )
        else:
            splits[split] = encode_rows(tables[split], ids, target)
    splits, note = _split_off(splits, target.problem_type, validation_fraction, seed, name)
    notes += note + _report_duplicates(splits)
    return Corpus(splits, target.names or (label_column,), target.problem_type, tuple(notes), unlabelled)


def _unlabelled_texts(
    others: dict[str, Dataset], text_column: str, label_column: str, name: str
) -> tuple[Dataset | None, list[str]]:
    """Texts of the splits that are none of the usual ones, where these hold texts and no label."""
    texts, notes = [], []
    for split, rows in others.items():
        labelled = True
        if text_column in rows.column_names and rows.num_rows:
            labelled = label_column in rows.column_names and (
                complete_rows(rows, text_column, label_column, f"the {split} split of {name}")[0] is not None
            )
        count = f"the split {split!r} ({format_count(rows.num_rows, 'row')})"
        if labelled:
            notes.append(f"Put aside {count}: not train, validation or test.")
        else:
            texts.append(select_texts(rows, text_column))
            notes.append(f"Kept {count} as texts without labels, for a teacher.")
    joined = concatenate_datasets(texts) if texts else None
    return joined or None, notes


def _split_off(
    splits: DatasetDict, problem_type: str, fraction: float, seed: int, name: str
) -> tuple[DatasetDict, list[str]]:
    """Cuts a validation split from train where there is none, and a test split where train is all there is."""
    wanted = [split for split in ("test", "validation") if split not in splits]
    if "validation" in splits:
        return splits, [
            f"{name} has no test split; the validation split is all there is to evaluate on."
        ] if wanted else []
    if len(wanted) == 1:
        wanted = ["validation"]
    notes, train, size = [], splits["train"], round(len(splits["train"]) * fraction) or 1
    if size * len(wanted) >= len(train):
        raise ValueError(f"{name} has {format_count(len(train), 'row')} to train on, too few to split; add rows.")
    for split in wanted:
        stratify = problem_type == "single_label_classification"
        if stratify:
            counts = np.bincount(np.asarray(train.with_format("arrow")["labels"]), minlength=1)
            counts = counts[counts > 0]
            stratify = counts.min() > 1 and len(counts) <= size
        parts = train.train_test_split(size, seed=seed, stratify_by_column="labels" if stratify else None)
        train, splits[split] = parts["train"], parts["test"]
        how = "with the same share of each class" if stratify else "at random, without regard to labels"
        notes.append(
            f"There is no labelled {split} split; split {format_count(size, 'row')} off train {how} (seed {seed})."
        )
    splits["train"] = train
    return DatasetDict({split: splits[split] for split in SPLITS if split in splits}), notes


def _report_duplicates(splits: DatasetDict) -> list[str]:
    if "test" not in splits:
        return []
    learned_from = {hash(text) for split in splits if split != "test" for text in iterate_texts(splits[split])}
    count = sum(hash(text) in learned_from for text in iterate_texts(splits["test"]))
    total = format_count(len(splits["test"]), "test text")
    return [f"Of {total}, {count:,} also occur, word for word, in train or validation; kept."]
