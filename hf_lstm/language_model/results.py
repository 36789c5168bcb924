"""Files that the language-model recipe writes: models in half precision, teacher probabilities, the report."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from ..models import LstmPreTrainedModel
from ..saving import atomic_folder
from .packed import NO_LABEL, PackedCorpus

# Largest size of a file of weights, in bytes; a single tensor is never divided.
MAX_FILE_BYTES = 15_000_000

PROBABILITIES_FILE = "probabilities.npz"

REPORT_FILE = "report.json"

# Where the rows of each split of the packed corpus were in the original corpus.
ORIGINAL_SPLITS = {"train": ("train", "validation"), "unsupervised": ("unsupervised",), "test": ("test",)}


def save_half(model: LstmPreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: str | os.PathLike) -> int:
    """
    Save a model with its weights rounded to fp16, in files of at most 15 MB, and its tokenizer.

    `from_pretrained` loads the folder.

    Returns:
        Size of the largest file in bytes.
    """
    weights = {name: weight.half() for name, weight in model.state_dict().items()}
    with atomic_folder(folder) as partial:
        model.save_pretrained(partial, state_dict=weights, max_shard_size=MAX_FILE_BYTES)
        tokenizer.save_pretrained(partial)
    return max(path.stat().st_size for path in Path(folder).iterdir())


def save_probabilities(probabilities: np.ndarray, corpus: PackedCorpus, folder: str | os.PathLike) -> None:
    """
    Save probabilities by row of the original corpus: one float16 array `(rows, num_labels)` per split.

    Args:
        probabilities: `(texts, num_labels)`, in the order of the packed corpus.
        corpus: The packed corpus. Rows that it lacks are NaN.
        folder: Where to write `probabilities.npz`.
    """
    arrays: dict[str, Any] = {}
    for name, parts in ORIGINAL_SPLITS.items():
        texts = np.concatenate([corpus.indices(part) for part in parts])
        if len(texts):
            rows = corpus.rows[texts]
            table = np.full((int(rows.max()) + 1, probabilities.shape[1]), np.nan, np.float16)
            table[rows] = probabilities[texts].astype(np.float16)
            arrays[name] = table
    with atomic_folder(folder) as partial:
        np.savez_compressed(partial / PROBABILITIES_FILE, label_names=np.array(corpus.label_names), **arrays)


def read_probabilities_by_row(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """
    Read what [`save_probabilities`] wrote.

    Returns:
        Probabilities `(rows, num_labels)` of each split, and the label names.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a teacher file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no teacher file {path}; `hf-lstm reproduce lstm-imdb-lm` writes one.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            tables = {name: arrays[name] for name in arrays.files}
        names = tuple(str(name) for name in tables.pop("label_names"))
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a file of probabilities by row: {error}.") from error
    return tables, names


def save_report(report: dict[str, Any], folder: str | os.PathLike) -> None:
    with atomic_folder(folder) as partial:
        (partial / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def accuracy_of_split(probabilities: np.ndarray, corpus: PackedCorpus, split: str) -> float | None:
    """Return the accuracy on the labelled texts of a split, or `None` if it has none."""
    texts = corpus.indices(split)
    texts = texts[corpus.labels[texts] != NO_LABEL]
    if not len(texts):
        return None
    return float((probabilities[texts].argmax(1) == corpus.labels[texts]).mean())
