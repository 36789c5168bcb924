"""The kinds of teachers: fitted models, files of probabilities, classifiers, pipelines and functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from transformers import TextClassificationPipeline

from ..data import FILE_SUFFIXES, stream_file
from ..inference import load_any_config
from ..messages import format_count, one_line, progress_bar
from ..models import ROUNDING
from ..text import clean_text
from .fitted_teachers import FITTED_TEACHERS, EncoderTeacher, Task, Teacher
from .teacher_labels import LabelMatch, match_teacher_labels
from .transformer import load_any_classifier, predict_with_classifier, problem_type_of

# Start of the name of a teacher that is a sentence encoder with a fitted regression.
ENCODER_PREFIX = "encoder:"
# Texts that a function is called with at a time.
CALL_TEXTS = 1_024


@dataclass(frozen=True)
class FileTeacher(Teacher):
    """Probabilities in a file; see [`read_probabilities`]."""

    name: str

    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        return read_probabilities(self.name, task.texts, task.label_names, task.problem_type)

    def known_texts(self, texts: Sequence[str]) -> list[int]:
        known = {row.get("text") for row in stream_file(self.name)}
        return [i for i, text in enumerate(texts) if clean_text(text) in known]


@dataclass(frozen=True)
class SavedClassifier(Teacher):
    """
    A classifier of this package or of transformers, with the same labels in any order.

    Args:
        name: Folder or Hub id.
        labels: Labels of the data by labels of the teacher, where they differ; see [`match_teacher_labels`].
        trust_remote_code: Run the code of a repository that has its own model class.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    trust_remote_code: bool = False

    def config(self) -> Any:
        """Return the config of the classifier."""
        return load_any_config(self.name, self.trust_remote_code)

    def load(self) -> tuple[Any, Any]:
        """Return the model and its tokenizer."""
        return load_any_classifier(self.name, self.config(), self.trust_remote_code)

    def label_names(self) -> list[str]:
        """Return the labels of the classifier, in the order of its outputs."""
        config = self.config()
        return [config.id2label[i] for i in range(config.num_labels)]

    def match(self, task: Task) -> LabelMatch:
        """Return which label of the task each label of the classifier stands for, or raise a `ValueError`."""
        own = self.label_names(), problem_type_of(self.config())
        return match_teacher_labels(own, (task.label_names, task.problem_type), self.labels, self.name)

    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        match = self.match(task)  # before the model is loaded
        model, tokenizer = self.load()
        return match.convert(predict_with_classifier(model, tokenizer, task.texts), task.problem_type)


@dataclass(frozen=True)
class PipelineTeacher(SavedClassifier):
    """
    The model and the tokenizer of a text-classification pipeline; long texts are read in windows.

    Args:
        pipeline: The pipeline. Its model stays on its device.
    """

    pipeline: Any = None

    def config(self) -> Any:
        return self.pipeline.model.config

    def load(self) -> tuple[Any, Any]:
        return self.pipeline.model.eval(), self.pipeline.tokenizer


@dataclass(frozen=True)
class FunctionTeacher(Teacher):
    """
    A function of the user.

    Args:
        name: What messages call it.
        function: From a list of texts to their probabilities (or scores), as one of

            - an array `(texts, num_labels)`, whose columns have the order of `label_names` of the task: that of the
              data, which is numeric for integers and as declared for a `ClassLabel`,
            - a pandas `DataFrame` whose columns are named like the labels, in any order,
            - a list with a dictionary from labels to values for each text,
            - a list with a list of dictionaries with `label` and `score` for each text, as of a pipeline.
    """

    name: str
    function: Callable[[list[str]], Any]

    def predict(self, task: Task, earlier: Sequence[np.ndarray]) -> np.ndarray:
        parts = []
        with progress_bar(total=len(task.texts), unit="text", leave=False) as progress:
            for start in range(0, len(task.texts), CALL_TEXTS):
                texts = task.texts[start : start + CALL_TEXTS]
                parts.append(self._to_array(self.function(texts), len(texts), task.label_names))
                progress.update(len(texts))
        predicted = np.concatenate(parts)  # (texts, num_labels)
        check_probabilities(predicted, task.problem_type, f"The {self.name}", task.texts)
        return predicted

    def _to_array(self, returned: Any, rows: int, names: Sequence[str]) -> np.ndarray:
        """Return the result of a call as an array in the order of `names`, `(rows, num_labels)`."""
        if by_label := _values_by_label(returned):
            for row in by_label:
                if row.keys() != set(names):
                    raise ValueError(
                        f"The {self.name} returned the labels {', '.join(row)}, but the data has {', '.join(names)}."
                    )
            returned = [[row[name] for name in names] for row in by_label]
        try:
            values = np.asarray(returned, dtype=float)
            found = f"an array of shape {values.shape}"
        except (TypeError, ValueError) as error:
            values = np.empty(0)
            found = f"a {type(returned).__name__} that is no array of numbers ({one_line(error)})"
        if values.shape != (rows, len(names)):
            raise ValueError(
                f"The {self.name} returned {found} for {format_count(rows, 'text')}, but ({rows}, {len(names)}) is "
                f"needed: one column for each of {', '.join(names)}, in this order."
            )
        return values


def _values_by_label(returned: Any) -> list[dict[str, Any]]:
    """Return the values of each text by their label, or an empty list if they have no labels."""
    if isinstance(returned, pd.DataFrame):
        returned = returned.to_dict("records")
    if not isinstance(returned, list | tuple):
        return []
    rows = []
    for row in returned:
        if (
            isinstance(row, list)
            and row
            and all(isinstance(entry, Mapping) and {"label", "score"} <= {*entry} for entry in row)
        ):
            row = {entry["label"]: entry["score"] for entry in row}
        if not isinstance(row, Mapping):
            return []
        rows.append({str(label): value for label, value in row.items()})
    return rows


def find_teacher(teacher: Any, labels: Mapping[str, str] | None = None, trust_remote_code: bool = False) -> Teacher:
    """
    Return a teacher by its name, or for an object of another library. Nothing is loaded yet.

    Args:
        teacher: `linear`, `latent`, `encoder:` and a folder or Hub id of a sentence encoder, a file of probabilities,
            the folder or Hub id of a classifier, a text-classification pipeline, a function ([`FunctionTeacher`]), or a
            teacher, which is returned unchanged.
        labels: Labels of the data by labels of a classifier, where they differ.
        trust_remote_code: Run the code of repositories that have their own model class.

    Raises:
        ValueError: It is something else.
    """
    labels = labels or {}
    if isinstance(teacher, Teacher):
        return teacher
    if isinstance(teacher, TextClassificationPipeline):
        source = teacher.model.config.name_or_path or type(teacher.model).__name__
        return PipelineTeacher(f"pipeline of {source}", labels, pipeline=teacher)
    if callable(teacher):
        return FunctionTeacher(f"function {getattr(teacher, '__name__', type(teacher).__name__)}", teacher)
    if not isinstance(teacher, str | Path):
        raise ValueError(
            f"A teacher must be a name, a text-classification pipeline or a function, got a {type(teacher).__name__}."
        )
    name = str(teacher)
    if name in FITTED_TEACHERS:
        return FITTED_TEACHERS[name]
    if name.startswith(ENCODER_PREFIX):
        return EncoderTeacher(name.removeprefix(ENCODER_PREFIX), trust_remote_code)
    if Path(name).suffix.lower() in FILE_SUFFIXES:
        return FileTeacher(name)
    return SavedClassifier(name, labels, trust_remote_code)


def read_probabilities(path: str, texts: Sequence[str], label_names: Sequence[str], problem_type: str) -> np.ndarray:
    """
    Read the probabilities of texts from a file.

    Args:
        path: csv, tsv, json, jsonl or parquet file with the column `text` and one column per label.
        texts: Texts to look up. The file may have them in any order, and others.
        label_names: Names of the labels.
        problem_type: As in the config of a model. The probabilities of a single-label classification must sum to 1. A
            regression has scores of any size.

    Returns:
        `(texts, num_labels)`.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: A column or text is missing, or a value is not a number or not a probability.
    """
    rows: dict[str, list[float]] = {}
    for row in stream_file(path):
        if missing := [name for name in ("text", *label_names) if name not in row]:
            raise ValueError(
                f"{path} has no column {missing[0]!r}. It needs the column `text` and one column per label: "
                f"{', '.join(label_names)}."
            )
        try:
            rows[row["text"]] = [float(row[name]) for name in label_names]
        except (TypeError, ValueError):
            found = [row[name] for name in label_names]
            raise ValueError(
                f"{path} has {found} in the columns {', '.join(label_names)} of {_start(row['text'])}. These must be "
                "numbers."
            ) from None
    cleaned = [clean_text(text) for text in texts]  # as `stream_file` does
    if absent := [text for text in cleaned if text not in rows]:
        raise ValueError(
            f"{path} has no probabilities for {len(absent):,} of {format_count(len(texts), 'text')}. The first one is "
            f"{_start(absent[0])}."
        )
    values = np.array([rows[text] for text in cleaned])  # (texts, num_labels)
    check_probabilities(values, problem_type, path, cleaned)
    return values


def check_probabilities(values: np.ndarray, problem_type: str, source: str, texts: Sequence[str]) -> None:
    """
    Raise an error if a teacher returned impossible values.

    Args:
        values: `(texts, num_labels)`.
        problem_type: As in the config of a model.
        source: What the message calls the teacher.
        texts: The texts.

    Raises:
        ValueError: A value is not finite or not a probability, or the probabilities of a text do not sum to 1.
    """
    valid = np.isfinite(values).all(1)  # (texts,)
    if problem_type != "regression":
        valid &= ((values >= 0) & (values <= 1)).all(1)
    if problem_type == "single_label_classification":
        valid &= np.abs(values.sum(1) - 1) <= ROUNDING * values.shape[1]
    if not valid.all():
        first = int(np.flatnonzero(~valid)[0])
        expected = {
            "regression": "finite scores",
            "multi_label_classification": "probabilities from 0 to 1",
            "single_label_classification": "probabilities that sum to 1",
        }[problem_type]
        raise ValueError(
            f"{source} must have {expected}, but the values of {_start(texts[first])} are from "
            f"{values[first].min():g} to {values[first].max():g} with a sum of {values[first].sum():g}."
        )


def _start(text: object) -> str:
    """The first characters of a text, for a message."""
    return repr(text[:40] if isinstance(text, str) else text)
