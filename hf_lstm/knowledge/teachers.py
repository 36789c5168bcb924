"""Distillation and self-training with soft labels from teachers."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from datasets import Dataset, Features, List, Value

from ..data import FILE_SUFFIXES, Corpus, iterate_texts, stream_file
from ..inference import (
    fastest_device,
    load_model_and_tokenizer,
    match_labels,
    open_writer,
    predict_texts,
    probabilities,
)
from ..messages import format_count
from ..text import clean_text
from .linear import LinearModel, NgramModel, latent_vectors, ngram_counter, predict_out_of_fold

# The teachers that are fitted here and now.
FITTED = ("linear", "latent")

# What the teachers of a training said, in its folder.
TAUGHT_FILE = "taught.parquet"

# How far each probability of a text may be rounded.
ROUNDING = 0.01

# What ends a sentence, in writings with and without spaces, and a line.
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n|<br ?/?>", re.IGNORECASE)


def label_with_teachers(
    corpus: Corpus,
    teachers: Sequence[str],
    unlabelled: Dataset | None = None,
    passage_words: int = 0,
    save_to: str | Path | None = None,
) -> tuple[Dataset, str]:
    """
    Training rows with what teachers say as their labels.

    Where there are texts without labels, they are added with the mean of the teachers' probabilities (self-training, as
    in noisy student, https://huggingface.co/papers/1911.04252), and labelled rows keep their labels. Else each training
    row gets the mean of its label and what the teachers say (distillation, https://huggingface.co/papers/1503.02531).

    Args:
        corpus: What to learn from.
        teachers: Folders or Hub ids of classifiers with the same labels, files of probabilities (a column `text` and
            one named as each label), or what is fitted to the labels and, where there are texts without labels, also
            to what the teachers before it say of them: `linear`, a model of n-grams ([`NgramModel`]), or `latent`, one
            of vectors of all these texts ([`latent_vectors`]).
        unlabelled: Rows with `text`, or `None` where there are none; those of validation or test are left out.
        passage_words: Not 0: what is taught are passages of about so many words ([`cut_passages`]) of these texts, or
            where there are none of the training texts, from which fitted teachers have then learned. Of a passage a
            teacher says what stands in it, which is soon learned; of a whole text it says one thing of hundreds of
            words.
        save_to: parquet file for the mean of what the teachers say: a teacher of other students, at once.

    Returns:
        Rows with `text` and `labels`, `(num_labels,)` probabilities or scores each, and a sentence on them.

    Raises:
        ValueError: A teacher has other labels, or says nothing of some text; no word occurs in two texts; a label is
            named `text`.
        OSError: There is no such teacher.
    """
    if "text" in corpus.label_names:
        raise ValueError("A label is named 'text', as the column of what teachers are asked: name it otherwise.")
    train = corpus.splits["train"]
    texts = train["text"][:]
    others, left_out = None, 0
    if unlabelled is not None:
        held_out = {text for split in corpus.splits if split != "train" for text in iterate_texts(corpus.splits[split])}
        others = [text for text in unlabelled["text"][:] if text not in held_out] or None
        left_out = len(unlabelled) - len(others or ())
    origin = "of the training texts" if others is None else "without labels"
    if passage_words:
        others = cut_passages(texts if others is None else others, passage_words)
    labels = _as_vectors(np.array(train["labels"][:]), corpus)  # (rows, num_labels)
    said = _of_first_process(lambda: _average_of(teachers, corpus, labels, others, save_to))
    if others is None:
        labels = (labels + said) / 2
        averaged = format_count(len(said), "training text")
        note = f"The labels of {averaged} are averaged with the probabilities of {', '.join(teachers)}."
    else:
        texts, labels = texts + others, np.concatenate([labels, said])
        taught = format_count(len(said), "passage" if passage_words else "text")
        note = f"{taught} {origin}, taught by {', '.join(teachers)}."
    if left_out:
        note += f" {format_count(left_out, 'text')} that also stand in validation or test left out."
    features = Features({"text": Value("string"), "labels": List(Value("float32"), length=labels.shape[1])})
    return Dataset.from_dict({"text": texts, "labels": labels.astype(np.float32)}, features), note


def cut_passages(texts: Iterable[str], words: int) -> list[str]:
    """
    Cuts texts where sentences end.

    Args:
        texts: Any texts; what stands between spaces is a word.
        words: A passage ends with the sentence in which it gets so many.

    Returns:
        The passages in order, each once: as a teacher's file can have them. What remains of a text with less than half
        as many words belongs to the passage before it.
    """
    passages: list[str] = []
    for text in texts:
        of_text: list[list[str]] = [[]]
        for sentence in SENTENCE_END.split(text):
            if len(of_text[-1]) >= words:
                of_text.append([])
            of_text[-1] += sentence.split()
        if len(of_text) > 1 and len(of_text[-1]) < words / 2:
            rest = of_text.pop()
            of_text[-1] += rest
        passages += [" ".join(passage) for passage in of_text if passage]
    return list(dict.fromkeys(passages))


def _average_of(
    teachers: Sequence[str],
    corpus: Corpus,
    targets: np.ndarray,
    unlabelled: list[str] | None,
    save_to: str | Path | None,
) -> np.ndarray:
    """Mean of what teachers say, `(texts, num_labels)`, of the texts without labels, or else of the training texts."""
    train = corpus.splits["train"]["text"][:]
    fitted = _FittedTeachers(corpus.problem_type, train, targets, unlabelled)
    asked = train if unlabelled is None else unlabelled
    said: list[np.ndarray] = []
    for teacher in teachers:
        said.append(fitted.say(teacher, said) if teacher in FITTED else _said_by(teacher, asked, corpus))
    average = np.mean(said, axis=0)
    if save_to is not None:
        Path(save_to).parent.mkdir(parents=True, exist_ok=True)
        with open_writer(str(save_to)) as write:
            rows = zip(asked, average.tolist(), strict=True)
            write([{"text": text} | dict(zip(corpus.label_names, row, strict=True)) for text, row in rows])
    return average


class _FittedTeachers:
    """Linear models of the texts at hand."""

    def __init__(self, problem_type: str, train: list[str], targets: np.ndarray, unlabelled: list[str] | None):
        self.problem_type, self.targets = problem_type, targets
        self.texts, self.has_others = train + (unlabelled or []), unlabelled is not None

    @cached_property
    def occurs(self) -> sp.csr_matrix:
        try:
            return ngram_counter().fit_transform(self.texts)  # (texts, n-grams)
        except ValueError:
            raise ValueError(f"No word occurs in two texts: leave out {' and '.join(FITTED)} as teachers.") from None

    @cached_property
    def vectors(self) -> np.ndarray:
        return self._vectors(np.arange(len(self.targets)))

    def _vectors(self, labelled: np.ndarray) -> np.ndarray:
        targets = None if self.problem_type == "regression" else self.targets[labelled]
        return latent_vectors(self.occurs, targets, labelled)  # (texts, size)

    def say(self, teacher: str, before: Sequence[np.ndarray]) -> np.ndarray:
        """What a teacher says, `(texts, num_labels)`; what those before it said are further targets."""
        is_linear = teacher == "linear"
        model = (NgramModel if is_linear else LinearModel)(self.problem_type)
        if not self.has_others:
            features_of = (lambda learned: self.occurs) if is_linear else self._vectors
            return predict_out_of_fold(model, features_of, self.targets)
        features, labelled = (self.occurs if is_linear else self.vectors), len(self.targets)
        targets = np.concatenate([self.targets, np.mean(before, axis=0)]) if before else self.targets
        return model.fit(features[: len(targets)], targets).predict(features[labelled:])


def _said_by(teacher: str, texts: list[str], corpus: Corpus) -> np.ndarray:
    """Probabilities, or scores, `(texts, num_labels)`, of a saved classifier or from a file."""
    if Path(teacher).suffix.lower() in FILE_SUFFIXES:
        return read_probabilities(teacher, texts, corpus.label_names, corpus.problem_type)
    model, tokenizer = load_model_and_tokenizer(teacher)
    model.to(fastest_device())
    columns = match_labels(model.config, corpus.label_names, corpus.problem_type, teacher)
    logits = predict_texts(model, tokenizer, texts, show_progress=True)[:, columns]
    return probabilities(logits, corpus.problem_type)


def read_probabilities(path: str, texts: Sequence[str], label_names: Sequence[str], problem_type: str) -> np.ndarray:
    """
    Probabilities that another program wrote.

    Args:
        path: csv, tsv, json, jsonl or parquet file with the column `text` and a column named as each label.
        texts: Whose probabilities are wanted, in any order.
        label_names: The labels.
        problem_type: Of one class a text the probabilities add up to 1; a regression's are scores of any size.

    Returns:
        `(texts, num_labels)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It lacks a column or a text, or holds something that is no number or no probability.
    """
    said = {}
    for row in stream_file(path):
        if missing := [name for name in ("text", *label_names) if name not in row]:
            raise ValueError(f"{path} has no column {missing[0]!r}; it needs `text` and one for each label.")
        try:
            said[row["text"]] = [float(row[name]) for name in label_names]
        except (TypeError, ValueError):
            raise ValueError(f"{path} holds {[row[name] for name in label_names]}, not numbers, of a text.") from None
    # What reads a file cleans its texts.
    asked = [clean_text(text) for text in texts]
    absent = [text for text in asked if text not in said]
    if absent:
        raise ValueError(
            f"{path} says nothing of {format_count(len(absent), 'text')} of {len(texts):,}, the first of them "
            f"{absent[0][:40]!r}."
        )
    scores = np.array([said[text] for text in asked])  # (texts, num_labels)
    possible = np.isfinite(scores).all(1)
    if problem_type != "regression":
        possible &= ((scores >= 0) & (scores <= 1)).all(1)
    if problem_type == "single_label_classification":
        possible &= np.abs(scores.sum(1) - 1) <= ROUNDING * len(label_names)
    if not possible.all():
        first, wanted = int(np.flatnonzero(~possible)[0]), "scores" if problem_type == "regression" else "probabilities"
        raise ValueError(
            f"{path} says of {asked[first][:40]!r} what are no {wanted}: {scores[first].min():g} to "
            f"{scores[first].max():g}, together {scores[first].sum():g}."
        )
    return scores


def _as_vectors(labels: np.ndarray, corpus: Corpus) -> np.ndarray:
    """Labels as targets, `(rows, num_labels)`: one-hot of class ids; of a score, the one column."""
    if corpus.problem_type == "single_label_classification":
        return np.eye(len(corpus.label_names))[labels]
    return labels.reshape(len(labels), -1).astype(float)


def _of_first_process(compute: Callable[[], np.ndarray]) -> np.ndarray:
    """What the first of several processes computes; the others wait for it."""
    if not torch.distributed.is_initialized():
        return compute()
    shared = [compute() if torch.distributed.get_rank() == 0 else None]
    torch.distributed.broadcast_object_list(shared)
    return shared[0]
