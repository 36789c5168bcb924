"""Score a text while it is typed: only the words that changed are read.

This module uses only the standard library and numpy, because Spaces include a copy of it.
"""

import re
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

import numpy as np

# A word with the white space after it, which the tokenizer needs to know that the word has ended. Longer runs, such as
# Chinese text, are divided where the tokenizer divides them, so that a change does not read the whole run again.
WORD = re.compile(r"\s*\S{1,64}\s*")

# A state is kept after this number of words. An edit in the middle of a text reads the words from the state before it.
STRIDE = 64


class Prediction(NamedTuple):
    """
    Prediction for a text.

    Args:
        label: The predicted label, `None` if it is below its threshold; a list in multi-label classification.
        scores: Probability of each label; in a regression, the outputs.
    """

    label: str | list[str] | None
    scores: dict[str, float]


class Reader(Protocol):
    """
    A classifier as the interface needs it.

    Args:
        name: Name that is shown.
        labels: Names of the labels.
        is_regression: Whether the scores are outputs of a regression, not probabilities.
        streams: Whether the classifier reads forward, so that `start`, `read` and `finish` can be called.
    """

    name: str
    labels: list[str]
    is_regression: bool
    streams: bool

    def predict(self, texts: list[str]) -> list[Prediction]:
        """Classify whole texts."""

    def start(self) -> Any:
        """Return the state before the first word."""

    def read(self, state: Any, words: list[str]) -> tuple[np.ndarray, Any]:
        """Return the scores after each word, `(words, num_labels)`, and the state after the last one."""

    def finish(self, state: Any) -> Prediction:
        """Classify the text so far as if it ended here."""


@dataclass(frozen=True)
class LiveText:
    """
    A text that is being typed, and its scores.

    Args:
        prediction: Prediction for the whole text.
        words: The words of the text, with the white space between them.
        scores: Scores of the empty text and after each word, `(1 + words, num_labels)`; `None` if the classifier does
            not read forward.
        states: State after some numbers of words. There is none after the last word, which may be unfinished.
    """

    prediction: Prediction
    words: list[str] = field(default_factory=list)
    scores: np.ndarray | None = None
    states: dict[int, Any] = field(default_factory=dict)


def update_text(reader: Reader, before: LiveText | None, text: str) -> LiveText:
    """
    Score a text after a change.

    Args:
        reader: The classifier.
        before: The text before the change, whose states are reused; `None` if there was none.
        text: The new text.

    Returns:
        The new text with its scores. A word that is typed at the end costs one word, other changes cost the words from
        at most [`STRIDE`] words before the change. A classifier that does not read forward reads the whole text.
    """
    if not reader.streams:
        return LiveText(reader.predict([text])[0])
    if before is None or before.scores is None:
        before = LiveText(reader.finish(reader.start()), states={0: reader.start()})
        rows = [_row(reader, before.prediction)]
    else:
        rows = [before.scores]
    words = WORD.findall(text)
    complete = max(0, len(words) - 1)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(words[:complete], before.words, strict=False)))
    position = max(count for count in before.states if count <= same)
    states = {count: state for count, state in before.states.items() if count <= position}
    rows = [rows[0][: position + 1]]
    while position < complete:
        end = min(complete, position - position % STRIDE + STRIDE)
        scores, state = reader.read(states[position], words[position:end])
        rows.append(scores)
        states[end], position = state, end
    state = states[complete]
    if words:
        _, state = reader.read(state, words[-1:])
    prediction = reader.finish(state)
    if words:
        rows.append(_row(reader, prediction))
    kept = {count: state for count, state in states.items() if count % STRIDE == 0 or count == complete}
    return LiveText(prediction, words, np.concatenate(rows), kept)


def _row(reader: Reader, prediction: Prediction) -> np.ndarray:
    """Return the scores of a prediction, `(1, num_labels)`."""
    return np.array([[prediction.scores[label] for label in reader.labels]], dtype=np.float32)
