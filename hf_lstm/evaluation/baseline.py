"""TF-IDF with logistic regression, the baseline of every text classifier."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from .metrics import _check_problem_type, compute_metrics
from .thresholds import best_thresholds


def tfidf_baseline(
    train_texts: Sequence[str],
    train_labels: Sequence,
    test_texts: Sequence[str],
    test_labels: Sequence,
    problem_type: str,
) -> dict[str, float]:
    """Fit and score the rival of every text classifier: TF-IDF of 1- and 2-grams with logistic regression (or ridge).

    For multi-label a tenth of the training part is kept back to choose the decision thresholds.

    Args:
        train_texts: Texts to learn from.
        train_labels: Class ids `(n,)`; multi-label: 0/1 indicators `(n, num_labels)`; regression: numbers.
        test_texts: Texts to be scored on.
        test_labels: Their labels, in the form of `train_labels`.
        problem_type: As in the model's config.

    Returns:
        The figures of `compute_metrics`.

    Raises:
        ValueError: For an unknown problem type, or texts in which no word occurs twice.
    """
    _check_problem_type(problem_type)
    # Terms of a single text cannot generalise and are most of the vocabulary.
    features = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    train_labels, test_labels = np.asarray(train_labels), np.asarray(test_labels)
    if problem_type == "regression":
        model = make_pipeline(features, Ridge()).fit(train_texts, train_labels)
        return compute_metrics(problem_type, model.predict(test_texts), test_labels)
    if problem_type == "single_label_classification":
        model = make_pipeline(features, LogisticRegression(C=10, max_iter=1000)).fit(train_texts, train_labels)
        # A class that is in the test part only has a column too, of zeros.
        scores = np.zeros((len(test_texts), 1 + max(train_labels.max(), test_labels.max())))
        scores[:, model.classes_] = model.predict_proba(test_texts)
        return compute_metrics(problem_type, scores, test_labels)
    fit_texts, held_texts, fit_labels, held_labels = train_test_split(
        train_texts, train_labels.astype(int), test_size=0.1, random_state=0
    )
    # liblinear is several times faster than the default solver on many binary problems over sparse features.
    classifier = OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000, solver="liblinear"))
    model = make_pipeline(features, classifier).fit(fit_texts, fit_labels)
    thresholds = best_thresholds(model.predict_proba(held_texts), held_labels)
    return compute_metrics(problem_type, model.predict_proba(test_texts), test_labels, thresholds)
