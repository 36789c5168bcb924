import numpy as np
import pytest

from hf_lstm.evaluation.calibration_plots import plot_calibration


@pytest.mark.parametrize("texts", [1, 2, 500])
@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_any_number_of_texts_is_drawn(tiny_config, tmp_path, problem_type, texts):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (texts, 3))
    labels = logits.argmax(1) if problem_type.startswith("single") else (logits > rng.normal(size=logits.shape))
    config = tiny_config(problem_type=problem_type, num_labels=3)
    plot_calibration(logits, labels, config, "a $title", tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
