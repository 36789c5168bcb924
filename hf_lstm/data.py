"""Any labelled text corpus as train, validation and test splits with the columns `text` and `labels`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from datasets import (
    Dataset,
    DatasetDict,
    Features,
    IterableDataset,
    IterableDatasetDict,
    Value,
    concatenate_datasets,
)

from .labels import complete_rows, counted, encode_rows, find_target, label_ids
from .reading import read_source
from .sample_reviews import build_sample_reviews

SPLITS = ("train", "validation", "test")
TEXT_COLUMNS = ("text", "sentence", "review", "content", "question", "document", "comment", "tweet", "message", "body")
# Texts of a stream among which the next is chosen at random: neighbours in a file are often alike.
SHUFFLE_TEXTS = 10_000
LABEL_COLUMNS = ("label", "labels", "sentiment", "category", "class", "target", "intent", "emotion", "topic", "score")


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
                f"The {split} split ({counted(len(tables[split].kept), 'row')}) has only the label -1; put aside."
            )
        else:
            splits[split] = encode_rows(tables[split], ids, target)
    splits, note = _split_off(splits, target.problem_type, validation_fraction, seed, name)
    notes += note + _report_duplicates(splits)
    return Corpus(splits, target.names or (label_column,), target.problem_type, tuple(notes), unlabelled)


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
    texts = {split: _only_texts(raw[split], text_column) for split in raw if split != "test"}
    train = concatenate_datasets([texts[split] for split in used])
    # Splits share texts: 110 of IMDB's test reviews stand among those without labels, too.
    held_out = {row.get(text_column) for split in raw if split not in used for row in raw[split]}
    left_out = 0
    if streaming:
        train = train.filter(lambda row: row["text"] not in held_out)
    elif held_out:
        kept = [row for row, text in enumerate(texts_of(train)) if text not in held_out]
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
            raise ValueError(f"{name} has {counted(len(train), 'text')}, too few to split; add rows.")
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
        note += f" {counted(left_out, 'text')} that also stand in validation or test left out."
    return DatasetDict(train=train, validation=validation), (note,)


def _only_texts(rows: Dataset | IterableDataset, text_column: str) -> Dataset | IterableDataset:
    """The column `text` of the rows in which something stands."""
    rows = rows.select_columns([text_column]).rename_columns({text_column: "text"} if text_column != "text" else {})
    # One type for all splits, which would not join otherwise.
    return rows.filter(lambda row: bool(row["text"] and row["text"].strip())).cast(Features({"text": Value("string")}))


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
        count = f"the split {split!r} ({counted(rows.num_rows, 'row')})"
        if labelled:
            notes.append(f"Put aside {count}: not train, validation or test.")
        else:
            texts.append(_only_texts(rows, text_column))
            notes.append(f"Kept {count} as texts without labels, for a teacher.")
    joined = concatenate_datasets(texts) if texts else None
    return joined or None, notes


def tokenize_corpus(
    splits: DatasetDict, tokenizer, *, max_length: int | None = None, num_proc: int | None = None
) -> DatasetDict:
    """Turns the text of every split into `input_ids`, cached on disk by `datasets`.

    Args:
        splits: Splits with the columns `text` and `labels`.
        tokenizer: A fast tokenizer; it uses several threads by itself.
        max_length: Longest training example in tokens; the rest is cut off, which bounds the time and memory of a step.
            Validation and test texts are read whole, as the model reads any length.
        num_proc: Processes, for a corpus so large that the threads of the tokenizer are not enough.

    Returns:
        The same splits with `input_ids`, `length` (tokens) and `labels`. There is no attention mask: padding a batch
        makes it.
    """
    tokenized = DatasetDict()
    for split, rows in splits.items():
        # A call leaves its truncation and padding in the tokenizer, which is part of the cache key.
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        tokenized[split] = rows.map(
            _tokenize_batch,
            batched=True,
            num_proc=num_proc,
            remove_columns=[column for column in rows.column_names if column != "labels"],
            fn_kwargs={"tokenizer": tokenizer, "max_length": max_length if split == "train" else None},
            desc=f"Tokenizing {split}",
        )
    return tokenized


def _tokenize_batch(batch: dict[str, list], tokenizer, max_length: int | None) -> dict[str, list]:
    encoding = tokenizer(
        batch["text"],
        truncation=max_length is not None,
        max_length=max_length,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return {"input_ids": encoding["input_ids"], "length": [len(ids) for ids in encoding["input_ids"]]}


def find_column(columns: list[str], usual: tuple[str, ...], wanted: str | None, *, role: str, where: str) -> str:
    """Finds the text or label column of a table.

    Args:
        columns: Column names of the table.
        usual: Usual names in lower case; the first of them wins over the others.
        wanted: The name the user gave, if any.
        role: "text" or "label", for the message.
        where: What the table is called in the message.

    Returns:
        The name of the column.

    Raises:
        ValueError: There is no such column, or more than one.
    """
    listed = ", ".join(columns)
    if wanted is not None:
        if wanted not in columns:
            raise ValueError(f"{where} has no column {wanted!r}; its columns are: {listed}.")
        return wanted
    # What predict.py has added is no label to learn from or to measure against.
    candidates = [column for column in columns if not column.startswith("predicted_")]
    found = [column for column in candidates if column.lower() in usual or column.lower().endswith(f"_{role}")]
    best = [column for column in found if column.lower() == usual[0]] or found
    if len(best) != 1:
        problem = (
            f"several columns that may hold the {role}" if found else f"no column that is known to hold the {role}"
        )
        raise ValueError(f"{where} has {problem}; name one as {role}_column. Its columns are: {listed}.")
    return best[0]


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
        raise ValueError(f"{name} has {counted(len(train), 'row')} to train on, too few to split; add rows.")
    for split in wanted:
        stratify = problem_type == "single_label_classification"
        if stratify:
            counts = np.bincount(np.asarray(train.with_format("arrow")["labels"]), minlength=1)
            counts = counts[counts > 0]
            stratify = counts.min() > 1 and len(counts) <= size
        parts = train.train_test_split(size, seed=seed, stratify_by_column="labels" if stratify else None)
        train, splits[split] = parts["train"], parts["test"]
        how = "with the same share of each class" if stratify else "at random, without regard to labels"
        notes.append(f"There is no labelled {split} split; split {counted(size, 'row')} off train {how} (seed {seed}).")
    splits["train"] = train
    return DatasetDict({split: splits[split] for split in SPLITS if split in splits}), notes


def _report_duplicates(splits: DatasetDict) -> list[str]:
    if "test" not in splits:
        return []
    learned_from = {hash(text) for split in splits if split != "test" for text in texts_of(splits[split])}
    count = sum(hash(text) in learned_from for text in texts_of(splits["test"]))
    total = counted(len(splits["test"]), "test text")
    return [f"Of {total}, {count:,} also occur, word for word, in train or validation; kept."]


def texts_of(rows: Dataset) -> Iterator[str]:
    """The texts of a split, without loading all of its columns."""
    for batch in rows.select_columns("text").iter(batch_size=1000):
        yield from batch["text"]
