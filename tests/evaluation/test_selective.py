import numpy as np
import pytest
from scipy.stats import binom

from hf_lstm.evaluation.selective import (
    CONFIDENCE,
    STARTS,
    choose_thresholds,
    coverage_rows,
    precise_threshold,
    precision_table,
    precision_targets,
    threshold_rows,
)

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
NAMES = ("ham", "spam", "a=b")


def test_targets_are_parsed():
    assert precision_targets(None, NAMES, SINGLE) == {}
    assert precision_targets(["spam=0.98", "a=b=0.5"], NAMES, SINGLE) == {"spam": 0.98, "a=b": 0.5}
    assert precision_targets(["0.9", "spam=0.98"], NAMES, MULTI) == {"ham": 0.9, "spam": 0.98, "a=b": 0.9}


@pytest.mark.parametrize(
    ("values", "problem_type", "expected"),
    [
        (["eggs=0.9"], SINGLE, "label 'eggs', which does not exist; there are ham, spam, a=b"),
        (["spam=1"], SINGLE, "between 0 and 1, got 'spam=1'"),
        (["spam=high"], SINGLE, "got 'spam=high'"),
        (["spam"], SINGLE, "must be LABEL=0.98 or 0.98"),
        (["spam=nan"], SINGLE, "got 'spam=nan'"),
        (["spam=0.9", "spam=0.8"], SINGLE, "two values for spam"),
        (["0.9", "0.8"], SINGLE, "two values for all labels"),
        (["0.9"], "regression", "a regression does not have"),
    ],
)
def test_wrong_targets_are_refused(values, problem_type, expected):
    with pytest.raises(ValueError, match=expected):
        precision_targets(values, NAMES, problem_type)


def test_bound_is_that_of_the_binomial_distribution():
    scores, correct = np.linspace(0.99, 0.6, 400), np.arange(400) % 50 != 7
    found = precise_threshold(scores, correct, 0.9)
    assert found.threshold == 0 and (found.predicted, found.correct) == (400, 392)
    level = (1 - CONFIDENCE) / len(STARTS)
    assert binom.sf(391, 400, found.bound) == pytest.approx(level)


def test_threshold_is_between_the_last_predicted_score_and_the_next():
    # The first 200 texts are correct, the others are not.
    scores, correct = np.linspace(0.99, 0.5, 400), np.arange(400) < 200
    found = precise_threshold(scores, correct, 0.9)
    assert 200 <= found.predicted < 220 and found.correct == 200
    assert scores[found.predicted - 1] > found.threshold > scores[found.predicted]
    assert found.bound >= 0.9


def test_equal_scores_are_on_one_side():
    found = precise_threshold(np.repeat([0.9, 0.7], 100), np.arange(200) < 100, 0.9)
    assert (found.threshold, found.predicted) == (pytest.approx(0.8), 100)


@pytest.mark.parametrize("texts", [0, 3, 30])
def test_label_that_cannot_be_precise_enough_is_never_predicted(texts):
    found = precise_threshold(np.full(texts, 0.9), np.ones(texts, dtype=bool), 0.98)
    assert found.threshold == 1 and found.predicted == 0
    assert found.bound == pytest.approx(0.0125 ** (1 / texts) if texts else 0)


def test_promised_precision_holds_on_new_texts():
    """The true precision above the threshold is known: each score is the probability that the text is correct."""
    rng = np.random.default_rng(0)
    truth = np.sort(np.maximum(*(rng.beta(0.4, 0.4, 50_000) for _ in range(2))))
    mean_above = truth[::-1].cumsum()[::-1] / np.arange(len(truth), 0, -1)
    for texts, target in ((300, 0.9), (1_000, 0.95)):
        broken, found = 0, []
        for _ in range(300):
            scores = rng.choice(truth, texts)
            found.append(precise_threshold(scores, rng.random(texts) < scores, target))
            if found[-1].predicted:
                broken += mean_above[np.searchsorted(truth, found[-1].threshold)] < target
        assert broken / 300 <= 0.05
        assert np.mean([row.predicted / texts for row in found]) > 0.25  # the promise is not kept by abstaining only


def test_thresholds_of_a_single_label_model(tiny_config):
    config = tiny_config(problem_type=SINGLE, num_labels=2, id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1})
    rng = np.random.default_rng(0)
    gap = rng.normal(0, 4, 2_000)  # logit of "yes"
    logits, labels = np.stack([0 * gap, gap], axis=1), (rng.random(2_000) < 1 / (1 + np.exp(-gap))).astype(int)
    (note,) = choose_thresholds(config, logits, labels, {"yes": 0.95})
    none, threshold = config.threshold
    assert none == 0 and 0.5 < threshold < 1 and f"{threshold:.4f}" in note and "'yes'" in note
    rows = threshold_rows(logits, labels, config)
    assert rows[0]["texts"] == (gap <= 0).sum()
    above = 1 / (1 + np.exp(-gap)) >= threshold
    assert rows[1]["texts"] == above.sum() and rows[1]["precision"] == pytest.approx(labels[above].mean())
    assert f"| yes   | {threshold:.4f}" in precision_table(rows)

    (warning,) = choose_thresholds(config, logits[:50], labels[:50], {"no": 0.99})
    assert list(config.threshold) == [1, 0] and warning.startswith("Warning: label 'no' is never predicted")
    assert f"at least {int(np.ceil(np.log(0.0125) / np.log(0.99)))} texts without an error" in warning
    table = precision_table(threshold_rows(logits, labels, config)).splitlines()
    assert [cell.strip() for cell in table[2].split("|")[1:-1]] == ["no", "never", "0", "", ""]


def test_thresholds_of_other_labels_have_the_best_f1(tiny_config):
    config = tiny_config(problem_type=MULTI, num_labels=2)
    labels = np.repeat([[1, 0], [0, 1]], 100, axis=0)
    logits = np.where(labels, 2.0, -3.0)
    assert choose_thresholds(config, logits, labels, {}) == []
    best = list(config.threshold)
    assert len(choose_thresholds(config, logits, labels, {"LABEL_1": 0.9})) == 1
    assert config.threshold[0] == best[0] and 0 < config.threshold[1] < 1 / (1 + np.exp(-2))


def test_single_label_model_without_targets_is_not_changed(tiny_config):
    config = tiny_config(problem_type=SINGLE, num_labels=2)
    assert choose_thresholds(config, np.eye(2), np.arange(2), {}) == [] and config.threshold == 0.5
    assert threshold_rows(np.eye(2), np.arange(2), config) == []


def test_coverage_by_hand(tiny_config):
    config = tiny_config(problem_type=SINGLE, num_labels=2)
    confidence = np.array([0.6, 0.9, 0.8, 0.7])
    logits = np.log(np.stack([confidence, 1 - confidence], axis=1))
    rows = coverage_rows(logits, np.array([1, 0, 0, 1]), config)
    assert [(row["texts"], row["precision"]) for row in rows] == [(4, 0.5), (3, pytest.approx(2 / 3)), (2, 1.0)]
    assert [row["threshold"] for row in rows] == pytest.approx([0.6, 0.7, 0.8])
    assert rows[-1]["low"] == pytest.approx(0.025**0.5) and rows[-1]["high"] == 1
    labels = np.array([[0, 1], [1, 1], [1, 0], [0, 0]])
    config = tiny_config(problem_type=MULTI, num_labels=2)
    assert [row["precision"] for row in coverage_rows(logits, labels, config)] == [0.5, pytest.approx(2 / 3), 1.0]


def test_labels_below_one_half_have_thresholds_too():
    found = precise_threshold(np.full(500, 0.4), np.ones(500, dtype=bool), 0.9)
    assert (found.threshold, found.predicted, found.correct) == (0, 500, 500) and found.bound > 0.98
