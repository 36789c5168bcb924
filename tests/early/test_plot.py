import numpy as np
from PIL import Image

from hf_lstm import LstmConfig
from hf_lstm.early.measures import measure_early
from hf_lstm.early.plot import plot_early
from hf_lstm.early.token_scores import TokenScores
from hf_lstm.inference import StopRule


def test_plot_is_wider_with_a_rule(tmp_path):
    config, rng = LstmConfig(problem_type="single_label_classification"), np.random.default_rng(0)
    positive = rng.random((20, 10))
    scores = TokenScores(np.stack([1 - positive, positive], axis=2), list(positive))
    widths = []
    for rule in (None, StopRule("LABEL_1", 0.6, 2)):
        measured = measure_early(scores, rng.integers(2, size=20), config, rule)
        plot_early(measured, rule, "a $title", tmp_path / "plot.png")
        widths.append(Image.open(tmp_path / "plot.png").width)
    assert widths[1] == 2 * widths[0]
