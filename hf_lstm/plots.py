"""Pictures of a training: the learning curve and what was confused with what."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, f1_score

from .prediction import probabilities

# Above this many labels the numbers in the cells of a confusion matrix would overlap.
MAX_ANNOTATED_LABELS = 12


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
