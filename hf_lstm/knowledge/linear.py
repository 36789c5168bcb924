"""Linear models of n-grams: strong rivals of a recurrent one, and different enough to teach it."""

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

# Words with their apostrophe ("don't"), and the marks that carry feeling.
WORD = r"(?u)\b\w+(?:'\w+)*\b|[!?]+"

FOLDS = 5

# Latent vectors are of the most frequent n-grams alone: those that few texts share say little of which are alike.
MAX_LATENT_NGRAMS = 200_000

# Regularised for vectors of this length, whatever the number of n-grams in a text.
LATENT_LENGTH = 10


def ngram_counter() -> CountVectorizer:
    """What turns texts into which 1- to 3-grams of two texts or more occur in each: sparse, `(texts, n-grams)`."""
    return CountVectorizer(ngram_range=(1, 3), min_df=2, binary=True, token_pattern=WORD, dtype=np.float32)


def naive_bayes_log_odds(occurs: sp.csr_matrix, target: np.ndarray) -> np.ndarray:
    """
    Log-odds that each n-gram gives for a label, each count one more than it is.

    Args:
        occurs: `(texts, n-grams)`.
        target: `(texts,)`, probabilities of the label.

    Returns:
        `(n-grams,)`; 0 where fewer than two texts have it: what one text has says nothing of others, and what none has
        would say how rare the label is.
    """
    several = np.asarray(occurs.sum(0)).ravel() >= 2
    positive, negative = ((occurs.T @ part + 1)[several] for part in (target, 1 - target))
    odds = np.zeros(len(several), np.float32)
    odds[several] = np.log((positive / positive.sum()) / (negative / negative.sum()))
    return odds


def latent_vectors(
    occurs: sp.csr_matrix, targets: np.ndarray | None, labelled: np.ndarray, size: int = 800
) -> np.ndarray:
    """
    Vectors of texts, alike where their n-grams occur in like texts, whether these have labels or not.

    They are the singular vectors of the positive pointwise mutual information of text and n-gram, as of word and
    context in Levy and Goldberg (2014, https://papers.nips.cc/paper/5477), scaled by the root of the singular values.
    An n-gram counts by the root of its naive Bayes log-odds; without that, the largest differences are those of topic.

    Args:
        occurs: `(texts, n-grams)`.
        targets: `(labelled texts, num_labels)`, probabilities; `None` in a regression, where n-grams count the same.
        labelled: Rows of `occurs` that have targets.
        size: Width of a vector; 300 are one fifth of a point worse on IMDB, with weights of log-odds.

    Returns:
        `(texts, size)`, or narrower where there are fewer texts or n-grams, each of the same length; zero where nothing
        is known of a text's n-grams.
    """
    in_texts = np.asarray(occurs.sum(0)).ravel()
    frequent = np.sort(np.argsort(-in_texts, kind="stable")[:MAX_LATENT_NGRAMS])
    occurs, in_texts = occurs[:, frequent], in_texts[frequent]
    entries = occurs.tocoo()
    in_text = np.asarray(occurs.sum(1)).ravel()
    information = np.log(occurs.nnz / (in_text[entries.row] * in_texts[entries.col]))
    if targets is not None:
        odds = [naive_bayes_log_odds(occurs[labelled], target) for target in targets.T]
        information *= np.sqrt(np.mean(np.abs(odds), axis=0))[entries.col]
    information = np.maximum(information, 0).astype(np.float32)
    matrix = sp.csr_matrix((information, (entries.row, entries.col)), shape=occurs.shape)
    left, values, _ = randomized_svd(matrix, min(size, *matrix.shape), n_iter=2, random_state=0)
    return normalize(left * np.sqrt(values)) * LATENT_LENGTH


class LinearModel:
    """
    Logistic regression for each label, or ridge regression, which also learns from doubtful targets.

    Args:
        problem_type: As in the model's config.
    """

    # Inverse strength of the regression's.
    regularization = 0.03
    solver = {"solver": "lbfgs"}

    def __init__(self, problem_type: str):
        self.problem_type = problem_type

    def weigh(self, features: np.ndarray | sp.csr_matrix, target: np.ndarray) -> sp.dia_matrix:
        """Weights of the features where the target is a label, `(features, features)`."""
        return sp.identity(features.shape[1], dtype=np.float32, format="dia")

    def fit(self, features: np.ndarray | sp.csr_matrix, targets: np.ndarray) -> "LinearModel":
        """
        Args:
            features: `(texts, features)`.
            targets: `(texts, num_labels)`, probabilities (0 and 1 where labels are known), or scores to regress.
        """
        if self.problem_type == "regression":
            self.regression = Ridge().fit(features, targets)
            return self
        # Of two classes, one says it all.
        columns = targets[:, 1:] if self._is_binary(targets.shape[1]) else targets
        self.parts = [self._fit_label(features, column) for column in columns.T]
        return self

    def _is_binary(self, num_labels: int) -> bool:
        return self.problem_type == "single_label_classification" and num_labels == 2

    def _fit_label(self, features, target: np.ndarray) -> tuple[sp.dia_matrix, LogisticRegression | float]:
        """Weights of the features, and the regression on them; the mean target where no text has the label, or each."""
        weights, likely = self.weigh(features, target), target > 0.5
        if likely.all() or not likely.any():
            return weights, float(target.mean())
        regression = LogisticRegression(C=self.regularization, max_iter=300, random_state=0, **self.solver)
        # A doubtful target counts less: not at all where it is an even chance.
        return weights, regression.fit(features @ weights, likely, sample_weight=np.abs(2 * target - 1))

    def predict(self, features: np.ndarray | sp.csr_matrix) -> np.ndarray:
        """Probabilities, or scores, `(texts, num_labels)`."""
        rows = features.shape[0]
        if self.problem_type == "regression":
            return self.regression.predict(features).reshape(rows, -1)
        said = [
            np.full(rows, regression)
            if isinstance(regression, float)
            else regression.predict_proba(features @ weights)[:, 1]
            for weights, regression in self.parts
        ]
        if len(said) == 1 and self.problem_type == "single_label_classification":
            said = [1 - said[0], said[0]]
        said = np.stack(said, axis=1)
        if self.problem_type == "single_label_classification":
            said = said / np.maximum(said.sum(1, keepdims=True), np.finfo(said.dtype).tiny)
        return said


class NgramModel(LinearModel):
    """
    Logistic regression on which n-grams occur, each weighted by its naive Bayes log-odds.

    The method is NB-SVM's (Wang and Manning, 2012, https://aclanthology.org/P12-2018), which the weights make better by
    one to two points than TF-IDF on long texts; here with probabilities, and so also as targets.
    """

    regularization = 0.3
    solver = {"solver": "liblinear", "dual": True}

    def weigh(self, features: sp.csr_matrix, target: np.ndarray) -> sp.dia_matrix:
        return sp.diags(naive_bayes_log_odds(features, target))


def predict_out_of_fold(
    model: LinearModel,
    features_of: Callable[[np.ndarray], np.ndarray | sp.csr_matrix],
    targets: np.ndarray,
    seed: int = 42,
) -> np.ndarray:
    """
    What the model says of each text after learning from four fifths of the others.

    Args:
        model: Fitted anew for each fifth.
        features_of: Features of all texts, `(texts, features)`, given the rows whose targets these may depend on.
        targets: As in [`LinearModel.fit`].
        seed: Of the choice of the fifths.

    Returns:
        `(texts, num_labels)`.

    Raises:
        ValueError: There are fewer texts than fifths.
    """
    if len(targets) < FOLDS:
        raise ValueError(f"A linear model needs {FOLDS} texts to teach; there are {len(targets)}.")
    said = np.zeros(targets.shape)
    for learned, left in KFold(FOLDS, shuffle=True, random_state=seed).split(targets):
        features = features_of(learned)
        said[left] = model.fit(features[learned], targets[learned]).predict(features[left])
    return said
