"""Match the labels of a teacher with those of the data."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..messages import format_names


@dataclass(frozen=True)
class LabelMatch:
    """
    Which label of the data each label of a teacher stands for.

    Args:
        columns: For each label of the teacher the index of the label of the data, or `None` if it is dropped.
        num_labels: Number of labels of the data.
        note: A sentence on the labels that do not have the same name, or "".
    """

    columns: Sequence[int | None]
    num_labels: int
    note: str = ""

    def convert(self, predicted: np.ndarray, problem_type: str) -> np.ndarray:
        """
        Convert the predictions of the teacher.

        Args:
            predicted: `(texts, labels of the teacher)`.
            problem_type: As in the config of a model.

        Returns:
            `(texts, num_labels)`. The probabilities of labels that stand for the same label are added. If one was
            dropped in a single-label classification, the others are divided by their sum.
        """
        converted = np.zeros((len(predicted), self.num_labels))
        for i, column in enumerate(self.columns):
            if column is not None:
                converted[:, column] += predicted[:, i]
        if problem_type == "single_label_classification" and None in self.columns:
            converted /= np.maximum(converted.sum(1, keepdims=True), np.finfo(float).tiny)
        return np.minimum(converted, 1) if problem_type == "multi_label_classification" else converted


def match_teacher_labels(
    own: tuple[Sequence[str], str], data: tuple[Sequence[str], str], mapping: Mapping[str, str], name: str
) -> LabelMatch:
    """
    Find the label of the data for each label of a teacher: by `mapping`, by name, or by name without case.

    Args:
        own: Labels and problem type of the teacher.
        data: Labels and problem type of the data.
        mapping: Labels of the data by labels of teachers; "" drops a label. Other teachers may have some of them.
        name: What messages call the teacher.

    Raises:
        ValueError: The teacher has another problem type, a label of the data is missing, or one of the teacher has no
            counterpart.
    """
    (own_names, own_type), (names, problem_type) = own, data
    if own_type == problem_type == "regression" and len(own_names) == len(names):
        return LabelMatch(range(len(names)), len(names))
    described = f"{', '.join(own_names)} ({own_type})"
    if wrong := [label for label in own_names if mapping.get(label, "") not in ("", *names)]:
        raise ValueError(
            f"`--teacher_labels` maps {wrong[0]} to {mapping[wrong[0]]!r}, which is not a label of the data. The data "
            f"has the labels {', '.join(names)}, and {name} has the labels {described}."
        )
    own_folded, folded = (Counter(label.casefold() for label in labels) for labels in (own_names, names))
    by_folded = {label.casefold(): label for label in names}
    matched: dict[str, str] = {}
    for label in own_names:
        key = label.casefold()
        if label in mapping or label in names:
            matched[label] = mapping.get(label, label)
        elif own_folded[key] == folded[key] == 1:
            matched[label] = by_folded[key]
    if own_type != problem_type or len(matched) < len(own_names) or not {*names} <= {*matched.values()}:
        # These are the names of an encoder without a head.
        unnamed = all(re.fullmatch(r"LABEL_\d+", label) for label in own_names)
        encoder = " For a sentence encoder write `encoder:ID`." if unnamed else ""
        raise ValueError(
            f"{name} has the labels {described}, which are not the same as {', '.join(names)} ({problem_type}). "
            "A teacher needs the problem type of the data; `--teacher_labels OTHER=NAME,...` maps other labels, and "
            f"`OTHER=` drops one.{encoder}"
        )
    columns = [names.index(matched[label]) if matched[label] else None for label in own_names]
    return LabelMatch(columns, len(names), _describe(matched, name))


def _describe(matched: Mapping[str, str], name: str) -> str:
    """Return a sentence on the labels whose names differ."""
    renamed = [f"{label} = {other}" for label, other in matched.items() if other not in ("", label)]
    dropped = [label for label, other in matched.items() if not other]
    parts = [format_names(renamed)] if renamed else []
    if dropped:
        parts.append(f"dropped {format_names(dropped)}")
    return f"Labels of the teacher {name}: {'; '.join(parts)}." if parts else ""


def parse_teacher_labels(labels: str | Mapping[Any, Any]) -> dict[str, str]:
    """
    Return labels of the data by labels of teachers.

    Args:
        labels: Such as "LABEL_0=negative,LABEL_1=positive", or a mapping, whose labels may also be numbers and where
            `None` drops a label.

    Raises:
        ValueError: A part has no `=`, or a label occurs twice.
    """
    if isinstance(labels, Mapping):
        return {str(own): "" if other is None else str(other) for own, other in labels.items()}
    pairs = [part.partition("=") for part in labels.split(",")]
    parsed = {own.strip(): other.strip() for own, _, other in pairs}
    if len(parsed) < len(pairs) or not all(own.strip() and sign for own, sign, _ in pairs):
        raise ValueError(
            f"`--teacher_labels` must be like LABEL_0=negative,LABEL_1=positive, with each label once, got {labels!r}."
        )
    return parsed
