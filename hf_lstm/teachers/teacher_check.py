"""Measure teachers on labelled texts before they label others, and reject those that are useless."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..data import Corpus
from ..evaluation import MAIN_METRIC, best_thresholds, compute_metrics
from ..messages import format_names
from .fitted_teachers import FITTED_TEACHERS, Task, Teacher
from .soft_labels import labels_as_targets, on_first_process
from .teacher_kinds import SavedClassifier

# More texts are hardly more informative: with this number the standard error of an accuracy is at most 1.1 points.
MAX_CHECKED_TEXTS = 2_000

# Correlation with the labels that a teacher needs. Two balanced classes have it at an accuracy of about 0.6.
MIN_CORRELATION = 0.2
# A teacher is rejected if its correlation is below the minimum by more than this number of standard errors. One with a
# correlation of 0.4 then passes practically always, even on few texts, and a random one fails on 400 texts.
STANDARD_ERRORS = 2

WRONG_TOKENIZER = (
    " Note that transformers 5 loads another tokenizer than the one of the training for some repositories, without a "
    "warning: compare its tokens with an example of the model card, or give a pipeline with the right tokenizer."
)


def check_teachers(corpus: Corpus, teachers: Sequence[Teacher]) -> list[str]:
    """
    Measure each teacher on validation texts, and print the result.

    Fitted teachers are fitted to the training labels alone. The metric is that of the problem type; for a multi-label
    classification with the best thresholds, as for the trained model.

    Args:
        corpus: The labelled texts. At most [`MAX_CHECKED_TEXTS`] of its validation split are used, at equal distances.
        teachers: The teachers.

    Returns:
        The printed sentences. In distributed training, only the first process prints.

    Raises:
        ValueError: A teacher is hardly better than chance: the correlation of its predictions with the labels is below
            [`MIN_CORRELATION`] by more than two standard errors. Or its labels do not match those of the data.
        OSError: A teacher does not exist.
    """
    # Two functions can have the same name, as lambdas do.
    distinct = [teacher for i, teacher in enumerate(teachers) if teacher not in teachers[:i]]
    return on_first_process(lambda: _check_all(corpus, distinct))


def _check_all(corpus: Corpus, teachers: Sequence[Teacher]) -> list[str]:
    validation, train = corpus.splits["validation"], corpus.splits["train"]
    used = np.unique(np.linspace(0, len(validation) - 1, min(len(validation), MAX_CHECKED_TEXTS)).round().astype(int))
    targets = labels_as_targets(corpus, "validation")[used]
    texts = validation.select(used)["text"][:]
    train_targets = labels_as_targets(corpus, "train")
    task = Task(corpus.label_names, corpus.problem_type, train["text"][:], train_targets, texts)
    notes = _match_labels(task, teachers)
    try:
        linear = FITTED_TEACHERS["linear"].predict(task, ())  # (texts, num_labels)
    except ValueError:  # no word occurs in two texts
        linear = None
    for teacher in teachers:
        rows = teacher.known_texts(texts)
        if not rows:
            notes.append(f"The teacher {teacher.name} has none of the validation texts, so it could not be checked.")
            print(notes[-1], flush=True)
            continue
        if teacher.name == "linear" and linear is not None:
            predicted, reference = linear, None
        else:
            predicted = teacher.predict(replace(task, unlabelled=[texts[row] for row in rows]), ())
            reference = None if linear is None else linear[rows]
        notes.append(_judge(teacher, predicted, targets[rows], corpus.problem_type, reference, len(validation)))
        print(notes[-1], flush=True)
    return notes


def _match_labels(task: Task, teachers: Sequence[Teacher]) -> list[str]:
    """Check the labels of all classifiers before the first of them predicts; return and print what was matched."""
    classifiers = [teacher for teacher in teachers if isinstance(teacher, SavedClassifier)]
    mapped = {label: None for teacher in classifiers for label in teacher.labels}
    own = list(dict.fromkeys(label for teacher in classifiers for label in teacher.label_names()))
    if unknown := [label for label in mapped if label not in own]:
        raise ValueError(
            f"`--teacher_labels` maps {unknown[0]}, which no teacher has. The teachers have the labels "
            f"{format_names(own)}, and the data has {format_names(list(task.label_names))}."
        )
    notes = [note for teacher in classifiers if (note := teacher.match(task).note)]
    print(*notes, sep="\n", end="\n" if notes else "", flush=True)
    return notes


def _judge(
    teacher: Teacher,
    predicted: np.ndarray,
    targets: np.ndarray,
    problem_type: str,
    linear: np.ndarray | None,
    available: int,
) -> str:
    """Return a sentence with the metric of a teacher, and a warning if it is worse than `linear`, or reject it."""
    metric = MAIN_METRIC[problem_type]
    value = main_metric(predicted, targets, problem_type)
    count = f"{len(targets):,} of {available:,}" if len(targets) < available else f"{len(targets):,}"
    measured = f"{metric} {value:.3f} on {count} validation texts"
    if linear is not None:
        of_linear = main_metric(linear, targets, problem_type)
        measured += f" (linear: {of_linear:.3f})"
    advice = WRONG_TOKENIZER if isinstance(teacher, SavedClassifier) else ""
    correlation, error = label_correlation(predicted, targets)
    if correlation + STANDARD_ERRORS * error < MIN_CORRELATION:
        raise ValueError(
            f"The teacher {teacher.name} is hardly better than chance: {measured}, and its predictions have a "
            f"correlation of {correlation:.2f} with the labels, with a standard error of {error:.2f}. Remove "
            f"it.{advice}"
        )
    sentence = f"Teacher {teacher.name}: {measured}."
    if linear is not None and (value > of_linear if metric == "mse" else value < of_linear):
        sentence += f" Warning: this teacher is worse than a linear model of n-grams.{advice}"
    return sentence


def main_metric(predicted: np.ndarray, targets: np.ndarray, problem_type: str) -> float:
    """
    Compute the main metric of a problem type.

    Args:
        predicted: Probabilities or scores, `(texts, num_labels)`.
        targets: `(texts, num_labels)`, as of [`labels_as_targets`].
        problem_type: As in the config of a model.
    """
    if problem_type == "single_label_classification":
        metrics = compute_metrics(problem_type, predicted, targets.argmax(1))
    elif problem_type == "multi_label_classification":
        metrics = compute_metrics(problem_type, predicted, targets, best_thresholds(predicted, targets))
    else:
        metrics = compute_metrics(problem_type, predicted, targets)
    return metrics[MAIN_METRIC[problem_type]]


def label_correlation(predicted: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """
    Return the correlation of predictions with labels, and its standard error for unrelated predictions.

    Unlike accuracy, it is 0 for every teacher that knows nothing, also if most texts have the same label. It is the sum
    of the covariances of all labels, divided by its maximum. The standard error is that over all permutations of the
    texts.

    Args:
        predicted: Probabilities or scores, `(texts, num_labels)`.
        targets: `(texts, num_labels)`.

    Returns:
        The correlation, from -1 to 1, and its standard error. Without two different targets nothing is known: 0 and
        infinity. Constant predictions have the correlation 0 with the standard error 0.
    """
    if not np.ptp(targets, axis=0).any():
        return 0.0, float("inf")
    if not np.ptp(predicted, axis=0).any():
        return 0.0, 0.0
    centred = [values - values.mean(0) for values in (predicted, targets)]  # (texts, num_labels) each
    products = [values.T @ values for values in centred]  # (num_labels, num_labels) each
    scale = float(np.sqrt(np.trace(products[0]) * np.trace(products[1])))
    variance = float(np.sum(products[0] * products[1])) / (len(targets) - 1)
    return float(np.sum(centred[0] * centred[1])) / scale, float(np.sqrt(variance)) / scale
