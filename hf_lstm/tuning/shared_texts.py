"""Labelled and tokenized texts that the trials of a search share."""

import os
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import DatasetDict, concatenate_datasets
from sklearn.model_selection import KFold, StratifiedKFold

from ..data import Corpus
from ..training import TokenizedTexts, label_unlabelled, tokenize_texts
from .search_space import Groups

# Below this number of training rows, a trial is measured by cross-validation: a validation split of a tenth of them has
# at most 200 texts, where the standard error of an accuracy of 0.8 is 3 points.
MIN_ROWS, FOLDS = 2_000, 3

# Tokenized corpora that are kept in memory.
MAX_KEPT = 8


@dataclass
class SharedTexts:
    """
    The texts of a corpus, labelled once for each set of teachers and tokenized once for each tokenizer.

    The test split is not tokenized.

    Args:
        corpus: The labelled texts.
        notes: Notes on the corpus.
        folder: Folder for the soft labels of teachers.
    """

    corpus: Corpus
    notes: list[str]
    folder: Path
    _labelled: dict[str, tuple[DatasetDict, list[str]]] = field(default_factory=dict)
    _tokenized: dict[tuple, tuple[TokenizedTexts, list[str]]] = field(default_factory=dict)

    def tokenized(self, groups: Groups) -> tuple[TokenizedTexts, list[str]]:
        """
        Return the tokenized training and validation texts, and all notes on them.

        Args:
            groups: Arguments with the teachers and the tokenizer.
        """
        model = groups.model
        size = model.embedding_size if model.vector_source else None
        key = (repr(groups.data.teacher), model.tokenizer, model.vocab_size, model.lowercase, size)
        if key not in self._tokenized:
            labelled, notes = self._label(groups)
            splits = DatasetDict({split: labelled[split] for split in ("train", "validation")})
            notes = [*self.notes, *notes]
            texts = tokenize_texts(splits, groups.data, model, groups.training, notes)
            self._tokenized[key] = texts, notes
            if len(self._tokenized) > MAX_KEPT:
                del self._tokenized[next(iter(self._tokenized))]
        texts, notes = self._tokenized[key]
        if texts.vectors is not None:
            model = replace(model, embedding_size=texts.vectors.shape[1])
        return texts._replace(model=model), list(notes)

    def soft_labels_folder(self, groups: Groups) -> Path:
        """Return the folder with the soft labels of the teachers, which each process writes for itself."""
        teachers = [str(teacher).replace("/", "_") for teacher in groups.data.teacher or ()]
        return self.folder / "-".join([f"labels{os.getpid()}", *teachers])

    def _label(self, groups: Groups) -> tuple[DatasetDict, list[str]]:
        key = repr(groups.data.teacher)
        if key not in self._labelled:
            notes: list[str] = []
            args = copy(groups.training)
            args.output_dir = str(self.soft_labels_folder(groups))
            splits, _ = label_unlabelled(self.corpus, groups.data, args, notes)
            self._labelled[key] = splits, notes
        return self._labelled[key]


def validation_corpora(corpus: Corpus, seed: int) -> list[Corpus]:
    """
    Return the corpora on which a trial is measured: the corpus, or folds of a small one.

    Args:
        corpus: The labelled texts. A fold is made of its training and validation rows; test rows remain test rows.
        seed: Seed of the folds.

    Returns:
        The corpus, or [`FOLDS`] corpora whose validation splits are disjoint and together contain all rows.
    """
    train, validation = corpus.splits["train"], corpus.splits["validation"]
    if len(train) >= MIN_ROWS or len(train) + len(validation) < 2 * FOLDS:
        return [corpus]
    rows = concatenate_datasets([train, validation])
    labels: Any = np.array(rows["labels"][:])
    is_stratified = corpus.problem_type == "single_label_classification" and min(np.bincount(labels)) >= FOLDS
    splitter = (StratifiedKFold if is_stratified else KFold)(FOLDS, shuffle=True, random_state=seed)
    return [
        replace(
            corpus, splits=DatasetDict(corpus.splits | {"train": rows.select(fit), "validation": rows.select(held)})
        )
        for fit, held in splitter.split(np.zeros(len(rows)), labels if is_stratified else None)
    ]
