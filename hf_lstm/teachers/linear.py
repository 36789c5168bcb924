"""Linear models of n-grams: strong alternatives to a recurrent model, and different enough to be its teachers."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

# Words, including an apostrophe ("don't"), and runs of ! and ?, which express sentiment.
WORD = r"(?u)\b\w+(?:'\w+)*\b|[!?]+"

FOLDS = 5

# Latent vectors use only the most frequent n-grams. Rare ones add little information about similar texts.
MAX_LATENT_NGRAMS = 200_000

# All latent vectors have this length, so that one regularization strength fits texts with any number of n-grams.
LATENT_LENGTH = 10

Features: TypeAlias = np.ndarray | sp.csr_matrix


def ngram_vectorizer() -> CountVectorizer:
    """Return a vectorizer for the presence of 1- to 3-grams that occur in at least 2 texts: `(texts, n-grams)`."""
    return CountVectorizer(ngram_range=(1, 3), min_df=2, binary=True, token_pattern=WORD, dtype=np.float32)


def naive_bayes_log_odds(ngrams: sp.csr_matrix, target: np.ndarray) -> np.ndarray:
    """
    Compute the log-odds of a label given each n-gram, with add-one smoothing.

    Args:
        ngrams: `(texts, n-grams)`, 1 where the n-gram occurs.
        target: `(texts,)`, probability of the label.

    Returns:
        `(n-grams,)`. It is 0 for n-grams that occur in fewer than 2 of the texts: one text is too little evidence, and
        for n-grams in none of them the smoothed counts would only reflect how frequent the label is.
    """
    frequent = np.asarray(ngrams.sum(0)).ravel() >= 2  # (n-grams,)
    positive, negative = ((ngrams.T @ part + 1)[frequent] for part in (target, 1 - target))  # (frequent n-grams,)
    log_odds = np.zeros(len(frequent), np.float32)
    log_odds[frequent] = np.log((positive / positive.sum()) / (negative / negative.sum()))
    return log_odds


def latent_vectors(
    ngrams: sp.csr_matrix, targets: np.ndarray | None, labelled: np.ndarray, size: int = 800
) -> np.ndarray:
    """
    Compute vectors of labelled and unlabelled texts that are similar for texts with related n-grams.

    The vectors are the singular vectors of the positive pointwise mutual information of texts and n-grams, scaled by
    the square root of the singular values. Levy and Goldberg (2014, https://papers.nips.cc/paper/5477) do the same with
    words and contexts. The information of an n-gram is weighted by the square root of its naive Bayes log-odds, because
    otherwise the first singular vectors separate topics rather than labels.

    Args:
        ngrams: `(texts, n-grams)`, 1 where the n-gram occurs.
        targets: `(labelled texts, num_labels)`, probabilities, or `None` for a regression, where all n-grams have the
            same weight.
        labelled: Rows of `ngrams` that `targets` belong to.
        size: Dimensions of a vector. On IMDB, 300 reduce the accuracy by 0.2 points.

    Returns:
        `(texts, size)`, with fewer dimensions if there are fewer texts or n-grams. Every vector has the length
        [`LATENT_LENGTH`], or 0 for a text without known n-grams.
    """
    texts_with = np.asarray(ngrams.sum(0)).ravel()  # (n-grams,)
    frequent = np.sort(np.argsort(-texts_with, kind="stable")[:MAX_LATENT_NGRAMS])
    ngrams, texts_with = ngrams[:, frequent], texts_with[frequent]
    entries = ngrams.tocoo()
    ngrams_in = np.asarray(ngrams.sum(1)).ravel()  # (texts,)
    information = np.log(ngrams.nnz / (ngrams_in[entries.row] * texts_with[entries.col]))  # (entries,)
    if targets is not None:
        log_odds = [naive_bayes_log_odds(ngrams[labelled], target) for target in targets.T]
        information *= np.sqrt(np.mean(np.abs(log_odds), axis=0))[entries.col]
    information = np.maximum(information, 0).astype(np.float32)
    matrix = sp.csr_matrix((information, (entries.row, entries.col)), shape=ngrams.shape)
    left, values, _ = randomized_svd(matrix, min(size, *matrix.shape), n_iter=2, random_state=0)
    return normalize(left * np.sqrt(values)) * LATENT_LENGTH


class LinearModel:
    """
    Logistic regression for each label, or ridge regression, with probabilities as targets.

    Args:
        problem_type: As in the config of a model.
    """

    # `C` of the logistic regression: smaller values regularize more.
    inverse_regularization = 0.03
    solver: dict[str, Any] = {"solver": "lbfgs"}

    def __init__(self, problem_type: str):
        self.problem_type = problem_type

    def feature_weights(self, features: Features, target: np.ndarray) -> sp.dia_matrix:
        """Return the weights of the features for one label, a diagonal matrix `(features, features)`."""
        return sp.identity(features.shape[1], dtype=np.float32, format="dia")

    def fit(self, features: Features, targets: np.ndarray) -> "LinearModel":
        """
        Fit the model and return it.

        Args:
            features: `(texts, features)`.
            targets: `(texts, num_labels)`, probabilities (0 or 1 for known labels), or scores for a regression.
        """
        if self.problem_type == "regression":
            self.regression = Ridge().fit(features, targets)
            return self
        # The probability of the first of two classes follows from that of the second.
        columns = targets[:, 1:] if self._is_binary(targets.shape[1]) else targets
        self.label_models = [self._fit_label(features, column) for column in columns.T]
        return self

    def _is_binary(self, num_labels: int) -> bool:
        return self.problem_type == "single_label_classification" and num_labels == 2

    def _fit_label(self, features: Features, target: np.ndarray) -> tuple[sp.dia_matrix, LogisticRegression | float]:
        """Return the feature weights and the regression, or the mean target if all texts have the same label."""
        weights, positive = self.feature_weights(features, target), target > 0.5
        if positive.all() or not positive.any():
            return weights, float(target.mean())
        regression = LogisticRegression(C=self.inverse_regularization, max_iter=300, random_state=0, **self.solver)
        # An uncertain target has a lower weight: 0 for a probability of 0.5.
        return weights, regression.fit(features @ weights, positive, sample_weight=np.abs(2 * target - 1))

    def predict(self, features: Features) -> np.ndarray:
        """Return the probabilities, or scores, `(texts, num_labels)`."""
        texts = features.shape[0]
        if self.problem_type == "regression":
            return self.regression.predict(features).reshape(texts, -1)
        columns = [
            np.full(texts, regression)
            if isinstance(regression, float)
            else regression.predict_proba(features @ weights)[:, 1]
            for weights, regression in self.label_models
        ]  # (texts,) each
        if self.problem_type == "single_label_classification" and len(columns) == 1:
            columns = [1 - columns[0], columns[0]]
        predicted = np.stack(columns, axis=1)  # (texts, num_labels)
        if self.problem_type == "single_label_classification":
            predicted = predicted / np.maximum(predicted.sum(1, keepdims=True), np.finfo(predicted.dtype).tiny)
        return predicted


class NgramModel(LinearModel):
    """
    Logistic regression on the presence of n-grams, each weighted by its naive Bayes log-odds.

    The weights are those of NB-SVM (Wang and Manning, 2012, https://aclanthology.org/P12-2018). On long texts it is one
    to two points more accurate than TF-IDF. Logistic regression replaces the SVM because a teacher needs probabilities.
    """

    inverse_regularization = 0.3
    solver = {"solver": "liblinear", "dual": True}

    def feature_weights(self, features: Features, target: np.ndarray) -> sp.dia_matrix:
        return sp.diags(naive_bayes_log_odds(features, target))


def predict_out_of_fold(
    model: LinearModel,
    features_of: Callable[[np.ndarray], Features],
    targets: np.ndarray,
    parts: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
) -> np.ndarray:
    """
    Predict each text with a model that was fitted to the other folds, so that its own label has no influence.

    Args:
        model: It is fitted once per fold.
        features_of: Returns the features of all texts, `(texts, features)`, given the rows whose targets may be used.
        targets: As in [`LinearModel.fit`].
        parts: The rows to fit to and the rows to predict of each fold (default: 5 random folds).

    Returns:
        `(texts, num_labels)`, probabilities or scores.

    Raises:
        ValueError: There are fewer texts than folds.
    """
    if parts is None:
        if len(targets) < FOLDS:
            raise ValueError(f"Teachers that are fitted need at least {FOLDS} training texts, got {len(targets)}.")
        parts = list(KFold(FOLDS, shuffle=True, random_state=42).split(targets))
    predicted = np.zeros(targets.shape)
    for fitted, held_out in parts:
        features = features_of(fitted)
        predicted[held_out] = model.fit(features[fitted], targets[fitted]).predict(features[held_out])
    return predicted
