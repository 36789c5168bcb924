import subprocess
import sys

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from hf_lstm.evaluation.plots import (
    confusion_matrix,
    line_starts,
    line_steps,
    pareto_front,
    plot_learning_curve,
    plot_predictions,
    plot_stream,
    plot_trials,
)


def has_ink(path) -> bool:
    """Return whether the image can be opened and has more than ten colours."""
    with Image.open(path) as image:
        return len(image.convert("RGB").getcolors(1 << 24)) > 10


def test_trials_that_no_smaller_one_reaches_are_named(tmp_path):
    points = [(2.0, 0.8, "0: default"), (1.0, 0.8, "1: gru"), (3.0, 0.9, "2: large"), (1.0, 0.7, "3: $max")]
    assert [point[2] for point in pareto_front(points, True)] == ["1: gru", "2: large"]
    assert [point[2] for point in pareto_front(points, False)] == ["3: $max"]
    for reference in (None, ("TF-IDF", 0.85)):
        plot_trials(points, "accuracy", True, reference, tmp_path / "trials.png")
        assert has_ink(tmp_path / "trials.png")


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
def test_confusion_matrix_plot(tiny_config, tmp_path, count):
    config = tiny_config(num_labels=count, problem_type="single_label_classification")
    rng = np.random.default_rng(0)
    plot_predictions(rng.normal(size=(50, count)), rng.integers(0, count, 50), config, "test", tmp_path / "p.png")
    assert has_ink(tmp_path / "p.png")


def test_long_names_leave_space_for_the_cells_of_a_confusion_matrix(tiny_config, tmp_path):
    sizes = {}
    for name in ("short", "a name of forty characters, or even more"):
        config = tiny_config(id2label={i: f"{name} {i}" for i in range(4)}, problem_type="single_label_classification")
        plot_predictions(np.eye(4), np.arange(4), config, "test", tmp_path / "p.png")
        sizes[name] = Image.open(tmp_path / "p.png").size
    # 30 more characters at 10 points, which are about 7 pixels wide at 120 dots per inch.
    assert all(long - short >= 30 * 7 for short, long in zip(*sizes.values(), strict=True))


def test_confusion_matrix_has_one_row_per_true_class():
    matrix, shown = confusion_matrix(predicted=np.array([1, 1, 0]), actual=np.array([0, 1, 1]), num_labels=2)
    assert matrix.tolist() == [[0, 1], [1, 1]] and shown.tolist() == [0, 1]


def test_confusion_matrix_counts_rare_classes_together():
    actual, predicted = np.array([3, 3, 3, 1, 1, 0, 2]), np.array([3, 1, 0, 1, 1, 2, 3])
    matrix, shown = confusion_matrix(predicted, actual, num_labels=4, most=2)
    assert shown.tolist() == [1, 3]
    # Rows: true class 1, 3, others (0 and 2). Columns: predicted class 1, 3, others.
    assert matrix.tolist() == [[2, 0, 0], [1, 1, 1], [0, 1, 1]]


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_image_size_is_bounded_for_many_labels(tiny_config, tmp_path, problem_type):
    config = tiny_config(num_labels=1_000, problem_type=problem_type)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 1_000, 200)
    if problem_type.startswith("multi"):
        labels = np.eye(1_000)[labels]
    plot_predictions(rng.normal(size=(200, 1_000)), labels, config, "test", tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as image:
        assert max(image.size) < 3_000


@pytest.fixture
def drawn_texts(monkeypatch):
    """Record the texts that matplotlib draws, and whether each one is parsed as a formula."""
    texts, draw = {}, Text.draw

    def record(self, *args, **kwargs):
        texts[self.get_text()] = self.get_parse_math()
        draw(self, *args, **kwargs)

    monkeypatch.setattr(Text, "draw", record)
    return texts


def test_dollar_signs_in_names_and_titles_are_drawn_as_written(tiny_config, tmp_path, drawn_texts):
    names = ["$5$ or less", "over $5", "x" * 100]
    config = tiny_config(
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        problem_type="single_label_classification",
    )
    logits, labels = np.eye(3), np.array([0, 1, 2])
    plot_predictions(logits, labels, config, "costs in $, not in $$, test", tmp_path / "p.png")
    config.problem_type = "multi_label_classification"
    plot_predictions(logits, np.eye(3), config, "costs in $, not in $$, test", tmp_path / "f1.png")
    expected = {"$5$ or less", "over $5", "x" * 39 + "…", "costs in $, not in $$, test"}
    assert expected <= set(drawn_texts) and not any(drawn_texts.values())


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_a_thousand_classes_with_formulas_as_names_need_few_texts(tiny_config, tmp_path, drawn_texts, problem_type):
    names = [f"<${i}k_$x^2$\\frac{{" for i in range(1_000)]
    config = tiny_config(
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        problem_type=problem_type,
    )
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 1_000, 5_000)
    if problem_type.startswith("multi"):
        labels = np.eye(1_000)[labels]
    plot_predictions(rng.normal(size=(5_000, 1_000)), labels, config, "test", tmp_path / "p.png")
    shown = set(drawn_texts) & set(names)
    # A matrix of all classes would have a million cells with a text each, which takes minutes and gigabytes.
    assert has_ink(tmp_path / "p.png") and len(drawn_texts) < 3_000
    assert 0 < len(shown) < 100 and not any(drawn_texts.values())


def test_plots_of_other_problem_types(tiny_config, tmp_path):
    rng = np.random.default_rng(0)
    config = tiny_config(num_labels=3, problem_type="multi_label_classification")
    plot_predictions(rng.normal(size=(9, 3)), rng.integers(0, 2, (9, 3)), config, "test", tmp_path / "labels.png")
    config = tiny_config(num_labels=1, problem_type="regression")
    plot_predictions(rng.normal(size=(9, 1)), rng.normal(size=9), config, "test", tmp_path / "scores.png")
    assert has_ink(tmp_path / "labels.png") and has_ink(tmp_path / "scores.png")


def test_lines_are_wrapped_after_spaces():
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


def test_step_curve_changes_at_the_end_of_each_token():
    spans, scores = [(0, 4), (4, 88), (88, 90)], np.array([0.1, 0.8, 0.9])
    x, y = line_steps(0, 88, spans, scores)
    assert x.tolist() == [0, 4, 88, 88] and y[1:].tolist() == [0.1, 0.8, 0.8] and np.isnan(y[0])
    x, y = line_steps(88, 90, spans, scores)
    assert x.tolist() == [0, 2, 2] and y.tolist() == [0.8, 0.9, 0.9]


@pytest.mark.slow
def test_import_does_not_load_matplotlib():
    code = "import sys, hf_lstm.evaluation; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
