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
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

# This file is also copied to exported folders, where the classes of the package are in a file next to it.
if TYPE_CHECKING or __package__:
    from ..guarding import StoppedByGuard, Verdict
else:
    from verdict import StoppedByGuard, Verdict

Release = Literal["hold_back", "immediate"]
OnStop = Literal["end", "raise"]


class StopRule(NamedTuple):
    """Condition for stopping: `label` has at least this `probability` after each of `for_tokens` consecutive tokens."""

    label: str
    probability: float
    for_tokens: int


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
        streak_start: First character of these tokens.
        verdict: Verdict of the stop rule once it is met.
    """

    tensors: dict[str, np.ndarray]
    logits: np.ndarray
    num_tokens: int = 1
    held: str = ""
    undecoded: bytes = b""
    position: int = 0
    streak: int = 0
    streak_start: int = 0
    verdict: Verdict | None = None


def guard(
    stream: Iterable[str | bytes], classifier: Any, *, release: Release = "hold_back", on_stop: OnStop = "end"
) -> "GuardedStream":
    """
    Guard a stream of text, for instance the reply of a language model. Tokens that met the stop rule are not shown.

    Args:
        stream: Pieces of a text, cut anywhere; bytes are UTF-8. It is closed at the end if it has a method `close`.
        classifier: An `OnnxClassifier` with a stop rule, exported with `--stateful`.
        release: `"hold_back"` releases only words that the rule has seen, and holds the words of a streak of probable
            tokens until it ends, which may take `for_tokens` tokens. `"immediate"` releases all that has arrived, so
            that up to a word and a streak are shown before a stop.
        on_stop: At a stop, `"end"` ends the guarded stream, and `"raise"` raises [`StoppedByGuard`].

    Returns:
        An iterator of the strings that may be shown. Its `verdict` is `None` before the stop or the end of the stream.

    Raises:
        TypeError: `stream` is a single text, or one of its items is neither a string nor bytes.
        ValueError: The classifier has no stop rule, or an argument has another value.
    """
    if isinstance(stream, str | bytes):
        raise TypeError(f"Expected an iterable of pieces of a text, got a single {type(stream).__name__}.")
    if classifier.stop_rule is None:
        raise ValueError("The model has no stop rule: call classifier.stop_when(label, probability, for_tokens).")
    for name, value, choices in (("release", release, get_args(Release)), ("on_stop", on_stop, get_args(OnStop))):
        if value not in choices:
            raise ValueError(f"Unknown {name} {value!r}; choose one of: {', '.join(choices)}.")
    return GuardedStream(stream, classifier, release, on_stop)


class GuardedStream(Iterator[str]):
    """Iterator of the strings that may be shown; see [`guard`], which makes it."""

    def __init__(self, source: Iterable[str | bytes], classifier: Any, release: Release, on_stop: OnStop):
        self.verdict: Verdict | None = None
        self._source, self._classifier, self._release, self._on_stop = source, classifier, release, on_stop
        self._shown = self._run()

    def __next__(self) -> str:
        return next(self._shown)

    def close(self) -> None:
        """End the iteration and close the source."""
        self._shown.close()
        self._close_source()

    def _run(self) -> Generator[str, None, None]:
        state, held, released = self._classifier.start(), "", 0
        try:
            for text, at_end in decode(self._source):
                scores, state = self._classifier.feed(state, text, at_end)
                held += text
                arrived = released + len(held)
                if state.verdict is not None:
                    self.verdict, limit = state.verdict, state.verdict.start
                    self._close_source()  # before the consumer shows the rest
                elif at_end:
                    label = self._classifier.stop_rule.label
                    probability = next(row["score"] for row in scores if row["label"] == label)
                    self.verdict, limit = Verdict(label, probability, arrived, state.num_tokens), arrived
                elif self._release == "immediate":
                    limit = arrived
                else:
                    limit = state.streak_start if state.streak else state.position
                shown = held[: max(0, limit - released)]
                held, released = held[len(shown) :], released + len(shown)
                if shown:
                    yield shown
                if self.verdict is not None:
                    break
        finally:
            self._close_source()
        if self._on_stop == "raise" and self.verdict is not None and self.verdict.stopped:
            raise StoppedByGuard(self.verdict)

    def _close_source(self) -> None:
        if callable(close := getattr(self._source, "close", None)):
            close()


def decode(pieces: Iterable[str | bytes]) -> Iterator[tuple[str, bool]]:
    """Yield the text of each piece in complete characters, and whether it is the end, which is a piece of its own."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    utf16 = codecs.getincrementaldecoder("utf-16-le")("replace")  # joins the halves of a surrogate pair

    def join(text: str, at_end: bool = False) -> str:
        return utf16.decode(text.encode("utf-16-le", "surrogatepass"), at_end)

    for piece in pieces:
        if not isinstance(piece, str | bytes):
            raise TypeError(f"Expected a string or bytes as the next piece of the text, got {type(piece).__name__}.")
        if not piece:
            continue
        if isinstance(piece, bytes):
            yield join(utf8.decode(piece)), False
        else:  # a character that bytes began remains incomplete
            yield join(utf8.decode(b"", True) + piece), False
            utf8.reset()
    yield join(utf8.decode(b"", True), True), True
