"""Combine labels with those of a trained classifier, add rows of earlier data, and drop rows of an audit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import ClassLabel, Dataset, DatasetDict, List, Value, concatenate_datasets
from safetensors import safe_open
from torch import nn
from transformers.utils import SAFE_WEIGHTS_NAME
from transformers.utils.hub import cached_file

from ..data import Corpus, iterate_texts
from ..evaluation import align_labels, label_names
from ..inference import load_config
from ..messages import format_count, format_names
from ..models import LstmConfig, LstmForSequenceClassification

# File of an audit with the text and the label of every training row, the most suspicious row first.
SUSPICIOUS_FILE = "label_errors.csv"

HEAD_WEIGHT, HEAD_BIAS = "classifier.weight", "classifier.bias"


def weight_names(source: str) -> list[str]:
    """Return the names of the weights of a saved model, given its folder or Hub id."""
    with safe_open(cached_file(source, SAFE_WEIGHTS_NAME), framework="pt") as weights:
        return list(weights.keys())


def trained_labels(source: str) -> tuple[str | None, tuple[str, ...]] | None:
    """
    Return the problem type and the label names of a saved classifier.

    Args:
        source: Folder or Hub id of a saved model.

    Returns:
        The problem type and the names in the order of the outputs, or `None` for a model without a classifier head.
    """
    config = load_config(source)
    if HEAD_WEIGHT not in weight_names(source):
        return None
    return config.problem_type, tuple(label_names(config))


def keep_trained_labels(corpus: Corpus, source: str, drop_missing: bool = False) -> Corpus:
    """
    Put the labels of a corpus in the order of a trained classifier that is fine-tuned, followed by new labels.

    Args:
        corpus: The labelled texts.
        source: Folder or Hub id of the model to start from.
        drop_missing: Remove labels of the classifier that do not occur in the corpus. By default they are kept, because
            new data often has rows of new labels only.

    Returns:
        The corpus with label ids for the combined labels, and a note on kept, added and dropped labels. A corpus of
        another problem type, or a model without a classifier head, does not change the labels.
    """
    trained = trained_labels(source)
    if trained is None:
        return corpus
    problem_type, old = trained
    if problem_type != corpus.problem_type:
        note = f"{source} was trained for {problem_type}, not for {corpus.problem_type}: its head is not used."
        return replace(corpus, notes=(*corpus.notes, note))
    if problem_type == "regression":
        return corpus
    present = set(corpus.label_names)
    missing = [name for name in old if name not in present]
    kept = [name for name in old if name in present or not drop_missing]
    added = [name for name in corpus.label_names if name not in old]
    notes = [_describe_change(source, old, added, missing, drop_missing)]
    if missing and not drop_missing:
        notes.append(
            "Labels without rows are forgotten in training: add rows of them with --rehearse, or remove them with "
            "--drop_missing_labels."
        )
    encoded = encode_labels(corpus, (*kept, *added))
    return replace(encoded, notes=(*corpus.notes, *notes))


def _describe_change(
    source: str, old: Sequence[str], added: Sequence[str], missing: Sequence[str], drop_missing: bool
) -> str:
    """Return one sentence with the labels that were kept, added and dropped."""
    absent = set(missing)
    groups = {
        "kept": [name for name in old if name not in absent],
        "dropped" if drop_missing else "kept without rows in the data": missing,
        "added": added,
    }
    parts = [f"{what} {len(names):,} ({format_names(list(names))})" for what, names in groups.items() if names]
    return f"Labels of {source}: {'; '.join(parts)}."


def encode_labels(corpus: Corpus, names: Sequence[str]) -> Corpus:
    """
    Return a classification corpus with other label ids.

    Args:
        corpus: The labelled texts.
        names: Names of the labels in the new order. All labels of the corpus must be among them.
    """
    if tuple(names) == corpus.label_names:
        return corpus
    ids = {name: i for i, name in enumerate(names)}
    fields: dict[str, Any] = {"problem_type": corpus.problem_type, "id2label": dict(enumerate(names)), "label2id": ids}
    config = LstmConfig(**fields)
    if corpus.problem_type == "single_label_classification":
        feature = ClassLabel(names=list(names))
    else:
        feature = List(Value("float32"), length=len(names))
    splits = DatasetDict(
        {
            split: align_labels(rows, corpus, config).cast_column("labels", feature)
            for split, rows in corpus.splits.items()
        }
    )
    return replace(corpus, splits=splits, label_names=tuple(names))


def add_rehearsal(corpus: Corpus, earlier: Corpus, source: str, name: str) -> Corpus:
    """
    Add rows of the data of an earlier training, so that its labels are not forgotten.

    The rows of its train split are trained on. Those of its validation split join the validation split, so that the
    best checkpoint is the best for old and new labels.

    Args:
        corpus: The new data.
        earlier: The data of the earlier training.
        source: Folder or Hub id of the trained classifier.
        name: What messages call the earlier data.

    Returns:
        The corpus with the labels of both, and a note with the number of added rows.

    Raises:
        ValueError: The earlier data has another problem type or a label that the classifier does not have, or the model
            is not a classifier.
    """
    trained = trained_labels(source)
    if trained is None:
        raise ValueError(f"`--rehearse` requires a trained classifier, but {source} has no classifier head.")
    if not corpus.problem_type == earlier.problem_type == trained[0]:
        raise ValueError(
            f"`--rehearse` requires the same problem type: {source} is for {trained[0]}, {name} for "
            f"{earlier.problem_type}, and the new data for {corpus.problem_type}."
        )
    labels = "scores"
    if corpus.problem_type != "regression":
        if unknown := [label for label in earlier.label_names if label not in trained[1]]:
            raise ValueError(
                f"{name} (`--rehearse`) has labels that {source} does not have: {format_names(unknown)}. Remove these "
                "rows, or move them to the new data."
            )
        known = set(corpus.label_names)
        names = (*corpus.label_names, *(label for label in earlier.label_names if label not in known))
        labels = f"{len(earlier.label_names):,} labels"
        corpus, earlier = encode_labels(corpus, names), encode_labels(earlier, names)
    splits, counts, left_out = DatasetDict(corpus.splits), [], 0
    for split in ("train", "validation"):
        others = [corpus.splits[other] for other in corpus.splits if other != split]
        if split == "train":
            others.append(earlier.splits["validation"])
        rows = _without_texts(earlier.splits[split], others)
        left_out += len(earlier.splits[split]) - len(rows)
        splits[split] = concatenate_datasets([corpus.splits[split], rows])
        counts.append(f"{format_count(len(rows), 'row')} to {split}")
    note = f"Added {' and '.join(counts)} from {name} (--rehearse), with {labels}."
    if left_out:
        note += f" Left out {format_count(left_out, 'row')} whose text is in another split."
    return replace(corpus, splits=splits, notes=(*corpus.notes, note))


def _without_texts(rows: Dataset, others: Sequence[Dataset]) -> Dataset:
    """Return the rows whose text is in none of the other tables."""
    known = {text for table in others for text in iterate_texts(table)}
    return rows.select([i for i, text in enumerate(iterate_texts(rows)) if text not in known])


def name_labels(corpus: Corpus, labels: np.ndarray) -> list[str]:
    """
    Return the label of each row as one string; several labels of a row are separated by ", ".

    Args:
        corpus: A single-label or multi-label corpus.
        labels: Class ids `(rows,)`, or for a multi-label corpus 0 and 1 `(rows, num_labels)`.
    """
    if corpus.problem_type == "single_label_classification":
        return [corpus.label_names[label] for label in labels]
    return [", ".join(corpus.label_names[label] for label in np.flatnonzero(row)) for row in labels]


def drop_suspicious(corpus: Corpus, count: int, folder: str) -> Corpus:
    """
    Remove the rows with the most suspicious labels of an audit from the training rows.

    Args:
        corpus: The labelled texts. Its validation and test rows are kept.
        count: Number of rows from the start of the list.
        folder: Folder of an audit of the same data.

    Returns:
        The corpus, and a note with the number of removed rows. Audited rows that became validation or test rows are not
        trained on anyway.

    Raises:
        ValueError: There is no audit, it is of other data, or too few rows would be left.
    """
    path = Path(folder) / SUSPICIOUS_FILE
    if corpus.problem_type == "regression":
        raise ValueError("`--drop_suspicious` requires classes, but the labels are scores (regression).")
    if not path.is_file():
        raise ValueError(
            f"`--drop_suspicious` requires an audit, but there is no {path}. Run `hf-lstm audit` on the same data "
            "first, or set --audit_dir."
        )
    listed = pd.read_csv(path, usecols=["text", "label"], dtype=str, keep_default_na=False)
    if not 0 < count < len(listed):
        raise ValueError(f"`drop_suspicious` must be between 1 and {len(listed) - 1:,} for {path}, got {count:,}.")
    # Rows are found by their content, because their numbers change when a validation split is taken from them.
    wanted = Counter(zip(listed["text"][:count], listed["label"][:count], strict=True))
    splits, found = DatasetDict(corpus.splits), {}
    for split, rows in corpus.splits.items():
        kept, before = [], wanted.total()
        labels = name_labels(corpus, np.array(rows["labels"][:]))
        for number, row in enumerate(zip(iterate_texts(rows), labels, strict=True)):
            if wanted[row] > 0:
                wanted[row] -= 1
            else:
                kept.append(number)
        found[split] = before - wanted.total()
        if split == "train":
            splits["train"] = rows.select(kept)
            left = set(name_labels(corpus, np.array(rows["labels"][:])[kept]))
            if corpus.problem_type == "single_label_classification" and len(left) < len(set(labels)):
                lost = format_names(sorted({*labels} - left))
                raise ValueError(f"`--drop_suspicious {count}` would leave no training row of {lost}. Lower it.")
    if missing := wanted.total():
        raise ValueError(
            f"{path} is of other data: {format_count(missing, 'row')} of the first {count:,} "
            f"{'is' if missing == 1 else 'are'} not in this data. Run `hf-lstm audit` on it."
        )
    note = f"Dropped {format_count(found['train'], 'training row')} with suspicious labels ({path})."
    if others := count - found["train"]:
        note += f" {others:,} more of the first {count:,} are validation or test rows, which are kept."
    return replace(corpus, splits=splits, notes=(*corpus.notes, note))


@torch.no_grad()
def copy_head(model: LstmForSequenceClassification, source: str) -> int:
    """
    Copy the head of a saved classifier into a model row by row, matching the labels by name, and initialise other rows.

    Args:
        model: The new classifier. The outputs of a regression are matched by their number.
        source: Folder or Hub id of a saved model.

    Returns:
        The number of rows that were copied; 0 for another problem type, another pooling, or a model without a head.
    """
    config, head, trained = model.config, model.classifier, trained_labels(source)
    nn.init.normal_(head.weight, std=config.initializer_range)
    nn.init.zeros_(head.bias)
    if trained is None or trained[0] != config.problem_type:
        return 0
    with safe_open(cached_file(source, SAFE_WEIGHTS_NAME), framework="pt") as weights:
        weight, bias = weights.get_tensor(HEAD_WEIGHT), weights.get_tensor(HEAD_BIAS)
    if weight.shape[1] != head.in_features:
        return 0
    if config.problem_type == "regression":
        pairs = [(row, row) for row in range(len(bias))] if bias.shape == head.bias.shape else []
    else:
        old = {name: row for row, name in enumerate(trained[1])}
        pairs = [(row, old[name]) for row, name in enumerate(label_names(config)) if name in old]
    for row, old_row in pairs:
        head.weight[row] = weight[old_row].to(head.weight.dtype)
        head.bias[row] = bias[old_row].to(head.bias.dtype)
    return len(pairs)
