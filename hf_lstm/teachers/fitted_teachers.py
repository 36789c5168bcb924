"""Teachers that are fitted to the labels of the training texts, and what every teacher has in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.metrics import log_loss
from sklearn.preprocessing import normalize

from ..knowledge import embed_texts, load_encoder
from .linear import (
    LATENT_LENGTH,
    Features,
    LinearModel,
    NgramModel,
    latent_vectors,
    ngram_vectorizer,
    predict_out_of_fold,
)

# Values of `C` for vectors of the length `LATENT_LENGTH`; the best one is found with at most this number of texts.
REGULARIZATIONS = (0.003, 0.03, 0.3, 3.0)
MAX_TUNING_TEXTS = 2_000


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
        parts: Without unlabelled texts, the folds of [`predict_out_of_fold`].
    """

    label_names: Sequence[str]
    problem_type: str
    train_texts: list[str]
    targets: np.ndarray
    unlabelled: list[str] | None
    parts: Sequence[tuple[np.ndarray, np.ndarray]] | None = None

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


class Teacher(ABC):
    """
    Anything that predicts soft labels.

    Args:
        name: What messages and records call the teacher.
    """

    name: str

    @abstractmethod
    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        """
        Predict the texts of a task.

        Args:
            task: Its `texts` are predicted.
            earlier: Predictions of the teachers before this one, `(texts, num_labels)` each.

        Returns:
            Probabilities, or scores, `(texts, num_labels)`.
        """

    def known_texts(self, texts: Sequence[str]) -> list[int]:
        """Return the numbers of the texts that the teacher can predict: all of them, unless it is a file."""
        return list(range(len(texts)))


@dataclass(frozen=True)
class FittedTeacher(Teacher):
    """
    A linear model that is fitted to the labels and, for unlabelled texts, to the predictions of earlier teachers.

    Without unlabelled texts, each training text is predicted by a model that did not see its label.

    Args:
        name: Its name.
        model_class: The model.
        features_of: Returns the features of all texts of a task, given the rows whose targets may be used.
    """

    name: str
    model_class: type[LinearModel]
    features_of: Callable[[Task, np.ndarray], Features]

    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        model, labelled = self.model_class(task.problem_type), len(task.targets)
        if task.unlabelled is None:
            return predict_out_of_fold(model, lambda rows: self.features_of(task, rows), task.targets, task.parts)
        features = self.features_of(task, np.arange(labelled))  # (labelled and unlabelled texts, features)
        targets = np.concatenate([task.targets, np.mean(earlier, axis=0)]) if earlier else task.targets
        return model.fit(features[: len(targets)], targets).predict(features[labelled:])


def _latent_features(task: Task, rows: np.ndarray) -> np.ndarray:
    targets = None if task.problem_type == "regression" else task.targets[rows]
    return latent_vectors(task.ngrams, targets, rows)  # (texts, size)


FITTED_TEACHERS = {
    "linear": FittedTeacher("linear", NgramModel, lambda task, rows: task.ngrams),
    "latent": FittedTeacher("latent", LinearModel, _latent_features),
}


@dataclass
class EncoderTeacher(Teacher):
    """
    Logistic or ridge regression on the vectors of a sentence encoder, fitted to the labels.

    Without unlabelled texts, each training text is predicted by a model that did not see its label. The vectors of the
    training texts are computed once, and the encoder is loaded once and kept as long as the teacher.

    Args:
        source: Folder or Hub id of the encoder.
        trust_remote_code: Run the code of a repository that has its own model class.
    """

    source: str
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        self.name = f"encoder:{self.source}"
        self._fitted_to: tuple[list[str], np.ndarray] | None = None

    @cached_property
    def _encoder(self) -> Any:
        return load_encoder(self.source, self.trust_remote_code)

    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        if self._fitted_to is None or self._fitted_to[0] != task.train_texts:
            self._fitted_to = task.train_texts, self._vectors(task.train_texts)
        vectors = self._fitted_to[1]  # (labelled texts, size)
        model = _regularized_model(vectors, task)
        if task.unlabelled is None:
            return predict_out_of_fold(model, lambda rows: vectors, task.targets, task.parts)
        return model.fit(vectors, task.targets).predict(self._vectors(task.unlabelled))

    def _vectors(self, texts: list[str]) -> np.ndarray:
        return normalize(embed_texts(self._encoder, texts)) * LATENT_LENGTH  # (texts, size)


def _regularized_model(vectors: np.ndarray, task: Task) -> LinearModel:
    """Return a model whose regularization has the lowest log loss on texts that it was not fitted to."""
    model = LinearModel(task.problem_type)
    if task.problem_type == "regression":
        return model
    rows = np.random.default_rng(0).permutation(len(vectors))[:MAX_TUNING_TEXTS]
    losses = []
    for value in REGULARIZATIONS:
        model.inverse_regularization = value
        predicted = predict_out_of_fold(model, lambda _: vectors[rows], task.targets[rows])  # (texts, num_labels)
        # Every probability counts as that of a yes or no, which fits single-label and multi-label data.
        losses.append(log_loss(task.targets[rows].ravel() > 0.5, predicted.ravel(), labels=[False, True]))
    model.inverse_regularization = REGULARIZATIONS[int(np.argmin(losses))]
    return model
