import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from hf_lstm.knowledge.linear import (
    LinearModel,
    NgramModel,
    latent_vectors,
    naive_bayes_log_odds,
    ngram_counter,
    predict_out_of_fold,
)

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
OPINIONS = [f"{opinion} {thing}" for thing in ("film", "plot", "book") for opinion in ("good", "bad", "odd")] * 2


def fit(problem_type, texts, targets, regularization=None):
    """A model of n-grams, with its counter: what it says of texts, and the model."""
    counter, model = ngram_counter(), NgramModel(problem_type)
    model.regularization = regularization or model.regularization
    model.fit(counter.fit_transform(texts), targets)
    return (lambda others: model.predict(counter.transform(others))), model, counter


def test_weights_are_naive_bayes_log_odds_by_hand():
    texts = ["good good film", "good plot", "bad plot", "Bad film"]
    _, model, counter = fit(SINGLE, texts, np.eye(2)[[1, 1, 0, 0]])
    (weights, _) = model.parts[0]
    # Each of good, bad, film and plot is in two texts; counted with 1 more, the four sum to 8 in either class.
    expected = {"good": (3 / 8) / (1 / 8), "bad": (1 / 8) / (3 / 8), "film": 1, "plot": 1}
    found = {word: np.exp(weights.diagonal()[i]) for word, i in counter.vocabulary_.items()}
    assert found == pytest.approx(expected)


def test_probabilities_are_those_of_a_regression_on_the_weighted_ngrams():
    texts = ["good film", "good film", "bad film", "not good", "not good"]
    predict, _, counter = fit(SINGLE, texts, np.eye(2)[[1, 1, 0, 0, 0]], regularization=0.5)
    names = ["film", "good", "good film", "not", "not good"]
    occurs = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 1, 1], [0, 1, 0, 1, 1]], float)
    assert sorted(counter.vocabulary_) == names
    positive, negative = occurs[:2].sum(0) + 1, occurs[2:].sum(0) + 1
    odds = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    own = LogisticRegression(C=0.5, solver="liblinear", dual=True).fit(occurs * odds, [1, 1, 0, 0, 0])
    np.testing.assert_allclose(predict(texts), own.predict_proba(occurs * odds), atol=1e-3)


def test_words_keep_their_apostrophe_and_marks_count():
    texts = ["Don't go!!", "I don't. Why?", "go!! why?"]
    assert {"don't", "!!", "?", "go", "why"} <= set(ngram_counter().fit(texts).vocabulary_)


@pytest.mark.parametrize("labels", [2, 3])
def test_probabilities_of_classes_sum_to_one(labels):
    targets = np.eye(3)[np.arange(18) % 3][:, :labels]
    targets[targets.sum(1) == 0, 0] = 1
    predict, *_ = fit(SINGLE, OPINIONS, targets)
    said = predict([*OPINIONS, "unknown words", ""])
    assert said.shape == (20, labels) and (said >= 0).all()
    np.testing.assert_allclose(said.sum(1), 1)
    assert (said[:18].argmax(1) == targets.argmax(1)).all()


def test_labels_of_several_a_text_are_independent():
    targets = np.array([[float("good" in text), float("film" in text)] for text in OPINIONS])
    said = fit(MULTI, OPINIONS, targets, regularization=10)[0](OPINIONS)
    assert ((said > 0.5) == targets).all()
    alone = fit(MULTI, OPINIONS, targets[:, 1:], regularization=10)[0](OPINIONS)
    np.testing.assert_allclose(said[:, 1:], alone, atol=1e-3)


def test_label_of_no_text_is_never_said_and_that_of_each_always():
    targets = np.array([[0.0, 1.0, float("good" in text)] for text in OPINIONS])
    said = fit(MULTI, OPINIONS, targets)[0](["good film", "bad plot"])
    np.testing.assert_allclose(said[:, :2], [[0, 1], [0, 1]])
    one_class = fit(SINGLE, OPINIONS, np.eye(2)[[1] * 18])[0](["good film"])
    np.testing.assert_allclose(one_class, [[0, 1]])


def test_doubtful_targets_count_less():
    texts = ["good film", "bad film"] * 4
    sure = fit(SINGLE, texts, np.array([[0, 1.0], [1.0, 0]] * 4))[0](["good film"])[0, 1]
    doubtful = fit(SINGLE, texts, np.array([[0.3, 0.7], [0.7, 0.3]] * 4))[0](["good film"])[0, 1]
    assert 0.5 < doubtful < sure
    again = np.array([[0, 1.0], [1.0, 0]] * 4 + [[0.5, 0.5]] * 2)
    _, other, counter = fit(SINGLE, [*texts, "odd film", "odd film"], again)
    assert other.parts[0][0].diagonal()[counter.vocabulary_["odd"]] == pytest.approx(0, abs=1e-6)


def test_scores_are_those_of_a_ridge_regression():
    targets = np.array([[float("good" in text) - float("bad" in text)] for text in OPINIONS])
    said = fit("regression", OPINIONS, targets)[0](OPINIONS)
    names = sorted({part for text in OPINIONS for part in (text, *text.split())})
    occurs = np.array([[name == text or name in text.split() for name in names] for text in OPINIONS], float)
    np.testing.assert_allclose(said, Ridge().fit(occurs, targets).predict(occurs).reshape(-1, 1), atol=1e-4)
    assert said.shape == (18, 1)


def test_log_odds_of_what_fewer_than_two_texts_have_are_0():
    occurs = ngram_counter().fit_transform(["good", "good", "bad", "bad", "odd", "new", "odd. new"])
    target = np.array([1, 1, 0, 0, 0])
    odds = dict(zip(["bad", "good", "new", "odd"], naive_bayes_log_odds(occurs[:5], target), strict=True))
    assert odds["new"] == odds["odd"] == 0
    assert odds["good"] == pytest.approx(np.log(3 / 4) - np.log(1 / 4)) and odds["bad"] == pytest.approx(-odds["good"])


def test_ngram_of_one_learned_text_has_no_weight():
    occurs = ngram_counter().fit_transform(["good film", "good plot", "odd film", "odd plot"])
    model = NgramModel(SINGLE).fit(occurs[:3], np.eye(2)[[1, 1, 0]])
    film, good, odd, plot = model.parts[0][0].diagonal()
    assert odd == plot == 0 and good > 0 > film


def test_latent_vectors_are_the_scaled_singular_vectors_of_weighted_information():
    texts = ["good film", "good plot good", "bad film", "bad plot", "bad plot film", "good plot"]
    counter = ngram_counter()
    occurs, labels = counter.fit_transform(texts), np.eye(2)[[1, 1, 0, 0, 0]]
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
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-2)  # the sign of a vector is free
    assert latent_vectors(occurs, labels, np.arange(5)).shape == (6, 6)  # no wider than there are texts


def test_latent_vectors_make_texts_alike_that_share_no_word():
    texts = ["good great", "good fine", "great fine"] * 3 + ["bad poor", "bad dull", "poor dull"] * 3
    vectors = latent_vectors(ngram_counter().fit_transform([*texts, "great", "dull"]), None, np.arange(0), size=2)
    model = LinearModel(SINGLE).fit(vectors[[0, 9]], np.eye(2))  # "good great" and "bad poor"
    assert model.predict(vectors[[-1, -2]]).argmax(1).tolist() == [1, 0]


@pytest.mark.parametrize("kind", ["linear", "latent"])
@pytest.mark.parametrize("problem_type", [SINGLE, MULTI, "regression"])
def test_what_is_said_of_a_text_does_not_depend_on_its_own_label(problem_type, kind):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "b", "good", "bad", "plot"], 4).tolist() + ["end"]) for _ in range(20)]
    occurs = ngram_counter().fit_transform(texts)
    targets = np.eye(2)[[i % 2 for i in range(20)]]
    targets = targets[:, 1:] if problem_type == "regression" else targets

    def predict(targets):
        if kind == "linear":
            return predict_out_of_fold(NgramModel(problem_type), lambda learned: occurs, targets)
        weighed = None if problem_type == "regression" else targets
        return predict_out_of_fold(
            LinearModel(problem_type),
            lambda learned: latent_vectors(occurs, None if weighed is None else weighed[learned], learned, size=5),
            targets,
        )

    said = predict(targets)
    assert said.shape == targets.shape
    others = []
    for row in range(20):
        changed = targets.copy()
        changed[row] = 1 - changed[row]
        again = predict(changed)
        np.testing.assert_allclose(again[row], said[row], atol=1e-4)  # the solver goes through the rows at random
        others.append(np.abs(again - said).max())
    assert min(others) > 1e-3


def test_folds_depend_on_the_seed_alone():
    targets, occurs = np.eye(3)[np.arange(18) % 3], ngram_counter().fit_transform(OPINIONS)
    first, again, other = (
        predict_out_of_fold(NgramModel(SINGLE), lambda learned: occurs, targets, seed) for seed in (0, 0, 1)
    )
    np.testing.assert_allclose(first, again, atol=1e-4)
    assert np.abs(first - other).max() > 1e-3
