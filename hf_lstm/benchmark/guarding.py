"""Cost of guarding texts while they arrive: one stream, many streams, long streams, and a transformer instead."""

import gc
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from statistics import median

import numpy as np
import torch

from ..guarding import TextGuard
from ..inference import StopRule, StreamingClassifier, StreamState
from ..text import train_tokenizer
from .contestants import TRANSFORMER_TOKENS, comparison_transformers, default_classifier, wordpiece_tokenizer
from .timing import Row, Setting

# A rule that is never met, so that everything is read.
NEVER = StopRule("LABEL_1", 1.0, 1_000_000_000)

# Characters after which the transformer scores the text so far.
CHECK = 200


def measure_guarding(setting: Setting) -> list[Row]:
    """Measure the cost of guarding texts while they arrive, on the CPU, and compare it with a transformer."""
    tokenizer = train_tokenizer(setting.texts, "word", show_progress=False)
    model = default_classifier(len(tokenizer), bidirectional=False, problem_type="single_label_classification")
    classifier = StreamingClassifier(model, tokenizer, NEVER)
    words = [word + " " for text in setting.texts[:200] for word in text.split()]
    # A server does the same: a full garbage collection visits the objects of all imported libraries and takes 0.1 s.
    gc.collect()
    gc.freeze()
    try:
        return [
            *measure_one_stream(setting, classifier, words),
            *measure_many_streams(setting, classifier, words),
            *measure_reply(setting, classifier, words),
            *measure_long_stream(setting, classifier, words),
        ]
    finally:
        gc.unfreeze()


def measure_one_stream(setting: Setting, classifier: StreamingClassifier, words: list[str]) -> list[Row]:
    """Measure the milliseconds of one word into one guarded text."""
    guard, elapsed = TextGuard(classifier), []
    for word in islice(cycle(words), 20 if setting.smallest else 1_000):
        elapsed.append(1e3 * setting.seconds(partial(guard.feed, word)))
    return [Row(f"one stream, one word, {name}", value, "ms") for name, value in percentiles(elapsed).items()]


def measure_many_streams(setting: Setting, classifier: StreamingClassifier, words: list[str]) -> list[Row]:
    """Measure the milliseconds of a round of 256 streams with one word each."""
    streams = 4 if setting.smallest else 256
    states, elapsed, tokens = [classifier.start()] * streams, [], []
    for turn in range(5 if setting.smallest else 100):
        pieces = [words[(turn + 31 * stream) % len(words)] for stream in range(streams)]
        outcomes: list = []
        elapsed.append(1e3 * setting.seconds(lambda: outcomes.extend(classifier.feed_many(states, pieces, True))))  # noqa: B023
        tokens.append(sum(len(result.token_spans) for result, _ in outcomes))
        states = [state for _, state in outcomes]
    rows = [Row(f"{streams} streams, one word each, round, {name}", value, "ms")
            for name, value in percentiles(elapsed).items()]  # fmt: skip
    return [*rows, Row(f"{streams} streams, per stream and token", median(elapsed) / median(tokens), "ms")]


def measure_reply(setting: Setting, classifier: StreamingClassifier, words: list[str]) -> list[Row]:
    """Compare guarding a reply of 1,000 tokens with scoring its text so far with a transformer every 200 characters."""
    reply = first_tokens(classifier, words, 50 if setting.smallest else 1_000)
    text = "".join(reply)
    pieces = wordpiece_tokenizer(setting)
    name, transformer = next(iter(comparison_transformers(setting, len(pieces)).items()))
    inputs = [
        pieces(text[:end], return_tensors="pt")["input_ids"][:, -TRANSFORMER_TOKENS:]
        for end in range(CHECK, len(text) + CHECK, CHECK)
    ]

    def score_text_so_far() -> None:
        with torch.inference_mode():
            for ids in inputs:
                transformer(ids)

    chunks = [text[start : start + CHECK] for start in range(0, len(text), CHECK)]
    contestants: dict[str, Callable[[], object]] = {
        f"{name}, text so far every {CHECK} characters": score_text_so_far,
        f"guard, every {CHECK} characters": partial(guard_pieces, classifier, chunks),
        "guard, every word": partial(guard_pieces, classifier, reply),
    }
    seconds = setting.median_seconds(contestants)
    reference = next(iter(seconds))
    return [
        Row(f"reply of {len(reply):,} words, {key}", 1e3 * value, "ms", seconds[reference] / value, reference)
        for key, value in seconds.items()
    ]


def measure_long_stream(setting: Setting, classifier: StreamingClassifier, words: list[str]) -> list[Row]:
    """Compare time per word and size of the state after 100 and after 1,000,000 tokens."""
    lengths = (100, 200) if setting.smallest else (100, 1_000_000)
    states = {length: state_after(classifier, words, length) for length in lengths}
    turns: dict[int, list[float]] = {length: [] for length in lengths}
    for word in islice(cycle(words), 20 if setting.smallest else 1_000):
        for length, state in states.items():
            turns[length].append(1e3 * setting.seconds(partial(classifier.feed, state, word)))
    rows = []
    for length, state in states.items():
        first = median(turns[lengths[0]])
        name = f"after {length:,} tokens"
        rows.append(Row(f"{name}, one word", median(turns[length]), "ms", first / median(turns[length]), "100 tokens"))
        rows.append(Row(f"{name}, tensors of the state", state_bytes(state) / 1e3, "kB"))
    return rows


def guard_pieces(classifier: StreamingClassifier, pieces: list[str]) -> TextGuard:
    """Guard a text that arrives in these pieces, and return the guard after its end."""
    guard = TextGuard(classifier)
    for piece in pieces:
        guard.feed(piece)
    guard.finish()
    return guard


def first_tokens(classifier: StreamingClassifier, words: list[str], tokens: int) -> list[str]:
    """Return the first words, repeated if there are too few, that have about this number of tokens."""
    taken: list[str] = []
    count = 0
    for word in cycle(words):
        count += len(classifier.tokenizer(word, add_special_tokens=False)["input_ids"])
        if count > tokens:
            return taken
        taken.append(word)
    return taken


def state_after(classifier: StreamingClassifier, words: list[str], tokens: int) -> StreamState:
    """Return the state of a stream that has read at least this number of tokens, in pieces of 100 words."""
    state, start = classifier.start(), 0
    while state.num_tokens < tokens:
        piece = "".join(words[start : start + 100])
        state, start = classifier.feed(state, piece)[1], (start + 100) % len(words)
    return state


def state_bytes(state: StreamState) -> int:
    """Return the bytes of the tensors of a state."""
    return sum(tensor.untyped_storage().nbytes() for tensor in state.memory.values())


def percentiles(elapsed: list[float]) -> dict[str, float]:
    """Return the median and the 99th percentile."""
    return {"p50": median(elapsed), "p99": float(np.percentile(elapsed, 99))}
