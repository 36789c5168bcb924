"""Plots of a training (learning curve, confusion matrix) and of a streamed text."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, f1_score

from ..inference import is_predicted, probabilities
from .metrics import label_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Above this number of labels, the counts in the cells of a confusion matrix would overlap.
MAX_ANNOTATED_LABELS = 12

# Plots with more labels than this show the most frequent ones, which bounds the size of the image.
MAX_LABELS = 60

# Longer label names are shortened, and longer descriptions of trials.
MAX_NAME_LENGTH, MAX_LEGEND = 40, 110

# Width in inches of a character of a label name.
NAME_WIDTH = 0.08

# Characters per line of a streamed text, and the largest number of lines that are drawn.
LINE_LENGTH, MAX_LINES = 88, 40

# Monospaced font of the streamed text: height in points, and the width of a character in inches.
FONT_SIZE = 9

CHARACTER_WIDTH = 0.602 * FONT_SIZE / 72


@contextmanager
def new_figure(path: str | Path, width: float, height: float, constrained: bool = True) -> Iterator["Figure"]:
    """Yield an empty figure of this size in inches, and write it to a PNG file afterwards."""
    # matplotlib takes half a second to import, and most commands draw nothing.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Label names and texts are data: a `$` in them does not start a formula.
    with rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(width, height), layout="constrained" if constrained else None)
        yield figure
        figure.savefig(path, dpi=120)


def plot_learning_curve(log_history: list[dict], metric: str, path: str | Path) -> None:
    """
    Plot the training loss, the validation loss and a validation metric by epoch.

    Args:
        log_history: `trainer.state.log_history`.
        metric: Name of the metric, such as `"accuracy"`.
        path: PNG file to write.
    """
    train = [(entry["epoch"], entry["loss"]) for entry in log_history if "loss" in entry]
    evaluations = [entry for entry in log_history if "eval_loss" in entry]
    epochs = [entry["epoch"] for entry in evaluations]
    with new_figure(path, 9, 3.6) as figure:
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


def plot_trials(
    points: Sequence[tuple[float, float, str]],
    metric: str,
    greater_is_better: bool,
    reference: tuple[str, float] | None,
    path: str | Path,
) -> None:
    """
    Plot the metric of models against their size. Those that no smaller model reaches are numbered and named.

    Args:
        points: Megabytes, metric and name of each model.
        metric: Name of the metric.
        greater_is_better: Its direction.
        reference: Name and metric of a model without a size, or `None`.
        path: PNG file to write.
    """
    front = pareto_front(points, greater_is_better)
    with new_figure(path, 7, 4.2 + 0.22 * len(front)) as figure:
        axes = figure.subplots()
        axes.scatter([point[0] for point in points], [point[1] for point in points], color="tab:gray", alpha=0.5)
        axes.plot([point[0] for point in front], [point[1] for point in front], color="tab:blue", alpha=0.4)
        for megabytes, value, name in front:
            axes.scatter(megabytes, value, color="tab:blue", label=shorten(name, MAX_LEGEND, placeholder=" ..."))
            number = name.partition(":")[0]
            axes.annotate(number, (megabytes, value), xytext=(4, 4), textcoords="offset points", color="tab:blue")
        if reference is not None:
            axes.axhline(reference[1], color="tab:orange", linestyle="--", label=f"{reference[0]} {reference[1]:.4f}")
        axes.set(xlabel="size of the weights in MB", ylabel=f"validation {metric}", title="Trials", xscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.grid(alpha=0.3)
        figure.legend(loc="outside lower left", fontsize="small", handlelength=1)


def pareto_front(points: Sequence[tuple[float, float, str]], greater_is_better: bool) -> list[tuple[float, float, str]]:
    """Return the points, from the smallest, that are better than all points of the same size or a smaller one."""
    sign = 1 if greater_is_better else -1
    front: list[tuple[float, float, str]] = []
    for point in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not front or sign * point[1] > sign * front[-1][1]:
            front.append(point)
    return front


def plot_predictions(logits: np.ndarray, labels: np.ndarray, config, title: str, path: str | Path) -> None:
    """
    Plot a confusion matrix (single-label), the F1 of each label (multi-label) or a scatter plot (regression).

    With more than 60 labels, only the 60 most frequent ones have a row of their own.

    Args:
        logits: Logits `(texts, num_labels)`.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`; regression: numbers.
        config: Config of the model.
        title: Title of the plot.
        path: PNG file to write.
    """
    scores, labels = probabilities(logits, config.problem_type), np.asarray(labels)
    if config.problem_type == "single_label_classification":
        _plot_confusion_matrix(scores.argmax(1), labels, label_names(config), title, path)
    elif config.problem_type == "multi_label_classification":
        _plot_f1_by_label(is_predicted(scores, config.threshold), labels.astype(bool), label_names(config), title, path)
    else:
        with new_figure(path, 4.6, 4.2) as figure:
            axes = figure.subplots()
            axes.scatter(labels, logits.reshape(labels.shape), s=6, alpha=0.4)
            axes.set(xlabel="true score", ylabel="predicted score", title=title)


def _plot_confusion_matrix(
    predicted: np.ndarray, actual: np.ndarray, names: list[str], title: str, path: str | Path
) -> None:
    """Plot how often each class `actual` was classified as each class `predicted`; both are class ids `(texts,)`."""
    matrix, shown = confusion_matrix(predicted, actual, len(names))
    ticks = [_shorten(names[label]) for label in shown]
    if len(matrix) > len(shown):
        ticks.append(f"{len(names) - len(shown)} other labels")
    # Long names below and beside the matrix need space of their own, or they leave none for its cells.
    size = _plot_size(len(ticks)) + NAME_WIDTH * max(map(len, ticks))
    with new_figure(path, size + 0.8, size) as figure:
        axes = figure.subplots()
        ConfusionMatrixDisplay(matrix, display_labels=ticks).plot(
            ax=axes,
            cmap="Blues",
            include_values=len(ticks) <= MAX_ANNOTATED_LABELS,
            values_format="d",
            xticks_rotation="vertical",
            # The many texts of the other labels together would make all other cells white.
            im_kw={"vmax": matrix[: len(shown), : len(shown)].max()},
        )
        figure.suptitle(title)  # has the width of the figure, not that of the matrix


def confusion_matrix(
    predicted: np.ndarray, actual: np.ndarray, num_labels: int, most: int = MAX_LABELS
) -> tuple[np.ndarray, np.ndarray]:
    """
    Count how often each class was classified as each class.

    Args:
        predicted: Predicted class ids `(texts,)`.
        actual: Class ids `(texts,)`.
        num_labels: Number of classes.
        most: Largest number of classes that are counted separately.

    Returns:
        Counts `(actual, predicted)` and the class ids of its rows. If there are more than `most` classes, these are the
        most frequent ones, and the last row and column count all others together.
    """
    shown = _most_frequent(np.bincount(actual, minlength=num_labels), most)
    row_of = np.full(num_labels, len(shown))
    row_of[shown] = np.arange(len(shown))
    size = len(shown) + (num_labels > len(shown))
    matrix = np.zeros((size, size), dtype=int)
    np.add.at(matrix, (row_of[actual], row_of[predicted]), 1)
    return matrix, shown


def _plot_f1_by_label(
    predicted: np.ndarray, actual: np.ndarray, names: list[str], title: str, path: str | Path
) -> None:
    """Plot the F1 of each label as a bar; `predicted` and `actual` are indicators `(texts, num_labels)`."""
    shown = _most_frequent(actual.sum(0))
    f1 = f1_score(actual[:, shown], predicted[:, shown], average=None, zero_division=0)  # (shown labels,)
    order = np.argsort(f1, kind="stable")
    with new_figure(path, 6, _plot_size(len(shown))) as figure:
        axes = figure.subplots()
        # Bars are placed by position, because equal names would share a bar.
        axes.barh(np.arange(len(order)), f1[order])
        axes.set_yticks(np.arange(len(order)), [_shorten(names[shown[i]]) for i in order])
        if len(shown) < len(names):
            title += f", {len(shown)} most frequent of {len(names)} labels"
        axes.set(xlabel="F1", xlim=(0, 1), title=title)


def _most_frequent(counts: np.ndarray, most: int = MAX_LABELS) -> np.ndarray:
    """Return the ids of the labels with the highest counts, in the order of their ids."""
    return np.sort(np.argsort(-counts, kind="stable")[:most])


def _plot_size(rows: int) -> float:
    """Return the size in inches of a plot with this number of label names."""
    return max(4.2, 0.28 * rows + 2)


def _shorten(name: str) -> str:
    """Return a label name on one line of at most 40 characters."""
    name = " ".join(name.split())
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"


def plot_stream(text: str, spans: list[tuple[int, int]], scores: np.ndarray, label: str, path: str | Path) -> None:
    """
    Plot the probability of a label after each token above the text, which shows what the model remembers.

    Args:
        text: The text; only the first 40 lines of 88 characters are drawn.
        spans: First character and end of each token in the text.
        scores: Probability of the label after each token, `(tokens,)`.
        label: Name of the label.
        path: PNG file to write.
    """
    starts = line_starts(text)
    shown = starts[:MAX_LINES]
    width, line_height, margin = LINE_LENGTH * CHARACTER_WIDTH, 0.75, 0.7  # inches
    height = len(shown) * line_height + 0.5
    title = f"probability of {_shorten(label)!r} after each token"
    if len(starts) > len(shown):
        title += f", first {starts[len(shown)]:,} of {len(text):,} characters"
    with new_figure(path, width + 2 * margin, height, constrained=False) as figure:
        figure.text(0.5, 1 - 0.2 / height, title, ha="center", va="center")
        for i, start in enumerate(shown):
            end = starts[i + 1] if i + 1 < len(starts) else len(text)
            bottom = (height - 0.5 - (i + 1) * line_height + 0.15) / height
            axes = figure.add_axes((margin / (width + 2 * margin), bottom, width / (width + 2 * margin), 0.4 / height))
            x, y = line_steps(start, end, spans, scores)
            for color, bound in (("tab:green", np.maximum(y, 0.5)), ("tab:red", np.minimum(y, 0.5))):
                axes.fill_between(x, bound, 0.5, step="post", color=color, alpha=0.35, linewidth=0)
            axes.step(x, y, where="post", color="black", linewidth=0.9)
            axes.set(xlim=(0, LINE_LENGTH), ylim=(0, 1), xticks=[], yticks=[0, 1])
            axes.tick_params(labelsize=7)
            axes.spines[["top", "right", "bottom"]].set_visible(False)
            line = "".join(character if character.isprintable() else " " for character in text[start:end])
            axes.text(0, 1.08, line, family="monospace", fontsize=FONT_SIZE, va="bottom")


def line_steps(start: int, end: int, spans: list[tuple[int, int]], scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the step curve of one line: the probability changes at the end of each token.

    Args:
        start: First character of the line.
        end: End of the line.
        spans: First character and end of each token in the text.
        scores: Probability after each token, `(tokens,)`.

    Returns:
        Characters since the start of the line, and the probability from there on. The first point is the probability
        at the start of the line, which is NaN before the first token.
    """
    ends = [token_end for _, token_end in spans]
    first, last = bisect_left(ends, start + 1), bisect_left(ends, end + 1)
    before = scores[first - 1] if first else np.nan
    x = np.array([0, *(ends[token] - start for token in range(first, last)), end - start])
    y = np.array([before, *scores[first:last], scores[last - 1] if last else np.nan])
    return x, y


def line_starts(text: str) -> list[int]:
    """Return the start of each line of a text, which is wrapped after a space if possible."""
    starts = [0]
    while len(text) - starts[-1] > LINE_LENGTH:
        space = text.rfind(" ", starts[-1], starts[-1] + LINE_LENGTH)
        starts.append(space + 1 if space > starts[-1] else starts[-1] + LINE_LENGTH)
    return starts
