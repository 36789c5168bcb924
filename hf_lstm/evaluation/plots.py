"""Pictures of a training (the learning curve, what was confused with what) and of a stream."""

from bisect import bisect_left
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, f1_score

from ..inference import probabilities

# Above this many labels the numbers in the cells of a confusion matrix would overlap.
MAX_ANNOTATED_LABELS = 12

# Characters in a line of a streamed text, and how many lines are drawn.
LINE_LENGTH, MAX_LINES = 88, 40

# Of the monospaced font: height in points and the width of a character in inches.
FONT_SIZE = 9

CHARACTER_WIDTH = 0.602 * FONT_SIZE / 72


def plot_learning_curve(log_history: list[dict], metric: str, path: str | Path) -> None:
    """
    Draws training loss, validation loss and the validation figure over the epochs.

    Args:
        log_history: `trainer.state.log_history`.
        metric: The figure, such as `"accuracy"`.
        path: PNG file to write.
    """
    train = [(entry["epoch"], entry["loss"]) for entry in log_history if "loss" in entry]
    evaluations = [entry for entry in log_history if "eval_loss" in entry]
    epochs = [entry["epoch"] for entry in evaluations]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss_axes, metric_axes = figure.subplots(1, 2)
    if train:
        loss_axes.plot(*zip(*train, strict=True), marker="o", label="train")
    loss_axes.plot(epochs, [entry["eval_loss"] for entry in evaluations], marker="o", label="validation")
    loss_axes.set(xlabel="epoch", ylabel="loss", title="Loss")
    loss_axes.legend()
    metric_axes.plot(epochs, [entry[f"eval_{metric}"] for entry in evaluations], marker="o", color="tab:green")
    metric_axes.set(xlabel="epoch", ylabel=metric, title=f"Validation {metric}")
    for axes in (loss_axes, metric_axes):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path, dpi=120)


def plot_predictions(logits: np.ndarray, labels: np.ndarray, config, title: str, path: str | Path) -> None:
    """
    Draws the confusion matrix; of several labels a text, the F1 of each; in a regression, scores against true ones.

    Args:
        logits: `(texts, num_labels)`.
        labels: Class ids `(texts,)`, 0/1 indicators `(texts, num_labels)`, or scores.
        config: The model's.
        title: Heading, such as the name of the split.
        path: PNG file to write.
    """
    names = [config.id2label[i] for i in range(config.num_labels)]
    scores = probabilities(logits, config.problem_type)
    size = max(4.2, 0.28 * len(names) + 2)
    if config.problem_type == "single_label_classification":
        figure = Figure(figsize=(size + 0.8, size), layout="constrained")
        axes = figure.subplots()
        matrix = np.zeros((len(names), len(names)), dtype=int)  # (true, predicted)
        np.add.at(matrix, (labels, scores.argmax(1)), 1)
        display = ConfusionMatrixDisplay(matrix, display_labels=names)
        annotated = len(names) <= MAX_ANNOTATED_LABELS
        display.plot(ax=axes, cmap="Blues", include_values=annotated, values_format="d", xticks_rotation="vertical")
    elif config.problem_type == "multi_label_classification":
        figure = Figure(figsize=(6, size), layout="constrained")
        axes = figure.subplots()
        f1 = f1_score(labels.astype(int), (scores >= config.threshold).astype(int), average=None, zero_division=0)
        order = np.argsort(f1)
        axes.barh([names[i] for i in order], f1[order])
        axes.set(xlabel="F1", xlim=(0, 1))
    else:
        figure = Figure(figsize=(4.6, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.scatter(labels, logits.reshape(np.shape(labels)), s=6, alpha=0.4)
        axes.set(xlabel="true score", ylabel="predicted score")
    axes.set_title(title)
    figure.savefig(path, dpi=120)


def plot_stream(text: str, spans: list[tuple[int, int]], scores: np.ndarray, label: str, path: str | Path) -> None:
    """
    Draws the probability of a label after each token under the text, which makes the memory of a model visible.

    Args:
        text: The text; of a long one, the first lines are drawn.
        spans: From which to which character of it each token reaches.
        scores: Probability after each token, `(tokens,)`.
        label: Its label.
        path: PNG file to write.
    """
    starts = line_starts(text)
    shown = starts[:MAX_LINES]
    width, line_height, margin = LINE_LENGTH * CHARACTER_WIDTH, 0.75, 0.7  # inches
    height = len(shown) * line_height + 0.5
    figure = Figure(figsize=(width + 2 * margin, height))
    ends = [end for _, end in spans]
    title = f"probability of {label!r} after each token"
    if len(starts) > len(shown):
        title += f", first {starts[len(shown)]:,} of {len(text):,} characters"
    figure.text(0.5, 1 - 0.2 / height, title, ha="center", va="center")
    for i, start in enumerate(shown):
        end = starts[i + 1] if i + 1 < len(starts) else len(text)
        bottom = (height - 0.5 - (i + 1) * line_height + 0.15) / height
        axes = figure.add_axes((margin / (width + 2 * margin), bottom, width / (width + 2 * margin), 0.4 / height))
        # What was known at the start of the line, then a step at the end of each token.
        first, last = bisect_left(ends, start + 1), bisect_left(ends, end + 1)
        before = scores[first - 1] if first else np.nan
        x = np.array([0, *(ends[token] - start for token in range(first, last)), end - start])
        y = np.array([before, *scores[first:last], scores[last - 1] if last else np.nan])
        axes.fill_between(x, y, 0.5, where=y >= 0.5, step="post", color="tab:green", alpha=0.35, linewidth=0)
        axes.fill_between(x, y, 0.5, where=y <= 0.5, step="post", color="tab:red", alpha=0.35, linewidth=0)
        axes.step(x, y, where="post", color="black", linewidth=0.9)
        axes.set(xlim=(0, LINE_LENGTH), ylim=(0, 1), xticks=[], yticks=[0, 1])
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        line = "".join(character if character.isprintable() else " " for character in text[start:end])
        axes.text(0, 1.08, line, family="monospace", fontsize=FONT_SIZE, va="bottom", parse_math=False)
    figure.savefig(path, dpi=120)


def line_starts(text: str) -> list[int]:
    """Where each line of a text starts, broken after a space where there is one."""
    starts = [0]
    while len(text) - starts[-1] > LINE_LENGTH:
        space = text.rfind(" ", starts[-1], starts[-1] + LINE_LENGTH)
        starts.append(space + 1 if space > starts[-1] else starts[-1] + LINE_LENGTH)
    return starts
