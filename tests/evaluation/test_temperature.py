import numpy as np
import pytest
import torch
from helpers import make_classifier
from scipy.special import log_softmax, softmax

from hf_lstm.evaluation.temperature import MIN_TEXTS, calibrate_head, fit_temperatures

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def draw(texts: int, temperature: float, num_labels: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `temperature` times those of the probabilities from which the labels are drawn."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (texts, num_labels))
    labels = np.array([rng.choice(num_labels, p=p) for p in softmax(logits, axis=1)])
    return temperature * logits, labels


@pytest.mark.parametrize("temperature", [0.3, 2.5])
def test_temperature_is_that_of_the_simulation_and_of_a_grid(temperature):
    logits, labels = draw(4_000, temperature)
    fitted = fit_temperatures(logits, labels, SINGLE)
    assert fitted.shape == (3,) and len(set(fitted)) == 1
    assert fitted[0] == pytest.approx(temperature, rel=0.08)
    grid = np.geomspace(0.1, 10, 2_001)
    losses = [-log_softmax(logits / value, axis=1)[np.arange(len(labels)), labels].mean() for value in grid]
    assert fitted[0] == pytest.approx(grid[np.argmin(losses)], rel=0.01)


def test_temperature_is_that_of_scikit_learn():
    calibrate = pytest.importorskip("sklearn.calibration", minversion=None)
    if not hasattr(calibrate, "_TemperatureScaling"):
        pytest.skip("requires scikit-learn 1.8")
    logits, labels = draw(3_000, 1.7)
    expected = 1 / calibrate._TemperatureScaling().fit(logits, labels).beta_
    assert fit_temperatures(logits, labels, SINGLE)[0] == pytest.approx(expected, rel=0.01)


def test_perfectly_separated_texts_keep_some_doubt():
    labels = np.arange(200) % 2
    logits = np.eye(2)[labels]
    (temperature, _) = fit_temperatures(logits, labels, SINGLE)
    # One of the 201 texts has the label 1/2 by the method of Platt: the best probability is 200.5 / 201.
    assert 1 / temperature == pytest.approx(np.log(200.5 / 0.5), rel=1e-3)


def test_good_temperatures_and_few_texts_are_left_alone():
    kept = [fit_temperatures(*draw(200, 1.0, seed=seed), SINGLE)[0] == 1 for seed in range(40)]
    assert np.mean(kept) > 0.7
    assert (fit_temperatures(*draw(MIN_TEXTS - 1, 5.0), SINGLE) == 1).all()
    assert (fit_temperatures(np.ones((99, 2)), np.ones((99, 2)), "regression") == 1).all()


def test_fitted_temperatures_lower_the_log_loss_of_new_texts_on_average():
    def loss(logits, labels):
        return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()

    test = draw(20_000, 1.0, seed=1_000)
    for temperature, limit in ((1.0, 0.005), (0.5, -0.02)):
        changes = []
        for seed in range(30):
            fitted = fit_temperatures(*draw(100, temperature, seed=seed), SINGLE)[0]
            changes.append(loss(temperature * test[0] / fitted, test[1]) - loss(temperature * test[0], test[1]))
        assert np.mean(changes) < limit


def test_labels_with_enough_texts_have_their_own_temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (2_000, 3))
    logits[:, 2] -= 8  # rare
    labels = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)
    assert labels[:, 2].sum() < MIN_TEXTS
    first, second, rare = fit_temperatures(logits * [3.0, 0.5, 1.0], labels, MULTI)
    assert (first, second) == (pytest.approx(3, rel=0.15), pytest.approx(0.5, rel=0.15))
    assert second < rare < first  # the shared one


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_head_is_divided_so_that_all_logits_are(problem_type):
    model = make_classifier(problem_type=problem_type)
    ids = torch.randint(4, 300, (120, 7))
    with torch.no_grad():
        logits = model(ids).logits.double().numpy()
    rng = np.random.default_rng(0)
    if problem_type == SINGLE:
        labels = np.array([rng.choice(3, p=p) for p in softmax(3 * logits, axis=1)])
    else:
        labels = (rng.random(logits.shape) < 1 / (1 + np.exp(-3 * logits))).astype(float)
    expected = fit_temperatures(logits, labels, problem_type)
    assert (expected != 1).any()
    record, (note,) = calibrate_head(model, logits, labels)
    with torch.no_grad():
        scaled = model(ids).logits.double().numpy()
    np.testing.assert_allclose(scaled, logits / expected, rtol=1e-5, atol=1e-6)
    if problem_type == SINGLE:
        assert (scaled.argmax(1) == logits.argmax(1)).all()
        assert record["temperature"] == expected[0] and f"Temperature {expected[0]:.3g} (fitted on 120" in note
    before, after = record["log_loss"]
    assert after < before and f"log loss {before:.3f} -> {after:.3f}" in note
    assert record["texts"] == 120 and sum(row["count"] for row in record["bins"]) == 120 * (
        3 if problem_type == MULTI else 1
    )


def test_too_few_texts_leave_the_head_and_say_so():
    model = make_classifier()
    weight = model.classifier.weight.clone()
    record, (note,) = calibrate_head(model, np.zeros((20, 3)), np.zeros(20, dtype=int))
    assert record == {} and "takes 50 validation texts, there are 20" in note
    assert torch.equal(model.classifier.weight, weight)
