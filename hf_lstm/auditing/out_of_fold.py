"""Predict each row of a training split with models that did not see its label, and store what is finished."""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict
from sklearn.model_selection import KFold, StratifiedKFold
from transformers import set_seed

from ..data import Corpus, tokenize_corpus
from ..inference import predict_logits, probabilities
from ..messages import format_count, format_names
from ..saving import PARTIAL, atomic_folder
from ..teachers import Task, find_teacher
from ..training import (
    ClassifierTrainingArguments,
    DataArguments,
    EpochLines,
    ModelArguments,
    build_model,
    build_trainer,
    load_or_build_vocabulary,
    resolve_defaults,
)

# Name of the classifier of this package in a list of models. The others are those of [`find_teacher`].
RECURRENT = "recurrent"

# Start of the names of files of stored predictions.
STORED = "predictions-"


@dataclass
class OutOfFold:
    """
    Out-of-fold predictions of the training rows of a corpus.

    Args:
        corpus: Corpus with the split `train`, all rows of which are predicted.
        models: `recurrent` for the classifier that the arguments describe, or models of [`find_teacher`].
        folds: Number of parts of the rows; each is predicted by models that were trained on the others.
        data_args: Arguments of the data.
        model_args: Arguments of the classifier.
        args: Arguments of its Trainer; `output_dir` is the folder of the stored predictions.
    """

    corpus: Corpus
    models: Sequence[str]
    folds: int
    data_args: DataArguments
    model_args: ModelArguments
    args: ClassifierTrainingArguments

    def __post_init__(self):
        self.rows = self.corpus.splits["train"]
        self.labels = np.array(self.rows["labels"][:])  # (rows,), multi-label: (rows, num_labels)
        self.folder = Path(self.args.output_dir)

    def predict(self) -> np.ndarray:
        """
        Return the mean probabilities of all models, `(rows, num_labels)`, and print the accuracy of each fold.

        Raises:
            ValueError: There are too few rows.
        """
        parts = list(self._split())
        self._used: set[Path] = set()
        self.folder.mkdir(parents=True, exist_ok=True)
        predicted = []
        for model in self.models:
            if model == RECURRENT:
                predicted.append(self._predict_recurrent(parts))
            else:
                predicted.append(self._stored(model, np.arange(len(self.rows)), partial(self._fitted, model, parts)))
        # Only now: an audit with other options that is interrupted leaves the finished folds of the earlier one.
        for path in {*self.folder.glob(f"{STORED}*.npy")} - self._used:
            path.unlink()
        return np.mean(predicted, axis=0)

    def _split(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the rows to train on and the held-out rows of each fold, with the same class proportions."""
        if len(self.rows) < 2 * self.folds:
            raise ValueError(
                f"An audit in {self.folds} folds requires at least {2 * self.folds} training rows, got "
                f"{len(self.rows):,}. Add rows."
            )
        places = np.random.default_rng(self.args.seed).permutation(len(self.rows))
        if self.corpus.problem_type != "single_label_classification":
            pairs = KFold(self.folds).split(places)
        else:
            counts = np.bincount(self.labels, minlength=len(self.corpus.label_names))  # (num_labels,)
            rare = [name for name, count in zip(self.corpus.label_names, counts, strict=True) if count < self.folds]
            if rare:
                raise ValueError(
                    f"An audit in {self.folds} folds requires at least {self.folds} training rows of each class, but "
                    f"{format_names(rare)} {'has' if len(rare) == 1 else 'have'} fewer. Add rows of "
                    f"{'it' if len(rare) == 1 else 'them'}, remove {'it' if len(rare) == 1 else 'them'}, or lower "
                    "--folds."
                )
            pairs = StratifiedKFold(self.folds).split(places, self.labels[places])
        for fitted, held_out in pairs:
            yield places[fitted], places[held_out]

    @cached_property
    def _data_digest(self) -> str:
        """What must be the same when stored predictions are read: texts, labels and folds."""
        described = [self.corpus.label_names, self.rows["text"][:], self.folds, self.args.seed]
        digest = hashlib.sha256(json.dumps(described).encode())
        digest.update(self.labels.astype(np.float32).tobytes())
        return digest.hexdigest()

    @cached_property
    def _options(self) -> str:
        """What must be the same as well for those of the recurrent classifier."""
        training = self.args.to_sanitized_dict()
        changing = ("output_dir", "logging_dir", "run_name", "disable_tqdm", "report_to", "dataloader_num_workers")
        options = asdict(self.model_args) | {name: training[name] for name in training if name not in changing}
        return json.dumps(options | {"max_length": self.data_args.max_length}, default=str)

    def _stored(self, name: str, rows: np.ndarray, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """
        Return the predictions that are stored for the same data and options, or compute and store them.

        Their accuracy is printed.

        Args:
            name: What the printed line calls the predictions.
            rows: The rows that are predicted.
            compute: Returns the probabilities `(rows, num_labels)`.
        """
        digest = hashlib.sha256(f"{name} {self._data_digest}".encode())
        if name.startswith(RECURRENT):
            digest.update(self._options.encode())
        path = self.folder / f"{STORED}{digest.hexdigest()[:12]}.npy"
        self._used.add(path)
        started = time.perf_counter()
        if path.is_file():
            predicted, how = np.load(path, allow_pickle=False), "read from an earlier run"
        else:
            predicted = compute()
            with atomic_folder(self.folder) as folder:
                np.save(folder / path.name, predicted)
            how = f"{time.perf_counter() - started:.0f} s"
        labels, count = self.labels[rows], format_count(len(rows), "text")
        if self.corpus.problem_type == "single_label_classification":
            accuracy = (predicted.argmax(1) == labels).mean()
        else:
            accuracy = ((predicted > 0.5) == (labels > 0.5)).mean()  # of all labels of all texts
        print(f"{name}: accuracy {accuracy:.1%} on {count} that it was not trained on ({how}).", flush=True)
        return predicted

    def _fitted(self, name: str, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Return the probabilities of a teacher, which is fitted to the other folds if it is a fitted one."""
        targets = self.labels
        if self.corpus.problem_type == "single_label_classification":
            targets = np.eye(len(self.corpus.label_names))[self.labels]  # (rows, num_labels)
        task = Task(self.corpus.label_names, self.corpus.problem_type, self.rows["text"][:], targets, None, parts)
        return find_teacher(name, trust_remote_code=self.data_args.trust_remote_code).predict(task, [])

    @cached_property
    def _vocabulary(self) -> tuple[Any, ModelArguments, np.ndarray | None, Dataset]:
        """Tokenizer, arguments of the classifier, initial embeddings, and the tokenized rows, shared by all folds."""
        # They depend on the texts only, not on the labels, so held-out texts may be among them.
        rows = DatasetDict(train=self.rows)
        vocabulary = load_or_build_vocabulary(None, rows, self.model_args, [], self.data_args.trust_remote_code)
        return *vocabulary, tokenize_corpus(rows, vocabulary[0], max_length=self.data_args.max_length)["train"]

    def _predict_recurrent(self, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Return the probabilities of the classifiers of all folds, `(rows, num_labels)`."""
        predicted = np.zeros((len(self.rows), len(self.corpus.label_names)))
        for number, (fitted, held_out) in enumerate(parts, 1):
            predicted[held_out] = self._stored(
                f"{RECURRENT}, fold {number} of {len(parts)}", held_out, partial(self._train_fold, fitted, held_out)
            )
        return predicted

    def _train_fold(self, fitted: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Train a classifier on some rows, and return the probabilities of the held-out rows, `(rows, num_labels)`."""
        tokenizer, model_args, vectors, rows = self._vocabulary
        set_seed(self.args.seed)
        # The held-out rows must not choose the best checkpoint, because their labels are audited.
        size = max(1, round(len(fitted) * self.data_args.validation_fraction))
        shuffled = np.random.default_rng(self.args.seed).permutation(fitted)
        splits = DatasetDict(train=rows.select(shuffled[size:]), validation=rows.select(shuffled[:size]))
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=self.folder) as checkpoints:
            args = copy(self.args)
            args.output_dir = checkpoints
            resolved = resolve_defaults(splits, self.corpus.problem_type, model_args, args)
            model = build_model(self.corpus, splits, tokenizer, resolved.model, vectors)
            trainer = build_trainer(model, tokenizer, splits, resolved.training)
            trainer.remove_callback(EpochLines)
            trainer.train()
        logits = predict_logits(trainer.model, rows.select(held_out)["input_ids"][:])
        return probabilities(logits, self.corpus.problem_type)
