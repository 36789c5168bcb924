import numpy as np
import pytest

from hf_lstm import LstmConfig
from hf_lstm.early.measures import early_table, has_label, is_verdict, measure_early
from hf_lstm.early.token_scores import TokenScores
from hf_lstm.inference import StopRule

LABELS = {"id2label": {0: "neg", 1: "pos"}, "label2id": {"neg": 0, "pos": 1}}
SINGLE = LstmConfig(**LABELS, problem_type="single_label_classification")
# Probabilities of pos after each of ten tokens, and the labels.
POS = np.array([[0.9] * 10, [0.2] * 5 + [0.9] * 5, [0.9] * 2 + [0.4] * 8, [0.3] * 9 + [0.6], [0.1] * 10])
ACTUAL = np.array([1, 1, 0, 1, 0])


def scores_of(watched: np.ndarray, column: int = 1) -> TokenScores:
    positive = watched if column == 1 else 1 - watched
    return TokenScores(np.stack([1 - positive, positive], axis=2), list(watched))


def test_rows_are_cumulative_shares_of_texts():
    measured = measure_early(scores_of(POS), ACTUAL, SINGLE, StopRule("pos", 0.8, 2))
    rows = measured["rows"]
    assert [row["share"] for row in rows] == [tenth / 10 for tenth in range(1, 11)]
    # Correct are texts 0 and 4 from the start; 2 from the third token, 1 from the sixth and 3 from the tenth on.
    assert [row["accuracy"] for row in rows] == [0.4, 0.4, 0.6, 0.6, 0.6, 0.8, 0.8, 0.8, 0.8, 1.0]
    # Alarms: text 0 after 2 tokens, text 1 after 7, text 2 (no pos) after 2; pos is predicted for texts 0, 1 and 3.
    for name in ("recall", "verdict_recall"):
        assert [row[name] for row in rows] == pytest.approx([0, *[1 / 3] * 5, *[2 / 3] * 4])
    for name in ("false_alarms", "verdict_false_alarms"):
        assert [row[name] for row in rows] == [0, *[0.5] * 9]
    assert measured["median_share_read"] == pytest.approx(0.45)  # of 0.2 and 0.7; text 3 has no alarm


def test_without_a_rule_there_are_only_predictions():
    measured = measure_early(scores_of(POS), ACTUAL, SINGLE, None)
    assert measured.keys() == {"rows"} and measured["rows"][-1] == {"share": 1.0, "accuracy": 1.0}


def test_figures_of_no_texts_are_left_out():
    measured = measure_early(scores_of(POS[:2]), ACTUAL[:2], SINGLE, StopRule("pos", 0.8, 2))
    assert measured["rows"][0].keys() == {"share", "accuracy", "recall", "verdict_recall"}
    none = measure_early(scores_of(POS[4:]), ACTUAL[4:], SINGLE, StopRule("pos", 0.8, 2))
    assert none["rows"][0].keys() == {"share", "accuracy", "false_alarms", "verdict_false_alarms"}
    assert "median_share_read" not in none


def test_verdict_is_a_predicted_label():
    scores = np.array([[0.4, 0.6], [0.45, 0.55], [0.7, 0.3]])
    assert is_verdict(scores, "pos", SINGLE).tolist() == [True, True, False]
    strict = LstmConfig(**LABELS, problem_type="single_label_classification", threshold=[0.0, 0.58])
    assert is_verdict(scores, "pos", strict).tolist() == [True, False, False]
    multi = LstmConfig(**LABELS, problem_type="multi_label_classification", threshold=[0.4, 0.5])
    assert is_verdict(scores, "neg", multi).tolist() == [True, True, True]
    assert is_verdict(scores, "pos", multi).tolist() == [True, True, False]
    assert has_label(ACTUAL, "neg", SINGLE).tolist() == [False, False, True, False, True]
    assert has_label(np.array([[1.0, 0.0], [0.0, 1.0]]), "pos", multi).tolist() == [False, True]


def test_multi_label_predictions_are_measured_by_f1():
    multi = LstmConfig(**LABELS, problem_type="multi_label_classification")
    labels = np.eye(2)[ACTUAL]
    measured = measure_early(scores_of(POS), labels, multi, StopRule("neg", 0.8, 1))
    assert measured["rows"][-1]["f1_macro"] == 1


def test_table_has_a_column_for_each_figure():
    table = early_table(measure_early(scores_of(POS), ACTUAL, SINGLE, StopRule("pos", 0.8, 2))["rows"]).splitlines()
    assert len(table) == 12 and table[0].count("|") == 7
    assert table[0].startswith("| Text read | Accuracy | Alarms (with the label)") and table[2].startswith("| 10%")
