"""Load texts without labels, for pretraining and for teachers."""

import math
from collections.abc import Set
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict, concatenate_datasets

from ..messages import capitalize, format_count, library_progress_bars
from .corpus import Corpus
from .reading import read_source
from .tables import TEXT_COLUMNS, find_column, iterate_texts, name_source, select_texts

# A stream is shuffled within a buffer of this many texts, because neighbouring texts of a file are often similar.
SHUFFLE_TEXTS = 10_000

# Splits that are not used for training.
HELD_OUT_SPLITS = ("validation", "test")


@library_progress_bars()
def load_texts(
    data: Any = None,
    *,
    config_name: str | None = None,
    text_column: str | None = None,
    validation_texts: int = 1000,
    streaming: bool = False,
    seed: int = 42,
    separator: str | None = None,
    encoding: str | None = None,
) -> tuple[DatasetDict | IterableDatasetDict, tuple[str, ...]]:
    """Load the texts of all splits except the test split, without their labels.

    A training text that also occurs in the test split, or in the validation split of the data, is left out.

    Args:
        data: As in [`load_corpus`]. Each line of a txt file is a text. An `IterableDataset` is always streamed.
        config_name: Configuration of a dataset that has several.
        text_column: Name of the text column; by default the one with a usual name (`text`, `sentence`, ...).
        validation_texts: Number of texts for validation if the data has no validation split, at most a tenth of all.
        streaming: Read the texts again in each pass instead of storing them, for data that does not fit on the disk.
            The first texts then become the validation split, without the limit of a tenth.
        seed: Seed of the choice of validation texts, or of the shuffling of a stream.
        separator: Separator of the columns of csv and tsv files; detected by default.
        encoding: Encoding of text files; detected by default.

    Returns:
        The splits "train" and "validation" with the column `text`, and sentences about what was loaded.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ConnectionError: The Hub cannot be reached.
        TypeError: `data` is of a type that cannot be read.
        ValueError: The data cannot be used; the message gives the reason.
    """
    if validation_texts < 1:
        raise ValueError(f"validation_texts is {validation_texts}; it must be at least 1.")
    name = name_source(data)
    notes: list[str] = []
    raw = read_source(
        data,
        config_name,
        labelled=False,
        streaming=streaming,
        separator=separator,
        encoding=encoding,
        notes=notes,
    )
    used = [split for split in raw if split not in HELD_OUT_SPLITS]
    if not used:
        raise ValueError(f"{capitalize(name)} has no texts to train on, only {', '.join(raw)}.")
    text_column = _find_text_column(raw[used[0]], text_column, f"the {used[0]} split of {name}", name)
    held_out = {row.get(text_column) for split in HELD_OUT_SPLITS if split in raw for row in raw[split]}
    train = concatenate_datasets([select_texts(raw[split], text_column) for split in used])
    validation = select_texts(raw["validation"], text_column) if "validation" in raw else None
    origin = f"column {text_column!r} of {name} ({', '.join(used)})"
    if isinstance(raw, IterableDatasetDict):
        splits = _stream_splits(train, validation, held_out, validation_texts, seed, name)
        return splits, (*notes, f"Texts are streamed from {origin}.")
    splits, stored = _store_splits(train, validation, held_out, validation_texts, seed, name, origin)
    return splits, (*notes, *stored)


def unlabelled_texts(
    corpus: Corpus,
    source: Any,
    text_column: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> tuple[Dataset | None, list[str]]:
    """
    Return the unlabelled texts that teachers label.

    Args:
        corpus: The labelled texts, whose unlabelled splits are the default.
        source: Data with texts as in [`load_texts`], `None` for the default, or `"none"` for no texts.
        text_column, separator, encoding: Options of [`load_texts`]. A txt file has no named columns.

    Returns:
        The texts, or `None` if there are none, and notes on what was read and left out.
    """
    if source is None:
        return corpus.unlabelled, []
    if isinstance(source, str) and source == "none":
        return None, []
    if isinstance(source, str | Path) and ".txt" in Path(source).suffixes:
        text_column = None
    splits, notes = load_texts(source, text_column=text_column, separator=separator, encoding=encoding)
    texts = concatenate_datasets(list(splits.values()))
    # Teachers need no validation texts of this kind.
    return texts, [*notes, f"Teachers label all {len(texts):,} of these texts, also those for validation."]


def _find_text_column(rows: Dataset | IterableDataset, text_column: str | None, where: str, name: str) -> str:
    """Return the name of the text column, after a check of the first row."""
    first = next(iter(rows), None)
    if first is None:
        raise ValueError(f"{capitalize(where)} is empty; add rows or remove it.")
    text_column = find_column(list(first), TEXT_COLUMNS, text_column, role="text", where=name)
    if not isinstance(first[text_column], str | None):
        raise ValueError(f"Column {text_column!r} of {name} holds {first[text_column]!r}, not a text.")
    return text_column


def _store_splits(
    train: Dataset,
    validation: Dataset | None,
    held_out: Set[str],
    validation_texts: int,
    seed: int,
    name: str,
    origin: str,
) -> tuple[DatasetDict, tuple[str, ...]]:
    """Leave out held-out texts, and split off validation texts at random if there is no validation split."""
    kept = [row for row, text in enumerate(iterate_texts(train)) if text not in held_out]
    left_out = len(train) - len(kept)
    if left_out:
        train = train.select(kept)
        _check_not_empty(train, name)
    if validation is None:
        if len(train) < 2:
            raise ValueError(f"{capitalize(name)} has {format_count(len(train), 'text')}, too few to split; add rows.")
        parts = train.train_test_split(min(validation_texts, math.ceil(len(train) / 10)), seed=seed)
        train, validation = parts["train"], parts["test"]
    notes = [f"Texts from {origin}: {len(train):,} for training, {len(validation):,} for validation."]
    if left_out:
        notes.append(f"Left out {format_count(left_out, 'text')} that also occur in validation or test.")
    return DatasetDict(train=train, validation=validation), tuple(notes)


def _stream_splits(
    train: IterableDataset,
    validation: IterableDataset | None,
    held_out: Set[str],
    validation_texts: int,
    seed: int,
    name: str,
) -> IterableDatasetDict:
    """Leave out held-out texts, and take the first texts for validation if there is no validation split."""
    if held_out:
        train = train.filter(lambda row: row["text"] not in held_out)
        _check_not_empty(train, name)
    if validation is None:
        validation, train = train.take(validation_texts), train.skip(validation_texts)
        if next(iter(train), None) is None:
            raise ValueError(
                f"{capitalize(name)} has no more than the {validation_texts:,} texts for validation; lower "
                "validation_texts."
            )
        train = train.shuffle(seed=seed, buffer_size=SHUFFLE_TEXTS)
    return IterableDatasetDict(train=train, validation=validation)


def _check_not_empty(train: Dataset | IterableDataset, name: str) -> None:
    if next(iter(train), None) is None:
        raise ValueError(f"Every training text of {name} also occurs in its validation or test split.")
