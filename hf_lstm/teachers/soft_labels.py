"""
Distillation and self-training with soft labels from teachers.

Texts without spaces between words, such as Chinese ones, cannot be changed or cut by their number of words.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset, Features, List, Value

from ..data import Corpus, iterate_texts
from ..inference import open_writer
from ..messages import format_count
from .augmentation import augment_texts
from .fitted_teachers import Task, Teacher
from .passages import cut_passages, cut_prefixes
from .teacher_kinds import find_teacher

# File in the training folder with the mean probabilities of the teachers. Existing training folders have this name.
SOFT_LABELS_FILE = "taught.parquet"

NO_CHANGED_TEXTS = "`--augment` made no new texts: the training texts have one word, or no spaces between words."
NO_PREFIXES = "`--prefixes` made no new texts: the texts have one word, or no spaces between words."
NO_PASSAGES = (
    "`--passage_words` made no passages: the texts are empty, or all passages are in the validation or test split."
)

# A teacher may need hours to label millions of texts.
WAIT = timedelta(days=30)

Result = TypeVar("Result")


def label_with_teachers(
    corpus: Corpus,
    teachers: Sequence[Any],
    unlabelled: Dataset | None = None,
    passage_words: int = 0,
    save_to: str | Path | None = None,
    augment: int = 0,
    seed: int = 42,
    prefixes: bool = False,
) -> tuple[Dataset, str]:
    """
    Return training rows with soft labels from teachers.

    With unlabelled texts this is self-training, as in noisy student (https://huggingface.co/papers/1911.04252): these
    texts are added with the mean of the teachers' probabilities as soft labels, and the labelled rows keep their
    labels. Without them it is distillation (https://huggingface.co/papers/1503.02531): the label of each training row
    becomes the mean of its own label and the teachers' probabilities.

    Args:
        corpus: Labelled training texts. Unlabelled texts that are also in its other splits are left out.
        teachers: Each is a teacher, or anything that [`find_teacher`] accepts, such as

            - the folder or Hub id of a classifier of this package or of transformers with the same labels,
            - a file with the column `text` and one column of probabilities per label,
            - `linear`, a model of n-grams ([`NgramModel`]), which is fitted to the labels and, with unlabelled texts,
              to the mean prediction of the teachers before it,
            - `latent`, the same with vectors of all texts ([`latent_vectors`]),
            - `encoder:` and the folder or Hub id of a sentence encoder, with a regression fitted to the labels,
            - a text-classification pipeline, or a function from texts to probabilities.
        unlabelled: Rows with the column `text`, or `None`.
        passage_words: If not 0, label passages of about this number of words ([`cut_passages`]) instead of whole texts.
            They are cut from the unlabelled texts or, without those, from the training texts. A soft label then
            describes a few sentences instead of hundreds of words, and is faster to learn. Without spaces between
            words, texts cannot be cut by their number of words.
        save_to: Write the mean probabilities to this parquet file, which can be used as a teacher.
        augment: Number of changed texts that are made out of each training text ([`augment_texts`]). They are added
            like unlabelled texts, and in addition to them. Texts without spaces between words cannot be changed.
        seed: Seed of the changed texts and of the prefixes.
        prefixes: Add a random prefix of each training text and of each unlabelled text ([`cut_prefixes`]), like
            unlabelled texts. Its soft label is what the teachers predict for the prefix, not for the whole text.

    Returns:
        Rows with `text` and `labels` (`(num_labels,)` probabilities or scores), and a sentence that describes them.

    Raises:
        ValueError: A teacher has other labels or lacks some text, no word occurs in two texts, a label is named `text`,
            or `passage_words`, `augment` or `prefixes` gave no text.
        OSError: A teacher does not exist.
    """
    if "text" in corpus.label_names:
        raise ValueError("A label is named 'text', like the column of the texts in a file of probabilities. Rename it.")
    found = [find_teacher(teacher) for teacher in teachers]
    train_texts = corpus.splits["train"]["text"][:]
    added, parts, note, whole_texts = None, [], "", train_texts
    if unlabelled is not None:
        added = _without_other_splits(unlabelled["text"][:], corpus) or None
        whole_texts = train_texts + (added or [])
        if left_out := len(unlabelled) - len(added or ()):
            note = f" Left out {format_count(left_out, 'unlabelled text')} of the validation or test split."
    if passage_words:
        origin = "the training texts" if added is None else "the texts without labels"
        passages = cut_passages(train_texts if added is None else added, passage_words)
        added = _without_other_splits(passages, corpus)
        if left_out := len(passages) - len(added):
            note += f" Left out {format_count(left_out, 'passage')} of the validation or test split."
        parts.append(f"{format_count(len(added), 'passage')} of {origin}")
    elif added is not None:
        parts.append(f"{format_count(len(added), 'text')} without labels")
    if augment:
        changed = _without_other_splits(augment_texts(train_texts, augment, seed), corpus)
        added = (added or []) + changed
        parts.append(f"{format_count(len(changed), 'changed text')} made from {len(train_texts):,} training texts")
    if prefixes:
        beginnings = _without_other_splits(cut_prefixes(whole_texts, seed), corpus)
        added = (added or []) + beginnings
        parts.append(f"{len(beginnings):,} random prefixes of {len(whole_texts):,} texts")
    if added == []:
        raise ValueError(NO_CHANGED_TEXTS if augment else NO_PREFIXES if prefixes else NO_PASSAGES)
    task = Task(corpus.label_names, corpus.problem_type, train_texts, labels_as_targets(corpus, "train"), added)
    predicted = on_first_process(lambda: _mean_prediction(found, task, save_to))  # (task.texts, num_labels)
    names = ", ".join(teacher.name for teacher in found)
    if added is None:
        texts, labels = train_texts, (task.targets + predicted) / 2
        count = format_count(len(texts), "training text")
        note = f"Averaged the labels of {count} with the predictions of {names}.{note}"
    else:
        texts, labels = train_texts + added, np.concatenate([task.targets, predicted])
        note = f"Added {' and '.join(parts)}, with soft labels from {names}.{note}"
    features = Features({"text": Value("string"), "labels": List(Value("float32"), length=labels.shape[1])})
    return Dataset.from_dict({"text": texts, "labels": labels.astype(np.float32)}, features), note


def _without_other_splits(texts: list[str], corpus: Corpus) -> list[str]:
    """Return the texts that are not in the validation or test split, because these must stay unseen."""
    held_out = {text for split in corpus.splits if split != "train" for text in iterate_texts(corpus.splits[split])}
    return [text for text in texts if text not in held_out]


def labels_as_targets(corpus: Corpus, split: str) -> np.ndarray:
    """
    Convert class ids to one-hot rows, and scores to rows of one column.

    Args:
        corpus: The labelled texts.
        split: One of its splits.

    Returns:
        `(rows, num_labels)`.
    """
    array = np.array(corpus.splits[split]["labels"][:])
    if corpus.problem_type == "single_label_classification":
        return np.eye(len(corpus.label_names))[array]
    return array.reshape(len(array), -1).astype(float)


def _mean_prediction(teachers: Sequence[Teacher], task: Task, save_to: str | Path | None) -> np.ndarray:
    """Return the mean prediction of the teachers, `(task.texts, num_labels)`, and write it to a file."""
    predictions: list[np.ndarray] = []
    for teacher in teachers:
        predictions.append(teacher.predict(task, predictions))
    mean = np.mean(predictions, axis=0)
    if save_to is not None:
        Path(save_to).parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema([("text", pa.string()), *((name, pa.float64()) for name in task.label_names)])
        with open_writer(str(save_to), schema) as write:
            rows = zip(task.texts, mean.tolist(), strict=True)
            write([{"text": text} | dict(zip(task.label_names, row, strict=True)) for text, row in rows])
    return mean


def on_first_process(compute: Callable[[], Result]) -> Result:
    """
    In distributed training, compute on the first process and send the result to the others.

    The others wait for any time, not only for `ddp_timeout`, after which the processes of a training give up.

    Args:
        compute: Returns the result.
    """
    if not torch.distributed.is_initialized():
        return compute()
    patient = torch.distributed.new_group(timeout=WAIT, backend="gloo")  # sends objects between CPUs
    results: list = [compute() if torch.distributed.get_rank() == 0 else None]
    torch.distributed.broadcast_object_list(results, group=patient)
    torch.distributed.destroy_process_group(patient)
    return results[0]
