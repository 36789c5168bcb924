"""Texts without labels, for pretraining and for teachers."""

import math

from datasets import (
    DatasetDict,
    IterableDatasetDict,
    concatenate_datasets,
)

from ..messages import format_count
from .columns import TEXT_COLUMNS, find_column, iterate_texts, select_texts
from .reading import read_source
from .sample_reviews import build_sample_reviews

# Texts of a stream among which the next is chosen at random: neighbours in a file are often alike.
SHUFFLE_TEXTS = 10_000


def load_texts(
    source: str | None = None,
    *,
    config_name: str | None = None,
    text_column: str | None = None,
    validation_texts: int = 1000,
    streaming: bool = False,
    seed: int = 42,
) -> tuple[DatasetDict | IterableDatasetDict, tuple[str, ...]]:
    """Loads the texts of a corpus to learn from without labels: every split but the test split, and no text of that.

    Args:
        source: As in [`load_corpus`]; each line of a txt file is a text.
        config_name: Configuration of a corpus that has several.
        text_column: Name of the text column; by default the one with a usual name (`text`, `sentence`, ...).
        validation_texts: Texts to validate on where there is no such split, at most a tenth of all.
        streaming: Give datasets that read the texts anew in each pass and keep none, for more of them than fit on the
            disk; only what is not to be learned is read at once. The first texts validate, without a limit of a tenth.
        seed: Seed of the choice of validation texts.

    Returns:
        "train" and "validation" with the column `text`, and what was found, one sentence each. What also stands in the
        test split, or in a validation split of the corpus' own, is not learned from.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ConnectionError: The Hub cannot be reached.
        ValueError: The corpus cannot be used as it is; the message says why.
    """
    if validation_texts < 1:
        raise ValueError(f"validation_texts is {validation_texts}; it must be at least 1.")
    name = source or "the bundled corpus"
    if source is None:
        raw = build_sample_reviews()
        raw = IterableDatasetDict({k: v.to_iterable_dataset() for k, v in raw.items()}) if streaming else raw
    else:
        raw = read_source(source, config_name, labelled=False, streaming=streaming)
    used = [split for split in raw if split not in ("validation", "test")]
    if not used:
        raise ValueError(f"{name} has no texts to learn from, only {', '.join(raw)}.")
    first = next(iter(raw[used[0]]), None)
    if first is None:
        raise ValueError(f"The {used[0]} split of {name} is empty; add rows or remove it.")
    text_column = find_column(list(first), TEXT_COLUMNS, text_column, role="text", where=name)
    if not isinstance(first[text_column], str):
        raise ValueError(f"Column {text_column!r} of {name} holds {first[text_column]!r}, not a text.")
    texts = {split: select_texts(raw[split], text_column) for split in raw if split != "test"}
    train = concatenate_datasets([texts[split] for split in used])
    # Splits share texts: 110 of IMDB's test reviews stand among those without labels, too.
    held_out = {row.get(text_column) for split in raw if split not in used for row in raw[split]}
    left_out = 0
    if streaming:
        train = train.filter(lambda row: row["text"] not in held_out)
    elif held_out:
        kept = [row for row, text in enumerate(iterate_texts(train)) if text not in held_out]
        left_out, train = len(train) - len(kept), train.select(kept)
    if held_out and next(iter(train), None) is None:
        raise ValueError(f"Every text that {name} has to learn from also stands in its validation or test split.")
    if "validation" in texts:
        validation = texts["validation"]
    elif streaming:
        validation, train = train.take(validation_texts), train.skip(validation_texts)
        if next(iter(train), None) is None:
            raise ValueError(f"{name} has no more than the {validation_texts:,} texts to validate on; name fewer.")
        train = train.shuffle(seed=seed, buffer_size=SHUFFLE_TEXTS)
    else:
        if len(train) < 2:
            raise ValueError(f"{name} has {format_count(len(train), 'text')}, too few to split; add rows.")
        parts = train.train_test_split(min(validation_texts, math.ceil(len(train) / 10)), seed=seed)
        train, validation = parts["train"], parts["test"]
    if streaming:
        note = f"Texts from column {text_column!r} of {name} ({', '.join(used)}), read as they are needed."
        return IterableDatasetDict(train=train, validation=validation), (note,)
    note = (
        f"Texts from column {text_column!r} of {name} ({', '.join(used)}): {len(train):,} to learn from, "
        f"{len(validation):,} to validate on."
    )
    if left_out:
        note += f" {format_count(left_out, 'text')} that also stand in validation or test left out."
    return DatasetDict(train=train, validation=validation), (note,)
