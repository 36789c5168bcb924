"""The classifiers of the demo, and what it does with a text and a file."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from transformers import PreTrainedTokenizerFast

from ..explanation import explain
from ..inference import (
    StreamingClassifier,
    StreamState,
    fastest_device,
    format_predictions,
    load_model_and_tokenizer,
    predict_file,
    predict_texts,
    probabilities,
)
from ..messages import format_count
from ..models import LstmForSequenceClassification
from ..text import clean_text
from .interface import build_interface
from .live_text import Prediction

# Suffix of the scored file for the suffix of the source. It is .jsonl for others, such as .json, .xlsx and .gz.
SCORED_SUFFIXES = {".csv": ".csv", ".tsv": ".tsv", ".parquet": ".parquet", ".txt": ".csv"}


class TorchReader:
    """
    A classifier for the demo, see [`Reader`].

    Args:
        name: Name that is shown.
        model: The model.
        tokenizer: Its tokenizer.

    Raises:
        ValueError: The config has no problem type.
    """

    def __init__(self, name: str, model: LstmForSequenceClassification, tokenizer: PreTrainedTokenizerFast):
        config: Any = model.config
        if config.problem_type is None:
            raise ValueError(f"The config of {name} has no problem_type: train the model, or set config.problem_type.")
        self.name, self.model, self.tokenizer = name, model, tokenizer
        self.labels = [config.id2label[i] for i in range(config.num_labels)]
        self.is_regression = config.problem_type == "regression"
        self.note = ""
        try:
            self.stream: StreamingClassifier | None = StreamingClassifier(model, tokenizer)
        except ValueError as error:
            self.stream, self.note = None, f"{name}: the whole text is scored after each change. {error}"
        self.streams = self.stream is not None

    def predict(self, texts: list[str]) -> list[Prediction]:
        """Classify whole texts."""
        config: Any = self.model.config
        logits = predict_texts(self.model, self.tokenizer, texts)
        scores = probabilities(logits, config.problem_type)  # (texts, num_labels)
        return [
            Prediction(found.get("label"), dict(zip(self.labels, row.tolist(), strict=True)))
            for found, row in zip(format_predictions(logits, config), scores, strict=True)
        ]

    def start(self) -> StreamState:
        """Return the state before the first word."""
        assert self.stream is not None
        return self.stream.start()

    def read(self, state: StreamState, words: list[str]) -> tuple[np.ndarray, StreamState]:
        """Return the scores after each word, `(words, num_labels)`, and the state after the last one."""
        assert self.stream is not None
        words = [clean_text(word) for word in words]
        before = np.array([list(self.stream.finish(state).scores.values())])
        result, after = self.stream.feed(state, "".join(words), each_token=True)
        scores = np.concatenate([before, np.asarray(result.token_scores)])  # (1 + tokens, num_labels)
        token_ends = [end for _, end in result.token_spans or []]
        word_ends = state.position + len(state.held) + np.cumsum([len(word) for word in words])
        return scores[np.searchsorted(token_ends, word_ends, side="right")], after

    def finish(self, state: StreamState) -> Prediction:
        """Classify the text so far as if it ended here."""
        assert self.stream is not None
        result = self.stream.finish(state)
        return Prediction(result.label, result.scores)


def load_reader(source: str | Path, name: str | None = None) -> TorchReader:
    """
    Load a classifier for the demo on the fastest device.

    Args:
        source: Folder or Hub id of a classifier.
        name: Name that is shown; by default the last part of the source.

    Raises:
        ValueError: The model is damaged, or is not a classifier of this package.
        OSError: There is no such folder or Hub id, or the Hub cannot be reached.
    """
    model, tokenizer = load_model_and_tokenizer(source)
    model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    return TorchReader(name or _last_part(source), model, tokenizer)


def _last_part(source: str | Path) -> str:
    """Return the name of a folder, also of `.`, or of a Hub id without its owner."""
    return os.path.basename(os.path.abspath(source))


def build_demo(folders: str | Path | Sequence[str | Path]) -> gr.Blocks:
    """
    Build a web page on which classifiers score a text while it is typed, and files.

    Args:
        folders: Folder or Hub id of a classifier, or several, which are shown side by side.

    Returns:
        The page, which `launch()` starts. A printed note names the classifiers that do not read forward and score the
        whole text after each change.

    Raises:
        ValueError: A classifier is given twice, or see [`load_reader`].
        OSError: See [`load_reader`].
    """
    sources = [str(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders)]
    places = [os.path.abspath(source) for source in sources]
    if repeated := [source for source, place in zip(sources, places, strict=True) if places.count(place) > 1]:
        raise ValueError(f"{' and '.join(repeated)} are the same classifier; give it once.")
    names = [_last_part(source) for source in sources]
    if len(set(names)) < len(names):
        names = sources
    readers = [load_reader(source, name) for source, name in zip(sources, names, strict=True)]
    for reader in readers:
        print(reader.note, end="\n" if reader.note else "")
    return build_interface(
        readers,
        explain=lambda text: [explain_html(reader, text) for reader in readers],
        score_file=lambda path: score_file(readers, path),
    )


def explain_html(reader: TorchReader, text: str) -> str:
    """Return the contributions of the words to each predicted label, as HTML."""
    return "".join(one.to_figure() for one in explain(reader.model, reader.tokenizer, [text]))


def score_file(readers: Sequence[TorchReader], source: str) -> Iterator[tuple[list[str], str]]:
    """
    Score the rows of a file with each classifier, see [`predict_file`].

    Args:
        readers: The classifiers.
        source: The file.

    Yields:
        Once, the paths of the scored files and a note on what was read. The files are deleted afterwards.

    Raises:
        ValueError: The file cannot be used; the message gives the reason.
    """
    path, notes = Path(source), []
    with tempfile.TemporaryDirectory() as folder:
        targets = []
        for reader in readers:
            suffix = SCORED_SUFFIXES.get(path.suffix.lower(), ".jsonl")
            target = Path(folder) / f"{path.stem}-{reader.name.replace('/', '-')}{suffix}"
            read: list[str] = []
            score = partial(predict_texts, reader.model, reader.tokenizer)
            try:
                rows, skipped = predict_file(score, reader.model.config, source, target, notes=read)
            except ValueError as error:
                raise ValueError(str(error).replace(str(source), path.name)) from None
            without = f", {format_count(skipped, 'row')} without a text" if skipped else ""
            notes = [*read, f"{format_count(rows, 'row')} scored{without}."]
            targets.append(str(target))
        # The folder of an uploaded file means nothing to the user.
        yield targets, " ".join(notes).replace(str(source), path.name)
