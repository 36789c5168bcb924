import math
import time

import numpy as np
import pytest
import torch

from hf_lstm.language_model import Budget, LoopSettings, ModelSize, TokenTexts, budget as module
from hf_lstm.language_model.budget import fit_to_budget, measure_speed

SETTINGS = LoopSettings(batch_size=2, block_size=5)


@pytest.fixture
def texts() -> TokenTexts:
    return TokenTexts.of([np.random.default_rng(0).integers(4, 40, 200) for _ in range(5)])


def test_budget_counts_from_its_start():
    budget = Budget(100.0)
    assert 0 <= budget.elapsed() < 5 and 95 < budget.remaining() <= 100
    assert budget.deadline(0.25) == pytest.approx(time.monotonic() + 25, abs=5)


def test_half_a_size_has_multiples_of_eight():
    half = ModelSize(400, 1152, 3).half()
    assert half == ModelSize(200, 576, 3) and half.half() == ModelSize(96, 288, 3)
    assert ModelSize(8, 8, 1).half() == ModelSize(8, 8, 1)
    assert str(ModelSize(16, 32, 1)) == "1 layer of 32 units, embeddings of 16"


def test_speed_is_measured_on_training_steps(make_model, texts):
    model = make_model()
    before = model.projection.weight.detach().clone()
    assert measure_speed(model, texts, SETTINGS, torch.float32, seconds=math.inf) > 0
    assert not torch.equal(model.projection.weight, before)


@pytest.fixture
def fit(monkeypatch, texts):
    """Fits a model of 256 units whose speed falls with the square of its units: 1,000 tokens/s with 64."""

    def run(seconds: float):
        built = []

        def build(size):
            built.append(size)
            return size

        monkeypatch.setattr(module, "measure_speed", lambda model, *args: 1_000 * (64 / model.hidden_size) ** 2)
        size = ModelSize(64, 256, 2)
        found = fit_to_budget(build, size, texts, SETTINGS, torch.float32, Budget(10_000), seconds)
        return found, built

    return run


def test_model_that_fits_is_kept_and_not_trained_for_ever(fit, texts):
    found, built = fit(seconds=100.0)  # 62.5 tokens/s: 6.25 passes over the 1,000 tokens
    assert found.size == ModelSize(64, 256, 2) and found.reduced == () and len(built) == 1
    assert found.tokens_per_second == 62.5
    assert found.total_steps == pytest.approx(6.25 * 1_000 / 10, abs=2)
    found, _ = fit(seconds=10_000.0)
    assert found.total_steps == 12 * 1_000 / 10


def test_model_is_halved_until_two_passes_fit_and_each_time_is_reported(fit):
    found, built = fit(seconds=4.0)  # a quarter of a pass with 256 units, one with 128, four with 64
    assert [size.hidden_size for size in built] == [256, 128, 64] and found.size == ModelSize(16, 64, 2)
    assert len(found.reduced) == 2
    assert found.reduced[0].startswith("2 layers of 256 units, embeddings of 64 trains 62 tokens per second")
    assert found.reduced[0].endswith("reduced to 2 layers of 128 units, embeddings of 32.")


def test_smallest_model_trains_at_least_one_step(fit):
    found, built = fit(seconds=0.0)
    assert built[-1].hidden_size == 32 and found.total_steps == 1


def test_trial_ends_after_its_share_of_the_budget(monkeypatch, texts):
    monkeypatch.setattr(module, "measure_speed", lambda *args: 1.0)
    found = fit_to_budget(lambda size: size, ModelSize(64, 256, 2), texts, SETTINGS, torch.float32, Budget(0.0), 1.0)
    assert found.size == ModelSize(64, 256, 2)
