import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from hf_lstm.teachers.linear import (
    LinearModel,
    NgramModel,
    latent_vectors,
    naive_bayes_log_odds,
    ngram_vectorizer,
    predict_out_of_fold,
)

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
OPINIONS = [f"{opinion} {thing}" for thing in ("film", "plot", "book") for opinion in ("good", "bad", "odd")] * 2


def fit(problem_type, texts, targets, inverse_regularization=None):
    """Fit a model of n-grams. Return a function that predicts texts, the model and its vectorizer."""
    vectorizer, model = ngram_vectorizer(), NgramModel(problem_type)
    model.inverse_regularization = inverse_regularization or model.inverse_regularization
    model.fit(vectorizer.fit_transform(texts), targets)
    return (lambda others: model.predict(vectorizer.transform(others))), model, vectorizer


def test_weights_are_naive_bayes_log_odds_by_hand():
    texts = ["good good film", "good plot", "bad plot", "Bad film"]
    _, model, vectorizer = fit(SINGLE, texts, np.eye(2)[[1, 1, 0, 0]])
    (weights, _) = model.label_models[0]
    # good, bad, film and plot occur in two texts each. With add-one smoothing the four counts sum to 8 in each class.
    expected = {"good": (3 / 8) / (1 / 8), "bad": (1 / 8) / (3 / 8), "film": 1, "plot": 1}
    found = {word: np.exp(weights.diagonal()[i]) for word, i in vectorizer.vocabulary_.items()}
    assert found == pytest.approx(expected)


def test_probabilities_are_those_of_a_regression_on_the_weighted_ngrams():
    texts = ["good film", "good film", "bad film", "not good", "not good"]
    predict, _, vectorizer = fit(SINGLE, texts, np.eye(2)[[1, 1, 0, 0, 0]], inverse_regularization=0.5)
    names = ["film", "good", "good film", "not", "not good"]
    occurs = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 1, 1], [0, 1, 0, 1, 1]], float)
    assert sorted(vectorizer.vocabulary_) == names
    positive, negative = occurs[:2].sum(0) + 1, occurs[2:].sum(0) + 1
    odds = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    own = LogisticRegression(C=0.5, solver="liblinear", dual=True).fit(occurs * odds, [1, 1, 0, 0, 0])
    np.testing.assert_allclose(predict(texts), own.predict_proba(occurs * odds), atol=1e-3)


def test_words_keep_their_apostrophe_and_punctuation_counts():
    texts = ["Don't go!!", "I don't. Why?", "go!! why?"]
    assert {"don't", "!!", "?", "go", "why"} <= set(ngram_vectorizer().fit(texts).vocabulary_)


@pytest.mark.parametrize("labels", [2, 3])
def test_probabilities_of_classes_sum_to_one(labels):
    targets = np.eye(3)[np.arange(18) % 3][:, :labels]
    targets[targets.sum(1) == 0, 0] = 1
    predict, *_ = fit(SINGLE, OPINIONS, targets)
    predicted = predict([*OPINIONS, "unknown words", ""])
    assert predicted.shape == (20, labels) and (predicted >= 0).all()
    np.testing.assert_allclose(predicted.sum(1), 1)
    assert (predicted[:18].argmax(1) == targets.argmax(1)).all()


def test_labels_of_a_multi_label_model_are_independent():
    targets = np.array([[float("good" in text), float("film" in text)] for text in OPINIONS])
    predicted = fit(MULTI, OPINIONS, targets, inverse_regularization=10)[0](OPINIONS)
    assert ((predicted > 0.5) == targets).all()
    alone = fit(MULTI, OPINIONS, targets[:, 1:], inverse_regularization=10)[0](OPINIONS)
    np.testing.assert_allclose(predicted[:, 1:], alone, atol=1e-3)


def test_label_of_no_text_gets_0_and_label_of_every_text_gets_1():
    targets = np.array([[0.0, 1.0, float("good" in text)] for text in OPINIONS])
    predicted = fit(MULTI, OPINIONS, targets)[0](["good film", "bad plot"])
    np.testing.assert_allclose(predicted[:, :2], [[0, 1], [0, 1]])
    one_class = fit(SINGLE, OPINIONS, np.eye(2)[[1] * 18])[0](["good film"])
    np.testing.assert_allclose(one_class, [[0, 1]])


def test_uncertain_targets_have_less_weight():
    texts = ["good film", "bad film"] * 4
    sure = fit(SINGLE, texts, np.array([[0, 1.0], [1.0, 0]] * 4))[0](["good film"])[0, 1]
    uncertain = fit(SINGLE, texts, np.array([[0.3, 0.7], [0.7, 0.3]] * 4))[0](["good film"])[0, 1]
    assert 0.5 < uncertain < sure
    again = np.array([[0, 1.0], [1.0, 0]] * 4 + [[0.5, 0.5]] * 2)
    _, other, vectorizer = fit(SINGLE, [*texts, "odd film", "odd film"], again)
    assert other.label_models[0][0].diagonal()[vectorizer.vocabulary_["odd"]] == pytest.approx(0, abs=1e-6)


def test_scores_are_those_of_a_ridge_regression():
    targets = np.array([[float("good" in text) - float("bad" in text)] for text in OPINIONS])
    predicted = fit("regression", OPINIONS, targets)[0](OPINIONS)
    names = sorted({part for text in OPINIONS for part in (text, *text.split())})
    occurs = np.array([[name == text or name in text.split() for name in names] for text in OPINIONS], float)
    np.testing.assert_allclose(predicted, Ridge().fit(occurs, targets).predict(occurs).reshape(-1, 1), atol=1e-4)
    assert predicted.shape == (18, 1)


def test_log_odds_of_ngrams_in_fewer_than_two_texts_are_0():
    occurs = ngram_vectorizer().fit_transform(["good", "good", "bad", "bad", "odd", "new", "odd. new"])
    target = np.array([1, 1, 0, 0, 0])
    odds = dict(zip(["bad", "good", "new", "odd"], naive_bayes_log_odds(occurs[:5], target), strict=True))
    assert odds["new"] == odds["odd"] == 0
    assert odds["good"] == pytest.approx(np.log(3 / 4) - np.log(1 / 4)) and odds["bad"] == pytest.approx(-odds["good"])


def test_ngram_in_one_fitted_text_has_no_weight():
    occurs = ngram_vectorizer().fit_transform(["good film", "good plot", "odd film", "odd plot"])
    model = NgramModel(SINGLE).fit(occurs[:3], np.eye(2)[[1, 1, 0]])
    film, good, odd, plot = model.label_models[0][0].diagonal()
    assert odd == plot == 0 and good > 0 > film


def test_latent_vectors_are_the_scaled_singular_vectors_of_weighted_information():
    texts = ["good film", "good plot good", "bad film", "bad plot", "bad plot film", "good plot"]
    vectorizer = ngram_vectorizer()
    occurs, labels = vectorizer.fit_transform(texts), np.eye(2)[[1, 1, 0, 0, 0]]
    dense = occurs.toarray().astype(float)
    several = dense[:5].sum(0) >= 2
    positive, negative = dense[:2].sum(0)[several] + 1, dense[2:5].sum(0)[several] + 1
    odds = np.zeros(len(several))
    odds[several] = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    information = np.log(dense.sum() / (dense.sum(1, keepdims=True) * dense.sum(0)))
    matrix = np.where(dense > 0, np.maximum(information * np.abs(odds) ** 0.5, 0), 0)
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    expected = left[:, :3] * values[:3] ** 0.5
    expected = 10 * expected / np.linalg.norm(expected, axis=1, keepdims=True)
    found = latent_vectors(occurs, labels, np.arange(5), size=3)
    # The sign of a singular vector is arbitrary, inner products are not.
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-2)
    assert latent_vectors(occurs, labels, np.arange(5)).shape == (6, 6)  # at most as many dimensions as texts


def test_latent_vectors_are_similar_for_related_texts_without_a_common_word():
    texts = ["good great", "good fine", "great fine"] * 3 + ["bad poor", "bad dull", "poor dull"] * 3
    vectors = latent_vectors(ngram_vectorizer().fit_transform([*texts, "great", "dull"]), None, np.arange(0), size=2)
    model = LinearModel(SINGLE).fit(vectors[[0, 9]], np.eye(2))  # "good great" and "bad poor"
    assert model.predict(vectors[[-1, -2]]).argmax(1).tolist() == [1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "latent"])
@pytest.mark.parametrize("problem_type", [SINGLE, MULTI, "regression"])
def test_prediction_of_a_text_does_not_depend_on_its_own_label(problem_type, kind):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "b", "good", "bad", "plot"], 4).tolist() + ["end"]) for _ in range(20)]
    occurs = ngram_vectorizer().fit_transform(texts)
    targets = np.eye(2)[[i % 2 for i in range(20)]]
    targets = targets[:, 1:] if problem_type == "regression" else targets

    def predict(targets):
        if kind == "linear":
            return predict_out_of_fold(NgramModel(problem_type), lambda rows: occurs, targets)
        weighed = None if problem_type == "regression" else targets
        return predict_out_of_fold(
            LinearModel(problem_type),
            lambda rows: latent_vectors(occurs, None if weighed is None else weighed[rows], rows, size=5),
            targets,
        )

    predicted = predict(targets)
    assert predicted.shape == targets.shape
    others = []
    for row in range(20):
        changed = targets.copy()
        changed[row] = 1 - changed[row]
        again = predict(changed)
        np.testing.assert_allclose(again[row], predicted[row], atol=1e-4)  # the solver visits the rows in random order
        others.append(np.abs(again - predicted).max())
    assert min(others) > 1e-3


def test_folds_are_always_the_same_or_those_that_are_given():
    targets, occurs = np.eye(3)[np.arange(18) % 3], ngram_vectorizer().fit_transform(OPINIONS)
    halves = [(np.arange(9), np.arange(9, 18)), (np.arange(9, 18), np.arange(9))]
    first, again, other = (
        predict_out_of_fold(NgramModel(SINGLE), lambda rows: occurs, targets, parts) for parts in (None, None, halves)
    )
    np.testing.assert_allclose(first, again, atol=1e-4)
    assert np.abs(first - other).max() > 1e-3
    for fitted, held_out in halves:
        alone = NgramModel(SINGLE).fit(occurs[fitted], targets[fitted]).predict(occurs[held_out])
        np.testing.assert_allclose(other[held_out], alone, atol=1e-4)


def test_too_few_texts_for_the_folds_are_reported():
    with pytest.raises(ValueError, match="need at least 5 training texts, got 4"):
        predict_out_of_fold(NgramModel(SINGLE), lambda rows: np.ones((4, 1)), np.eye(2)[[0, 1, 0, 1]])
