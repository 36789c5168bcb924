import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import f1_score

from hf_lstm.evaluation.calibration import calibration, confidence_interval, reliability
from hf_lstm.evaluation.cost import folder_bytes, texts_per_second
from hf_lstm.evaluation.evaluation import confident_errors


def two_class_logits(probability_of_1: list[float]) -> np.ndarray:
    p = np.array(probability_of_1)
    return np.stack([np.zeros(len(p)), np.log(p / (1 - p))], axis=1)


def test_interval_of_an_accuracy_is_that_of_a_proportion(tiny_config):
    config = tiny_config(problem_type="single_label_classification")
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 2_000)
    right = rng.random(2_000) < 0.9
    logits = two_class_logits(np.where(np.where(right, labels, 1 - labels) == 1, 0.9, 0.1))
    low, high = confidence_interval(config, logits, labels)
    share = right.mean()
    half = norm.ppf(0.975) * np.sqrt(share * (1 - share) / 2_000)
    assert low == pytest.approx(share - half, abs=0.002) and high == pytest.approx(share + half, abs=0.002)


def test_interval_holds_the_figure_of_every_kind_of_target(tiny_config):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, (60, 2)).astype(float)
    config = tiny_config(problem_type="multi_label_classification")
    low, high = confidence_interval(config, 4 * (labels - 0.5) + rng.normal(size=(60, 2)) * 2, labels)
    assert 0.5 < low < high < 1
    # A threshold of each label: with these nothing of the first is right, and all of the second.
    config.threshold = [0.9, 0.1]
    logits = np.array([[1.0, -1.0], [-1.0, -4.0]] * 30)
    low, high = confidence_interval(config, logits, np.array([[1, 1], [0, 0]] * 30))
    assert low == high == 0.5
    scores = rng.normal(size=60)
    regression = tiny_config(problem_type="regression", num_labels=1)
    low, high = confidence_interval(regression, scores[:, None] + 0.5, scores)
    assert low == pytest.approx(0.25) and high == pytest.approx(0.25)


def test_interval_of_a_macro_f1_is_that_of_texts_drawn_anew(tiny_config):
    rng = np.random.default_rng(3)
    labels = (rng.random((400, 3)) < [0.5, 0.3, 0.05]).astype(int)
    logits = 2 * labels - 1 + rng.normal(size=(400, 3)) * 2
    found = confidence_interval(tiny_config(problem_type="multi_label_classification"), logits, labels)
    drawn = [rng.integers(0, 400, 400) for _ in range(500)]
    figures = [f1_score(labels[rows], logits[rows] >= 0, average="macro", zero_division=0) for rows in drawn]
    low, high = np.percentile(figures, [2.5, 97.5])
    assert high - low > 0.08 and found == (pytest.approx(low, abs=0.015), pytest.approx(high, abs=0.015))


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
def test_one_text_has_no_interval(tiny_config, problem_type):
    config = tiny_config(problem_type=problem_type, num_labels=2)
    labels = np.array([1]) if problem_type.startswith("single") else np.array([[1.0, 0.0]])
    assert not any(name.endswith("interval") for name in reliability(config, np.array([[0.3, 0.1]]), labels))


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    # Ten texts at 0.8, of which 6 are right; ten at 0.55, of which all are right.
    logits = two_class_logits([0.8] * 10 + [0.55] * 10)
    labels = np.array([1] * 6 + [0] * 4 + [1] * 10)
    found = calibration(logits, labels)
    assert found["calibration_error"] == pytest.approx((10 * 0.2 + 10 * 0.45) / 20)
    expected = -(6 * np.log(0.8) + 4 * np.log(0.2) + 10 * np.log(0.55)) / 20
    assert found["log_loss"] == pytest.approx(expected)


def test_only_classes_have_a_calibration(tiny_config):
    config = tiny_config(problem_type="regression", num_labels=1)
    assert set(reliability(config, np.zeros((4, 1)), np.arange(4.0))) == {"mse_interval"}
    config = tiny_config(problem_type="single_label_classification")
    found = reliability(config, two_class_logits([0.2, 0.7, 0.6]), np.array([0, 1, 0]))
    assert set(found) == {"accuracy_interval", "log_loss", "calibration_error"}


def test_failures_are_the_surest_wrong_ones(tiny_config, monkeypatch):
    class Model:
        config = tiny_config(id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})

    monkeypatch.setattr(
        "hf_lstm.evaluation.evaluation.predict_texts", lambda *_: two_class_logits([0.9, 0.6, 0.3, 0.95])
    )
    accuracy, shown = confident_errors(Model, None, ["a", "b", "c", "d"], np.array([0, 0, 0, 1]), most=1)
    assert accuracy == 0.5
    assert shown == [{"text": "a", "label": "bad", "predicted": "good", "score": pytest.approx(0.9)}]


def test_speed_counts_at_most_2_000_texts(monkeypatch):
    times = iter([10.0, 12.0])
    scored = []
    monkeypatch.setattr(
        "hf_lstm.evaluation.cost.predict_texts", lambda model, tokenizer, texts: scored.append(len(texts))
    )
    monkeypatch.setattr("hf_lstm.evaluation.cost.time.perf_counter", lambda: next(times))
    assert texts_per_second(None, None, ["x"] * 3_000) == 1_000 and scored == [64, 2_000]


def test_bytes_of_a_folder(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"123")
    (tmp_path / "sub").mkdir()
    assert folder_bytes(tmp_path) == 8 and folder_bytes(tmp_path, leave_out=["a"]) == 3
