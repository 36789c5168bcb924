"""The TF-IDF + linear model baseline."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from .metrics import check_problem_type, compute_metrics
from .thresholds import best_thresholds


def tfidf_baseline(
    train_texts: Sequence[str],
    train_labels: Sequence | np.ndarray,
    test_texts: Sequence[str],
    test_labels: Sequence | np.ndarray,
    problem_type: str,
) -> dict[str, float]:
    """Train and evaluate TF-IDF (1- and 2-grams) with logistic regression, or with ridge for regression.

    For multi-label classification, a random tenth of the training texts is held out to choose the decision thresholds.

    Args:
        train_texts: Texts to train on.
        train_labels: Class ids `(n,)`; multi-label: 0/1 indicators `(n, num_labels)`; regression: numbers.
        test_texts: Texts to evaluate on.
        test_labels: Labels of `test_texts`, in the same form as `train_labels`.
        problem_type: `problem_type` of the model's config.

    Returns:
        The metrics of `compute_metrics`.

    Raises:
        ValueError: If the problem type is unknown, or no word occurs in two training texts.
    """
    check_problem_type(problem_type)
    # Terms that occur in a single text cannot generalise, and they are most of the vocabulary.
    features = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    y_train, y_test = np.asarray(train_labels), np.asarray(test_labels)
    if problem_type == "regression":
        model = make_pipeline(features, Ridge()).fit(train_texts, y_train)
        return compute_metrics(problem_type, model.predict(test_texts), y_test)
    if problem_type == "single_label_classification":
        model = make_pipeline(features, LogisticRegression(C=10, max_iter=1000)).fit(train_texts, y_train)
        # A class that occurs only in the test texts also needs a column; its probabilities are 0.
        scores = np.zeros((len(test_texts), 1 + max(y_train.max(), y_test.max())))  # (texts, num_labels)
        scores[:, model.classes_] = model.predict_proba(test_texts)
        return compute_metrics(problem_type, scores, y_test)
    fit_texts, held_out_texts, fit_labels, held_out_labels = train_test_split(
        train_texts, y_train.astype(int), test_size=0.1, random_state=0
    )
    # liblinear is several times faster than the default solver on many binary problems with sparse features.
    classifier = OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000, solver="liblinear"))
    model = make_pipeline(features, classifier).fit(fit_texts, fit_labels)
    thresholds = best_thresholds(model.predict_proba(held_out_texts), held_out_labels)
    return compute_metrics(problem_type, model.predict_proba(test_texts), y_test, thresholds)
