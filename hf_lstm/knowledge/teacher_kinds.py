"""The kinds of teachers: fitted linear models, files of probabilities, and saved classifiers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from ..data import FILE_SUFFIXES, stream_file
from ..inference import fastest_device, load_model_and_tokenizer, match_labels, predict_texts, probabilities
from ..messages import format_count
from ..models import ROUNDING
from ..text import clean_text
from .linear import Features, LinearModel, NgramModel, latent_vectors, ngram_vectorizer, predict_out_of_fold


@dataclass
class Task:
    """
    Texts that teachers label, and labelled texts that some of them are fitted to.

    Args:
        label_names: Names of the labels.
        problem_type: As in the config of a model.
        train_texts: The labelled texts.
        targets: `(labelled texts, num_labels)`, probabilities, or scores for a regression.
        unlabelled: Texts to label, or `None` to label the training texts.
    """

    label_names: Sequence[str]
    problem_type: str
    train_texts: list[str]
    targets: np.ndarray
    unlabelled: list[str] | None

    @property
    def texts(self) -> list[str]:
        """The texts to label."""
        return self.train_texts if self.unlabelled is None else self.unlabelled

    @cached_property
    def ngrams(self) -> sp.csr_matrix:
        """N-grams of the training texts, followed by those of the unlabelled texts: `(all texts, n-grams)`."""
        try:
            return ngram_vectorizer().fit_transform(self.train_texts + (self.unlabelled or []))
        except ValueError:
            raise ValueError(
                f"No word occurs in two texts, so the teachers {' and '.join(FITTED_TEACHERS)} cannot be fitted. "
                "Remove them."
            ) from None


class Teacher(Protocol):
    """Anything that predicts soft labels."""

    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        """
        Predict the texts of a task.

        Args:
            task: Its `texts` are predicted.
            earlier: Predictions of the teachers before this one, `(texts, num_labels)` each.

        Returns:
            Probabilities, or scores, `(texts, num_labels)`.
        """


@dataclass(frozen=True)
class FittedTeacher:
    """
    A linear model that is fitted to the labels and, for unlabelled texts, to the predictions of earlier teachers.

    Without unlabelled texts, each training text is predicted by a model that did not see its label.

    Args:
        model_class: The model.
        features_of: Returns the features of all texts of a task, given the rows whose targets may be used.
    """

    model_class: type[LinearModel]
    features_of: Callable[[Task, np.ndarray], Features]

    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        model, labelled = self.model_class(task.problem_type), len(task.targets)
        if task.unlabelled is None:
            return predict_out_of_fold(model, lambda rows: self.features_of(task, rows), task.targets)
        features = self.features_of(task, np.arange(labelled))  # (labelled and unlabelled texts, features)
        targets = np.concatenate([task.targets, np.mean(earlier, axis=0)]) if earlier else task.targets
        return model.fit(features[: len(targets)], targets).predict(features[labelled:])


def _latent_features(task: Task, rows: np.ndarray) -> np.ndarray:
    targets = None if task.problem_type == "regression" else task.targets[rows]
    return latent_vectors(task.ngrams, targets, rows)  # (texts, size)


FITTED_TEACHERS = {
    "linear": FittedTeacher(NgramModel, lambda task, rows: task.ngrams),
    "latent": FittedTeacher(LinearModel, _latent_features),
}


@dataclass(frozen=True)
class FileTeacher:
    """Probabilities in a file; see [`read_probabilities`]."""

    path: str

    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        return read_probabilities(self.path, task.texts, task.label_names, task.problem_type)


@dataclass(frozen=True)
class SavedClassifier:
    """A classifier in a folder or on the Hub, with the same labels in any order."""

    source: str

    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        model, tokenizer = load_model_and_tokenizer(self.source)
        columns = match_labels(model.config, task.label_names, task.problem_type, self.source)
        model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
        logits = predict_texts(model, tokenizer, task.texts, show_progress=True)  # (texts, labels of the teacher)
        return probabilities(logits[:, columns], task.problem_type)


def find_teacher(name: str) -> Teacher:
    """
    Return a teacher by its name.

    Args:
        name: `linear`, `latent`, a file of probabilities, or a folder or Hub id of a classifier.
    """
    if name in FITTED_TEACHERS:
        return FITTED_TEACHERS[name]
    return FileTeacher(name) if Path(name).suffix.lower() in FILE_SUFFIXES else SavedClassifier(name)


def read_probabilities(path: str, texts: Sequence[str], label_names: Sequence[str], problem_type: str) -> np.ndarray:
    """
    Read the probabilities of texts from a file.

    Args:
        path: csv, tsv, json, jsonl or parquet file with the column `text` and one column per label.
        texts: Texts to look up. The file may have them in any order, and others.
        label_names: Names of the labels.
        problem_type: As in the config of a model. The probabilities of a single-label classification must sum to 1. A
            regression has scores of any size.

    Returns:
        `(texts, num_labels)`.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: A column or text is missing, or a value is not a number or not a probability.
    """
    rows: dict[str, list[float]] = {}
    for row in stream_file(path):
        if missing := [name for name in ("text", *label_names) if name not in row]:
            raise ValueError(
                f"{path} has no column {missing[0]!r}. It needs the column `text` and one column per label: "
                f"{', '.join(label_names)}."
            )
        try:
            rows[row["text"]] = [float(row[name]) for name in label_names]
        except (TypeError, ValueError):
            found = [row[name] for name in label_names]
            raise ValueError(
                f"{path} has {found} in the columns {', '.join(label_names)} of {_start(row['text'])}. These must be "
                "numbers."
            ) from None
    cleaned = [clean_text(text) for text in texts]  # as `stream_file` does
    if absent := [text for text in cleaned if text not in rows]:
        raise ValueError(
            f"{path} has no probabilities for {len(absent):,} of {format_count(len(texts), 'text')}. The first one is "
            f"{_start(absent[0])}."
        )
    values = np.array([rows[text] for text in cleaned])  # (texts, num_labels)
    valid = np.isfinite(values).all(1)  # (texts,)
    if problem_type != "regression":
        valid &= ((values >= 0) & (values <= 1)).all(1)
    if problem_type == "single_label_classification":
        valid &= np.abs(values.sum(1) - 1) <= ROUNDING * len(label_names)
    if not valid.all():
        first = int(np.flatnonzero(~valid)[0])
        expected = {
            "regression": "finite scores",
            "multi_label_classification": "probabilities from 0 to 1",
            "single_label_classification": "probabilities that sum to 1",
        }[problem_type]
        raise ValueError(
            f"{path} must have {expected}, but the values of {_start(cleaned[first])} are from "
            f"{values[first].min():g} to {values[first].max():g} with a sum of {values[first].sum():g}."
        )
    return values


def _start(text: object) -> str:
    """The first characters of a text, for a message."""
    return repr(text[:40] if isinstance(text, str) else text)
