"""Any labelled text corpus as train, validation and test splits with the columns `text` and `labels`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

from .reading import read_source, stream_file
from .sample_reviews import build_sample_reviews
from .tokenization import clean_text

__all__ = ["Corpus", "clean_text", "find_column", "load_corpus", "stream_file", "tokenize_corpus"]

SPLITS = ("train", "validation", "test")
TEXT_COLUMNS = ("text", "sentence", "review", "content", "question", "document", "comment", "tweet", "message", "body")
LABEL_COLUMNS = ("label", "labels", "sentiment", "category", "class", "target", "intent", "emotion", "topic", "score")
# More classes than this, and more than half as many as there are rows: an id or a free text, not a label.
MAX_DISTINCT_LABELS = 1000

_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")
_WHOLE_NUMBER = re.compile(r"[-+]?\d+")


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
    """

    splits: DatasetDict
    label_names: tuple[str, ...]
    problem_type: str
    notes: tuple[str, ...]


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
    for split in [split for split in raw if split not in SPLITS]:
        notes.append(
            f"Put aside the split {split!r} ({_count(raw.pop(split).num_rows, 'row')}): not train, validation or test."
        )
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
    tables = {}
    for split, rows in raw.items():
        table, note = _complete_rows(rows, text_column, label_column, f"the {split} split of {name}")
        notes += note
        if table is not None:
            tables[split] = table
    if "train" not in tables:
        raise ValueError(
            f"Column {label_column!r} of {name} holds no label in the train split; name another label_column."
        )
    target = _find_target(tables, f"column {label_column!r} of {name}")
    described = {
        "single_label_classification": f"one of {len(target.names):,} classes",
        "multi_label_classification": f"any of {len(target.names):,} labels",
        "regression": "a score to regress",
    }
    notes.append(f"Text from column {text_column!r}, target from {label_column!r}: {described[target.problem_type]}.")

    splits = DatasetDict()
    for split in [split for split in SPLITS if split in tables]:
        ids = _label_ids(tables[split], target, f"the {split} split of {name}")
        if ids is None:
            notes.append(
                f"The {split} split ({_count(len(tables[split].kept), 'row')}) has only the label -1; put aside."
            )
        else:
            splits[split] = _encode(tables[split], ids, target)
    splits, note = _split_off(splits, target.problem_type, validation_fraction, seed, name)
    notes += note + _report_duplicates(splits)
    return Corpus(splits, target.names or (label_column,), target.problem_type, tuple(notes))


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


# ---- Understanding: raw columns become text and labels ----


@dataclass(frozen=True)
class _Table:
    rows: Dataset  # columns text and labels, nothing missing
    labels: pa.Array  # the label column as found
    kept: np.ndarray  # index of each row in the split as read


def _complete_rows(rows: Dataset, text_column: str, label_column: str, where: str) -> tuple[_Table | None, list[str]]:
    """Drops the rows that lack a text or a label, and says how many."""
    if label_column not in rows.column_names:
        return None, [f"{_upper(where)} has no column {label_column!r}; put aside as unlabelled."]
    if text_column not in rows.column_names:
        raise ValueError(
            f"{_upper(where)} has no column {text_column!r}; its columns are: {', '.join(rows.column_names)}."
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
        return None, [f"{_upper(where)} ({_count(len(no_label), 'row')}) has no labels; put aside as unlabelled."]
    notes = []
    if no_text.any():
        notes.append(f"Skipped {_count(no_text.sum(), 'row')} of {where} without a text.")
    if (no_label & ~no_text).any():
        notes.append(f"Skipped {_count((no_label & ~no_text).sum(), 'row')} of {where} without a label.")
    kept = np.flatnonzero(~(no_text | no_label))
    if not len(kept):
        raise ValueError(f"{_upper(where)} has no row with both a text and a label.")
    if len(kept) < len(rows):
        rows, table = rows.select(kept), table.take(kept)
    blank = pc.sum(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(table["text"])), 0)).as_py()
    if blank:
        notes.append(f"Kept {_count(blank, 'text')} of {where} with nothing but white space.")
    return _Table(rows, table["labels"].combine_chunks(), kept), notes


def _upper(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


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


def _names_of(table: _Table) -> dict[Any, str]:
    """Maps each label value that occurs to its name."""
    feature = _item_feature(table.rows.features["labels"])
    values = pc.unique(_items(table.labels)).to_pylist()
    return {
        value: feature.int2str(value) if isinstance(feature, ClassLabel) else _label_name(value) for value in values
    }


@dataclass(frozen=True)
class _Target:
    problem_type: str
    names: tuple[str, ...] = ()
    multi_hot: bool = False  # the column holds 0/1 vectors already


def _find_target(tables: dict[str, _Table], where: str) -> _Target:
    """Decides from the train split what is to be predicted."""
    train = tables["train"]
    feature, labels = train.rows.features["labels"], train.labels
    kind = _items(labels).type
    if not any(test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean,
                                       pa.types.is_string, pa.types.is_large_string)):  # fmt: skip
        raise ValueError(f"{_upper(where)} holds {kind}, not labels; name the right one as label_column.")
    occurring = set(_names_of(train).values())
    if len(occurring) < 2:
        raise ValueError(
            f"{_upper(where)} has one class only in the train split ({', '.join(occurring)}); two are needed."
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
                    f"{_upper(where)} holds lists of fractions; a list must hold the names or ids of labels."
                )
            return _Target("regression")
        if len(names) > max(MAX_DISTINCT_LABELS, len(train.kept) / 2):
            raise ValueError(
                f"{_upper(where)} has {len(names):,} different values in {len(train.kept):,} rows, too many for "
                "classes; name the right one as label_column."
            )
    # Lists of one label each, as the format of fastText gives them, are plain classes.
    if not is_list or all(pc.all(pc.equal(pc.list_value_length(table.labels), 1)).as_py() for table in tables.values()
                          if _is_list(table.labels.type)):  # fmt: skip
        return _Target("single_label_classification", names)
    widths = pc.unique(pc.list_value_length(labels)).to_pylist()
    if occurring == {"0", "1"} and len(widths) == 1:
        return _Target("multi_label_classification", tuple(map(str, range(widths[0]))), multi_hot=True)
    return _Target("multi_label_classification", names)


def _label_ids(table: _Table, target: _Target, where: str) -> dict[Any, Any] | None:
    """Maps each label value that occurs in a split to its id (regression: its score); None if all of them are -1."""
    names = _names_of(table)
    if target.problem_type == "regression":
        ids = {value: float(name) for value, name in names.items() if _NUMBER.fullmatch(name)}
    elif target.multi_hot:
        width = pc.list_value_length(table.labels)
        if not pc.all(pc.equal(width, len(target.names))).as_py() or not {*names.values()} <= {"0", "1"}:
            raise ValueError(
                f"{_upper(where)} must have {len(target.names)} labels of 0 or 1 in every row, as train has."
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
            f"{_upper(where)} has the label {names[unknown[0]]!r} (row {table.kept[first] + 1:,}), which the train "
            "split does not have; correct it, or add such rows to train."
        )
    return ids


def _encode(table: _Table, ids: dict[Any, Any], target: _Target) -> Dataset:
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


def _encode_batch(batch: dict[str, list], ids: list[tuple[Any, Any]], target: _Target) -> dict[str, Any]:
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


# ---- Splitting ----


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
        raise ValueError(f"{name} has {_count(len(train), 'row')} to train on, too few to split; add rows.")
    for split in wanted:
        stratify = problem_type == "single_label_classification"
        if stratify:
            counts = np.bincount(np.asarray(train.with_format("arrow")["labels"]), minlength=1)
            counts = counts[counts > 0]
            stratify = counts.min() > 1 and len(counts) <= size
        parts = train.train_test_split(size, seed=seed, stratify_by_column="labels" if stratify else None)
        train, splits[split] = parts["train"], parts["test"]
        how = "with the same share of each class" if stratify else "at random, without regard to labels"
        notes.append(f"There is no labelled {split} split; split {_count(size, 'row')} off train {how} (seed {seed}).")
    splits["train"] = train
    return DatasetDict({split: splits[split] for split in SPLITS if split in splits}), notes


def _report_duplicates(splits: DatasetDict) -> list[str]:
    if "test" not in splits:
        return []
    learned_from = {hash(text) for split in splits if split != "test" for text in _texts(splits[split])}
    count = sum(hash(text) in learned_from for text in _texts(splits["test"]))
    total = _count(len(splits["test"]), "test text")
    return [f"Of {total}, {count:,} also occur, word for word, in train or validation; kept."]


def _texts(rows: Dataset) -> Iterator[str]:
    for batch in rows.select_columns("text").iter(batch_size=1000):
        yield from batch["text"]
