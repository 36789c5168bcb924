import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from hf_lstm.linear import NgramModel, predict_out_of_fold

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
OPINIONS = [f"{opinion} {thing}" for thing in ("film", "plot", "book") for opinion in ("good", "bad", "odd")] * 2


def test_weights_are_naive_bayes_log_odds_by_hand():
    texts = ["good good film", "good plot", "bad plot", "Bad film"]
    model = NgramModel(SINGLE).fit(texts, np.eye(2)[[1, 1, 0, 0]])
    (weights, _) = model.parts[0]
    # Each of good, bad, film and plot is in two texts; counted with 1 more, the four sum to 8 in either class.
    expected = {"good": (3 / 8) / (1 / 8), "bad": (1 / 8) / (3 / 8), "film": 1, "plot": 1}
    found = {word: np.exp(weights.diagonal()[i]) for word, i in model.vectorizer.vocabulary_.items()}
    assert found == pytest.approx(expected)


def test_probabilities_are_those_of_a_regression_on_the_weighted_ngrams():
    texts = ["good film", "good film", "bad film", "not good", "not good"]
    model = NgramModel(SINGLE, regularization=0.5).fit(texts, np.eye(2)[[1, 1, 0, 0, 0]])
    names = ["film", "good", "good film", "not", "not good"]
    occurs = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 1, 1], [0, 1, 0, 1, 1]], float)
    assert sorted(model.vectorizer.vocabulary_) == names
    positive, negative = occurs[:2].sum(0) + 1, occurs[2:].sum(0) + 1
    odds = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    own = LogisticRegression(C=0.5, solver="liblinear", dual=True).fit(occurs * odds, [1, 1, 0, 0, 0])
    np.testing.assert_allclose(model.predict(texts), own.predict_proba(occurs * odds), atol=1e-3)


def test_words_keep_their_apostrophe_and_marks_count():
    texts = ["Don't go!!", "I don't. Why?", "go!! why?"]
    model = NgramModel(SINGLE).fit(texts, np.eye(2)[[0, 1, 0]])
    assert {"don't", "!!", "?", "go", "why"} <= set(model.vectorizer.vocabulary_)


@pytest.mark.parametrize("labels", [2, 3])
def test_probabilities_of_classes_sum_to_one(labels):
    targets = np.eye(3)[np.arange(18) % 3][:, :labels]
    targets[targets.sum(1) == 0, 0] = 1
    model = NgramModel(SINGLE).fit(OPINIONS, targets)
    said = model.predict([*OPINIONS, "unknown words", ""])
    assert said.shape == (20, labels) and (said >= 0).all()
    np.testing.assert_allclose(said.sum(1), 1)
    assert (said[:18].argmax(1) == targets.argmax(1)).all()


def test_labels_of_several_a_text_are_independent():
    targets = np.array([[float("good" in text), float("film" in text)] for text in OPINIONS])
    said = NgramModel(MULTI, regularization=10).fit(OPINIONS, targets).predict(OPINIONS)
    assert ((said > 0.5) == targets).all()
    alone = NgramModel(MULTI, regularization=10).fit(OPINIONS, targets[:, 1:]).predict(OPINIONS)
    np.testing.assert_allclose(said[:, 1:], alone, atol=1e-3)


def test_label_of_no_text_is_never_said_and_that_of_each_always():
    targets = np.array([[0.0, 1.0, float("good" in text)] for text in OPINIONS])
    said = NgramModel(MULTI).fit(OPINIONS, targets).predict(["good film", "bad plot"])
    np.testing.assert_allclose(said[:, :2], [[0, 1], [0, 1]])
    one_class = NgramModel(SINGLE).fit(OPINIONS, np.eye(2)[[1] * 18]).predict(["good film"])
    np.testing.assert_allclose(one_class, [[0, 1]])


def test_doubtful_targets_count_less():
    texts = ["good film", "bad film"] * 4
    sure = NgramModel(SINGLE).fit(texts, np.array([[0, 1.0], [1.0, 0]] * 4)).predict(["good film"])[0, 1]
    doubtful = NgramModel(SINGLE).fit(texts, np.array([[0.3, 0.7], [0.7, 0.3]] * 4)).predict(["good film"])[0, 1]
    assert 0.5 < doubtful < sure
    again = np.array([[0, 1.0], [1.0, 0]] * 4 + [[0.5, 0.5]] * 2)
    other = NgramModel(SINGLE).fit([*texts, "odd film", "odd film"], again)
    assert other.parts[0][0].diagonal()[other.vectorizer.vocabulary_["odd"]] == pytest.approx(0, abs=1e-6)


def test_scores_are_those_of_a_ridge_regression():
    targets = np.array([[float("good" in text) - float("bad" in text)] for text in OPINIONS])
    said = NgramModel("regression").fit(OPINIONS, targets).predict(OPINIONS)
    names = sorted({part for text in OPINIONS for part in (text, *text.split())})
    occurs = np.array([[name == text or name in text.split() for name in names] for text in OPINIONS], float)
    np.testing.assert_allclose(said, Ridge().fit(occurs, targets).predict(occurs).reshape(-1, 1), atol=1e-4)
    assert said.shape == (18, 1)


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI, "regression"])
def test_what_is_said_of_a_text_does_not_depend_on_its_own_label(problem_type):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "b", "good", "bad", "plot"], 4).tolist() + ["end"]) for _ in range(20)]
    targets = np.eye(2)[[i % 2 for i in range(20)]]
    targets = targets[:, 1:] if problem_type == "regression" else targets
    said = predict_out_of_fold(NgramModel(problem_type), texts, targets)
    assert said.shape == targets.shape
    others = []
    for row in range(20):
        changed = targets.copy()
        changed[row] = 1 - changed[row]
        again = predict_out_of_fold(NgramModel(problem_type), texts, changed)
        np.testing.assert_allclose(again[row], said[row], atol=1e-4)  # the solver goes through the rows at random
        others.append(np.abs(again - said).max())
    assert min(others) > 1e-3


def test_folds_depend_on_the_seed_alone():
    targets = np.eye(3)[np.arange(18) % 3]
    first, again, other = (predict_out_of_fold(NgramModel(SINGLE), OPINIONS, targets, seed) for seed in (0, 0, 1))
    np.testing.assert_allclose(first, again, atol=1e-4)
    assert np.abs(first - other).max() > 1e-3


def test_texts_without_a_common_word_are_refused():
    with pytest.raises(ValueError):
        NgramModel(SINGLE).fit(["one", "two"], np.eye(2))
