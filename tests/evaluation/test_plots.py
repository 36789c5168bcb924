import numpy as np
import pytest
from PIL import Image

from hf_lstm.evaluation.plots import line_starts, plot_learning_curve, plot_predictions, plot_stream


def has_ink(path) -> bool:
    """Whether the picture opens and is not of one colour."""
    with Image.open(path) as image:
        return len(image.convert("RGB").getcolors(1 << 24)) > 10


def test_learning_curve(tmp_path):
    history = [
        {"epoch": 1.0, "loss": 0.7},
        {"epoch": 1.0, "eval_loss": 0.6, "eval_accuracy": 0.7},
        {"epoch": 2.0, "loss": 0.5},
        {"epoch": 2.0, "eval_loss": 0.5, "eval_accuracy": 0.8},
        {"train_runtime": 3.0},
    ]
    plot_learning_curve(history, "accuracy", tmp_path / "curve.png")
    assert has_ink(tmp_path / "curve.png")


@pytest.mark.parametrize("count", [2, 40])
def test_confusion_matrix(tiny_config, tmp_path, count):
    config = tiny_config(num_labels=count, problem_type="single_label_classification")
    rng = np.random.default_rng(0)
    plot_predictions(rng.normal(size=(50, count)), rng.integers(0, count, 50), config, "test", tmp_path / "p.png")
    assert has_ink(tmp_path / "p.png")


def test_confusion_matrix_counts_true_by_row(tiny_config, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "hf_lstm.evaluation.plots.ConfusionMatrixDisplay.plot", lambda self, **kwargs: seen.append(self)
    )
    config = tiny_config(num_labels=2, problem_type="single_label_classification")
    logits = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    plot_predictions(logits, np.array([0, 1, 1]), config, "test", tmp_path / "p.png")
    assert seen[0].confusion_matrix.tolist() == [[0, 1], [1, 1]]


def test_other_problem_types(tiny_config, tmp_path):
    rng = np.random.default_rng(0)
    config = tiny_config(num_labels=3, problem_type="multi_label_classification")
    plot_predictions(rng.normal(size=(9, 3)), rng.integers(0, 2, (9, 3)), config, "test", tmp_path / "labels.png")
    config = tiny_config(num_labels=1, problem_type="regression")
    plot_predictions(rng.normal(size=(9, 1)), rng.normal(size=9), config, "test", tmp_path / "scores.png")
    assert has_ink(tmp_path / "labels.png") and has_ink(tmp_path / "scores.png")


def test_lines_break_after_spaces():
    text = "word " * 20 + "x" * 200
    starts = line_starts(text)
    lines = [text[i:j] for i, j in zip(starts, [*starts[1:], None], strict=True)]
    assert "".join(lines) == text and max(map(len, lines)) <= 88
    assert lines[0] == "word " * 17 and lines[1] == "word " * 3
    assert line_starts("") == [0]


@pytest.mark.parametrize("words", [0, 3, 2_000])
def test_stream(tmp_path, words):
    text = "film$ " * words
    spans = [(6 * i, 6 * i + 5) for i in range(words)]
    plot_stream(text, spans, np.linspace(0, 1, words), "positive", tmp_path / "stream.png")
    assert has_ink(tmp_path / "stream.png")


def test_stream_draws_each_score_at_the_end_of_its_token(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.step", lambda self, x, y, **kwargs: drawn.append((x.tolist(), y.tolist()))
    )
    text = "a" * 88 + "bb"
    plot_stream(text, [(0, 4), (4, 88), (88, 90)], np.array([0.1, 0.8, 0.9]), "positive", tmp_path / "stream.png")
    assert drawn[0][0] == [0, 4, 88, 88] and drawn[0][1][1:] == [0.1, 0.8, 0.8] and np.isnan(drawn[0][1][0])
    assert drawn[1] == ([0, 2, 2], [0.8, 0.9, 0.9])
