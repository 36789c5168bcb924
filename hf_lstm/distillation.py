"""Learn from what other models say of texts without labels (self-training), or of all (distillation)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, Features, List, Value

from .data import Corpus
from .labels import counted
from .linear import NgramModel, predict_out_of_fold
from .prediction import label_columns, load_classifier, predict_texts, probabilities
from .reading import FILE_SUFFIXES, stream_file

# The teacher that is fitted here and now.
LINEAR = "linear"


def teach(corpus: Corpus, teachers: Sequence[str], unlabelled: Dataset | None = None) -> tuple[Dataset, str]:
    """
    Training rows with what teachers say as their labels.

    Where there are texts without labels, they are added with the mean of the teachers' probabilities (self-training, as
    in noisy student, https://huggingface.co/papers/1911.04252), and labelled rows keep their labels. Else each training
    row gets the mean of its label and what the teachers say (distillation, https://huggingface.co/papers/1503.02531).

    Args:
        corpus: What to learn from.
        teachers: Folders or Hub ids of classifiers with the same labels, files of probabilities (a column `text` and
            one named as each label), or `linear`: an n-gram model fitted to the labels, and, where there are texts
            without labels, also to what the teachers before it say of them.
        unlabelled: Rows with `text`, or `None` where there are none.

    Returns:
        Rows with `text` and `labels`, `(num_labels,)` probabilities or scores each, and a sentence on them.

    Raises:
        ValueError: A teacher has other labels, or says nothing of some text.
        OSError: There is no such teacher.
    """
    train = corpus.splits["train"]
    texts = train["text"][:]
    others = None if unlabelled is None else unlabelled["text"][:]
    labels = _as_vectors(np.array(train["labels"][:]), corpus)  # (rows, num_labels)
    said = _of_first_process(lambda: _average_of(teachers, corpus, labels, others))
    if others is None:
        labels = (labels + said) / 2
        note = f"The labels of {counted(len(said), 'training text')} are averaged with what {', '.join(teachers)} say."
    else:
        texts, labels = texts + others, np.concatenate([labels, said])
        note = f"{counted(len(said), 'text')} without labels, taught by {', '.join(teachers)}."
    features = Features({"text": Value("string"), "labels": List(Value("float32"), length=labels.shape[1])})
    return Dataset.from_dict({"text": texts, "labels": labels.astype(np.float32)}, features), note


def _average_of(
    teachers: Sequence[str], corpus: Corpus, targets: np.ndarray, unlabelled: list[str] | None
) -> np.ndarray:
    """Mean of what teachers say, `(texts, num_labels)`, of the texts without labels, or else of the training texts."""
    train = corpus.splits["train"]["text"][:]
    said: list[np.ndarray] = []
    for teacher in teachers:
        if teacher != LINEAR:
            said.append(_said_by(teacher, train if unlabelled is None else unlabelled, corpus))
            continue
        model = NgramModel(corpus.problem_type)
        if unlabelled is None:
            said.append(predict_out_of_fold(model, train, targets))
        elif said:
            model.fit(train + unlabelled, np.concatenate([targets, np.mean(said, axis=0)]))
            said.append(model.predict(unlabelled))
        else:
            said.append(model.fit(train, targets).predict(unlabelled))
    return np.mean(said, axis=0)


def _said_by(teacher: str, texts: list[str], corpus: Corpus) -> np.ndarray:
    """Probabilities, or scores, `(texts, num_labels)`, of a saved classifier or from a file."""
    if Path(teacher).suffix.lower() in FILE_SUFFIXES:
        return read_probabilities(teacher, texts, corpus.label_names)
    model, tokenizer = load_classifier(teacher)
    columns = label_columns(model.config, corpus.label_names, corpus.problem_type, teacher)
    logits = predict_texts(model, tokenizer, texts, show_progress=True)[:, columns]
    return probabilities(logits, corpus.problem_type)


def read_probabilities(path: str, texts: Sequence[str], label_names: Sequence[str]) -> np.ndarray:
    """
    Probabilities that another program wrote.

    Args:
        path: csv, tsv, json, jsonl or parquet file with the column `text` and a column named as each label.
        texts: Whose probabilities are wanted, in any order.
        label_names: The labels.

    Returns:
        `(texts, num_labels)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It lacks a column or a text, or holds something that is no number.
    """
    said = {}
    for row in stream_file(path):
        if missing := [name for name in ("text", *label_names) if name not in row]:
            raise ValueError(f"{path} has no column {missing[0]!r}; it needs `text` and one for each label.")
        try:
            said[row["text"]] = [float(row[name]) for name in label_names]
        except (TypeError, ValueError):
            raise ValueError(f"{path} holds {[row[name] for name in label_names]}, not numbers, of a text.") from None
    absent = [text for text in texts if text not in said]
    if absent:
        raise ValueError(
            f"{path} says nothing of {counted(len(absent), 'text')} of {len(texts):,}, the first of them "
            f"{absent[0][:40]!r}."
        )
    return np.array([said[text] for text in texts])


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
