"""A linear model of n-grams: a strong rival of a recurrent one, and different enough to teach it."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold

# Words with their apostrophe ("don't"), and the marks that carry feeling.
WORD = r"(?u)\b\w+(?:'\w+)*\b|[!?]+"

FOLDS = 5


class NgramModel:
    """
    Logistic regression on which 1- to 3-grams occur, each weighted by its naive Bayes log-odds.

    The method is NB-SVM's (Wang and Manning, 2012, https://aclanthology.org/P12-2018), which the weights make better by
    one to two points than TF-IDF on long texts; here with probabilities, and so also as targets.

    Args:
        problem_type: As in the model's config. In a regression the n-grams have no weights.
        regularization: Inverse strength `C` of the regression's.
    """

    def __init__(self, problem_type: str, regularization: float = 0.3):
        self.problem_type = problem_type
        self.regularization = regularization

    def fit(self, texts: Sequence[str], targets: np.ndarray) -> "NgramModel":
        """
        Args:
            texts: What to learn from.
            targets: `(texts, num_labels)`, probabilities (0 and 1 where labels are known), or scores to regress.

        Raises:
            ValueError: No word occurs in two texts.
        """
        self.vectorizer = CountVectorizer(
            ngram_range=(1, 3), min_df=2, binary=True, token_pattern=WORD, dtype=np.float32
        )
        occurs = self.vectorizer.fit_transform(texts)  # (texts, n-grams)
        if self.problem_type == "regression":
            self.regression = Ridge().fit(occurs, targets)
            return self
        # Of two classes, one says it all.
        columns = targets[:, 1:] if self._is_binary(targets.shape[1]) else targets
        self.parts = [self._fit_label(occurs, column) for column in columns.T]
        return self

    def _is_binary(self, num_labels: int) -> bool:
        return self.problem_type == "single_label_classification" and num_labels == 2

    def _fit_label(self, occurs: sp.csr_matrix, target: np.ndarray) -> tuple[sp.dia_matrix, LogisticRegression | float]:
        """Weights of the n-grams, and the regression on them; the mean target where no text, or each, has the label."""
        positive, negative = occurs.T @ target + 1, occurs.T @ (1 - target) + 1  # each (n-grams,)
        odds = np.log((positive / positive.sum()) / (negative / negative.sum())).astype(np.float32)
        weights, likely = sp.diags(odds), target > 0.5
        if likely.all() or not likely.any():
            return weights, float(target.mean())
        regression = LogisticRegression(
            C=self.regularization, solver="liblinear", dual=True, max_iter=300, random_state=0
        )
        # A doubtful target counts less: not at all where it is an even chance.
        return weights, regression.fit(occurs @ weights, likely, sample_weight=np.abs(2 * target - 1))

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities, or scores, `(texts, num_labels)`."""
        occurs = self.vectorizer.transform(texts)
        if self.problem_type == "regression":
            return self.regression.predict(occurs).reshape(len(texts), -1)
        said = [
            np.full(len(texts), regression)
            if isinstance(regression, float)
            else regression.predict_proba(occurs @ weights)[:, 1]
            for weights, regression in self.parts
        ]
        if len(said) == 1 and self.problem_type == "single_label_classification":
            said = [1 - said[0], said[0]]
        said = np.stack(said, axis=1)
        if self.problem_type == "single_label_classification":
            said = said / np.maximum(said.sum(1, keepdims=True), np.finfo(said.dtype).tiny)
        return said


def predict_out_of_fold(model: NgramModel, texts: Sequence[str], targets: np.ndarray, seed: int = 42) -> np.ndarray:
    """
    What the model says of each text after learning from four fifths of the others.

    Args:
        model: Fitted anew for each fifth.
        texts: What to learn from and to predict.
        targets: As in [`NgramModel.fit`].
        seed: Of the choice of the fifths.

    Returns:
        `(texts, num_labels)`.

    Raises:
        ValueError: There are fewer texts than fifths, or in one no word that occurs twice.
    """
    if len(texts) < FOLDS:
        raise ValueError(f"An n-gram model needs {FOLDS} texts to teach; there are {len(texts)}.")
    said = np.zeros(targets.shape)
    for learned, left in KFold(FOLDS, shuffle=True, random_state=seed).split(texts):
        model.fit([texts[i] for i in learned], targets[learned])
        said[left] = model.predict([texts[i] for i in left])
    return said
