"""Stop a stream of text when the stop rule of an exported classifier is met.

from guard_onnx import guard
from run_onnx import OnnxClassifier
classifier = OnnxClassifier("folder").stop_when("toxic", 0.9, for_tokens=5)  # by default, the rule of the model
guarded = guard(pieces_from_a_language_model, classifier)
for text in guarded:
    print(text, end="")
print(guarded.verdict)
"""

import codecs
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

Mode = Literal["hold_back", "immediate"]
OnStop = Literal["end", "raise"]


class StopRule(NamedTuple):
    """Condition for stopping: `label` has at least this `probability` after each of `for_tokens` consecutive tokens."""

    label: str
    probability: float
    for_tokens: int


class Verdict(NamedTuple):
    """
    Result of a stop rule.

    Args:
        label: Label of the rule.
        probability: Its probability after the token that met the rule, or else after the last token.
        stopped_at: Character of the text at which the rule was met, the end of this token; `None` if it was not met.
        num_tokens: Number of tokens up to this one, including the `[CLS]` at the start.
    """

    label: str
    probability: float
    stopped_at: int | None
    num_tokens: int


class StreamState(NamedTuple):
    """
    State after the part of a text that has been read; its size does not grow with the text.

    Args:
        tensors: Recurrent state of the graph by name, for a batch of one.
        logits: `(1, num_labels)`, logits after the last token.
        num_tokens: Number of tokens read, including the `[CLS]` at the start.
        held: Text that has arrived but is not tokenized yet, because its tokens depend on what follows.
        undecoded: First bytes of a character whose other bytes have not arrived.
        position: Number of characters read; `held` starts here.
        streak: Number of consecutive tokens, up to now, after which the label of the stop rule was probable enough.
        cleared: Number of characters before the token that met the stop rule, or `position` until then.
        verdict: Verdict of the stop rule once it is met.
    """

    tensors: dict[str, np.ndarray]
    logits: np.ndarray
    num_tokens: int = 1
    held: str = ""
    undecoded: bytes = b""
    position: int = 0
    streak: int = 0
    cleared: int = 0
    verdict: Verdict | None = None


class Stopped(Exception):
    """A guarded stream has met its stop rule; `verdict` says where."""

    def __init__(self, verdict: Verdict):
        super().__init__(f"The stop rule was met at character {verdict.stopped_at:,}: {verdict}")
        self.verdict = verdict


class Guard(Iterator[str]):
    """
    Iterator over the text of a stream that may be shown, see [`guard`].

    Args:
        stream: Pieces of a text.
        classifier: Classifier with a stop rule.
        mode: When text is released.
        on_stop: What happens when the rule is met.
    """

    def __init__(self, stream: Iterable[str | bytes], classifier: Any, mode: Mode, on_stop: OnStop):
        self.stream, self.classifier, self.mode, self.on_stop = stream, classifier, mode, on_stop
        self.verdict: Verdict | None = None
        self._released = self._release()

    def __next__(self) -> str:
        return next(self._released)

    def close(self) -> None:
        """Close the source. The verdict remains `None` if the stream had not ended."""
        self._released.close()

    def _release(self) -> Generator[str, None, None]:
        """Yield the text that may be shown, and set the verdict at the end."""
        state, waiting, released = self.classifier.start(), "", 0
        try:
            for text, at_end in decode(self.stream):
                if self.mode == "immediate" and text:
                    yield text
                scores, state = self.classifier.feed(state, text, at_end)
                if self.mode == "hold_back":
                    waiting += text
                    ready, waiting = waiting[: state.cleared - released], waiting[state.cleared - released :]
                    released = state.cleared
                    if ready:
                        yield ready
                if state.verdict is not None:
                    break
        finally:
            close = getattr(self.stream, "close", None)
            if close is not None:
                close()
        if state.verdict is not None:
            self.verdict = state.verdict
            if self.on_stop == "raise":
                raise Stopped(self.verdict)
            return
        label = self.classifier.stop_rule.label
        probability = next(row["score"] for row in scores if row["label"] == label)
        self.verdict = Verdict(label, probability, None, state.num_tokens)


def guard(stream: Iterable[str | bytes], classifier: Any, mode: Mode = "hold_back", on_stop: OnStop = "end") -> Guard:
    """
    Pass on a stream of text until a stop rule is met.

    Args:
        stream: Pieces of a text, cut anywhere; bytes are UTF-8. It is closed at the end if it has a method `close`.
        classifier: An `OnnxClassifier` with a stop rule, exported with `--stateful`.
        mode: With `"hold_back"`, a character is released after the classifier has read the word that contains it, and
            the text ends before the token that meets the rule. With `"immediate"`, each piece is released at once, and
            the text ends with the piece in which the rule is met.
        on_stop: `"end"` ends the iterator when the rule is met; `"raise"` raises [`Stopped`].

    Returns:
        An iterator over the text, the same as in the stream. At its end, it has the attribute `verdict`.

    Raises:
        ValueError: The classifier has no stop rule, or an argument has another value.
    """
    if classifier.stop_rule is None:
        raise ValueError("The model has no stop rule: call classifier.stop_when(label, probability, for_tokens).")
    for value, choices in ((mode, get_args(Mode)), (on_stop, get_args(OnStop))):
        if value not in choices:
            raise ValueError(f"Expected one of {', '.join(map(repr, choices))}, got {value!r}.")
    return Guard(stream, classifier, mode, on_stop)


def decode(pieces: Iterable[str | bytes]) -> Iterator[tuple[str, bool]]:
    """Yield the text of each piece in complete characters, and whether it is the end, which is a piece of its own."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    utf16 = codecs.getincrementaldecoder("utf-16-le")("replace")  # joins the halves of a surrogate pair

    def join(text: str, at_end: bool = False) -> str:
        return utf16.decode(text.encode("utf-16-le", "surrogatepass"), at_end)

    for piece in pieces:
        if not piece:
            continue
        if isinstance(piece, bytes):
            yield join(utf8.decode(piece)), False
        else:  # a character that bytes began remains incomplete
            yield join(utf8.decode(b"", True) + piece), False
            utf8.reset()
    yield join(utf8.decode(b"", True), True), True
