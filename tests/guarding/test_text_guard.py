import asyncio
import os

import numpy as np
import pytest
from guarding.guarded import (
    ALPHABET,
    expected_verdict,
    random_pieces,
    random_text,
    same,
    scores_after_tokens,
    tiny_classifier,
)  # fmt: skip
from hypothesis import given, settings, strategies as st

from hf_lstm.guarding import streams
from hf_lstm.guarding.scheduler import StreamScheduler
from hf_lstm.guarding.text_guard import CONTEXT, GuardState, TextGuard, feed_many
from hf_lstm.inference.stream_state import StopRule

# Random streams of the long test; 10,000 take four minutes.
STREAMS = int(os.environ.get("HF_LSTM_GUARD_STREAMS", "300"))
CLASSIFIERS = [
    tiny_classifier(StopRule("LABEL_1", probability, for_tokens), pooling=pooling)
    for probability, for_tokens, pooling in ((0.55, 1, "concat"), (0.45, 2, "last"), (0.65, 3, "concat"))
]


def run(guard: TextGuard, pieces: list[str]) -> list[str]:
    return [*(guard.feed(piece) for piece in pieces), guard.finish()]


@pytest.mark.parametrize("release", ["hold_back", "immediate"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_text_in_any_pieces_has_the_verdict_of_the_whole_text(release, data):
    classifier = data.draw(st.sampled_from(CLASSIFIERS))
    text = data.draw(st.text(alphabet=ALPHABET, max_size=150))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    guard = TextGuard(classifier, release)
    shown = run(guard, [text[i:j] for i, j in zip([0, *cuts], [*cuts, len(text)], strict=True)])
    assert same(guard.verdict, expected_verdict(classifier, text))
    assert text.startswith("".join(shown))
    if not guard.verdict.stopped:
        assert "".join(shown) == text


def test_no_character_is_released_before_its_word_was_read():
    """At every moment, exactly the words that were read are released, without those of a running streak."""
    rng = np.random.default_rng(0)
    stopped = 0
    for i in range(STREAMS):
        classifier = CLASSIFIERS[i % len(CLASSIFIERS)]
        text = random_text(rng, int(rng.integers(0, 40)))
        expected = expected_verdict(classifier, text)
        scores, spans = scores_after_tokens(classifier, text)
        reached = (scores[:, 1] >= classifier.stop_rule.probability).tolist()
        guard, shown, arrived = TextGuard(classifier), "", 0
        for piece in random_pieces(rng, text):
            shown += guard.feed(piece)
            arrived += len(piece)
            read = guard.state.stream.position
            tokens = sum(end <= read for _, end in spans)
            streak = next((n for n, x in enumerate(reversed(reached[:tokens])) if not x), tokens)
            released = spans[tokens - streak][0] if streak else read
            assert read <= arrived
            assert shown == text[: released if guard.verdict is None else expected.start]
        shown += guard.finish()
        assert same(guard.verdict, expected) and shown == text[: expected.start]  # all of it without a stop
        stopped += expected.stopped
    assert STREAMS // 5 < stopped < STREAMS  # the rules are neither always nor never met


def test_a_streak_is_held_until_it_ends_and_a_partial_word_until_it_is_complete():
    classifier = CLASSIFIERS[2]
    scores, spans = scores_after_tokens(classifier, "good film worse bad naïve once")
    guard = TextGuard(classifier.stop_when("LABEL_1", float(np.median(scores[:, 1])) + 1e-4, 6))
    reached = (scores[:, 1] >= guard.rule.probability).tolist()
    assert True in reached and False in reached
    shown = ""
    for i, word in enumerate(["good", "film", "worse", "bad", "naïve", "once"]):
        shown += guard.feed(word[:2]) + guard.feed(word[2:])
        before = len(shown)
        shown += guard.feed(" ")
        streak = next((n for n, x in enumerate(reversed(reached[: i + 1])) if not x), i + 1)
        assert len(shown) == (spans[i + 1 - streak][0] if streak else spans[i][1] + 1)
        assert before <= spans[i][0]


def test_immediate_release_shows_a_piece_at_once_but_nothing_after_the_stop():
    classifier = CLASSIFIERS[0]
    guard = TextGuard(classifier.stop_when("LABEL_1", 1e-9, 3), "immediate")
    assert [guard.feed(piece) for piece in ("a fi", "lm that", " I loved", " once")] == ["a fi", "lm that", "", ""]
    assert guard.verdict.stopped and guard.feed("more") == "" and guard.finish() == ""
    assert guard.verdict.start == 0 and guard.verdict.position == len("a film that")


def test_divided_surrogate_pairs_are_shown_as_one_character():
    for release in ("hold_back", "immediate"):
        guard = TextGuard(CLASSIFIERS[0].stop_when("LABEL_1", 1.0, 9), release)
        shown = run(guard, ["so \ud83d", "\ude00 a\ud83d", " b \ud83d"])
        assert "".join(shown) == "so 😀 a\ufffd b \ufffd"
        "".join(shown[:2]).encode()


def test_escalation_decides_and_restarts_the_count():
    text = "a film that I loved once, and bad. " * 8
    rule = StopRule("LABEL_1", 1e-9, 5)  # reached after every token
    calls = []

    def escalate(seen, verdict):
        calls.append((seen, verdict))
        return len(calls) == 4

    for size in (1, 7, 1_000):
        calls.clear()
        guard = TextGuard(tiny_classifier(rule), escalate=escalate)
        shown = "".join(run(guard, [text[i : i + size] for i in range(0, len(text), size)]))
        assert [verdict.num_tokens for _, verdict in calls] == [6, 11, 16, 21]
        assert all(seen == text[: verdict.position] for seen, verdict in calls)
        assert guard.verdict == calls[-1][1] and shown == text[: guard.verdict.start]


def test_context_of_an_escalation_is_bounded():
    seen = []
    guard = TextGuard(tiny_classifier(StopRule("LABEL_1", 1e-9, 1)), escalate=lambda text, _: seen.append(text))
    text = "a film that I loved once " * (CONTEXT // 10)
    for i in range(0, len(text), 5_000):
        guard.feed(text[i : i + 5_000])
    assert len(seen[-1]) == CONTEXT and text.rstrip().endswith(seen[-1])
    assert len(guard.state.to_bytes()) < 2 * CONTEXT


def test_an_error_leaves_the_guard_as_it_was():
    def fail(text, verdict):
        raise RuntimeError("offline")

    guard = TextGuard(tiny_classifier(StopRule("LABEL_1", 1e-9, 1)), escalate=fail)
    before = guard.state
    with pytest.raises(RuntimeError, match="offline"):
        guard.feed("a film ")
    with pytest.raises(TypeError, match="Expected a string as the next piece of the text, got NoneType"):
        guard.feed(None)
    assert guard.state is before and guard.verdict is None


def test_an_end_of_iteration_in_a_callback_is_an_error():
    """It must not pass for the end of the steps of the guard, which would lose the piece."""
    answers = iter([])
    guard = TextGuard(tiny_classifier(StopRule("LABEL_1", 1e-9, 1)), escalate=lambda text, verdict: next(answers))
    with pytest.raises(StopIteration):
        guard.feed("a film ")
    with pytest.raises(RuntimeError, match="StopIteration"):  # as in any coroutine and generator
        asyncio.run(guard.feed_async("a film "))
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(streams.guard(["a film "], guard.classifier, escalate=guard.escalate))


def test_async_escalation():
    async def escalate(text, verdict):
        return verdict.num_tokens > 4

    classifier = tiny_classifier(StopRule("LABEL_1", 1e-9, 1))
    guard = TextGuard(classifier, escalate=escalate)
    with pytest.raises(TypeError, match="needs an async stream"):
        guard.feed("a film ")

    async def read():
        return await guard.feed_async("a film that I loved") + await guard.finish_async()

    assert asyncio.run(read()) == "a film that " and guard.verdict.num_tokens == 5


def test_state_moves_to_another_process():
    rng = np.random.default_rng(1)
    for i in range(30):
        classifier = CLASSIFIERS[i % 3]
        text = random_text(rng, 20)
        guard, shown = TextGuard(classifier), ""
        for piece in random_pieces(rng, text):
            shown += guard.feed(piece)
            guard = TextGuard(classifier, state=GuardState.from_bytes(guard.state.to_bytes()))
        shown += guard.finish()
        verdict = GuardState.from_bytes(guard.state.to_bytes()).verdict
        assert verdict == guard.verdict and same(verdict, expected_verdict(classifier, text))
        assert shown == text[: verdict.start]
    with pytest.raises(ValueError, match="another stop rule"):
        TextGuard(CLASSIFIERS[0], state=TextGuard(CLASSIFIERS[1]).state)
    data = guard.state.to_bytes()
    for broken in (b"", b"x" + data, data[:-1], data.replace(b"guard 1", b"guard 9")):
        with pytest.raises(ValueError, match="not the state of a guard"):
            GuardState.from_bytes(broken)


def test_rule_of_the_model_is_the_default():
    plain = tiny_classifier(None)
    with pytest.raises(ValueError, match="--stop_false_alarms 0.01, or give a rule, .* classifier.stop_when"):
        TextGuard(plain)
    plain.model.config.stop_rule = {"label": "LABEL_0", "probability": 0.5, "for_tokens": 4}
    assert TextGuard(plain).rule == StopRule("LABEL_0", 0.5, 4)
    assert TextGuard(plain.stop_when("LABEL_1", 0.9)).rule == StopRule("LABEL_1", 0.9, 1)


def test_invalid_arguments_raise():
    with pytest.raises(ValueError, match="Unknown release 'later'; choose one of: hold_back, immediate"):
        TextGuard(CLASSIFIERS[0], "later")
    with StreamScheduler(CLASSIFIERS[1]) as scheduler, pytest.raises(ValueError, match="another classifier"):
        TextGuard(CLASSIFIERS[0], scheduler=scheduler)


def test_many_guards_in_one_batch():
    rng = np.random.default_rng(2)
    texts = [random_text(rng, 15) for _ in range(20)]
    guards = [TextGuard(CLASSIFIERS[0]) for _ in texts]
    first = feed_many(guards, [text[:9] for text in texts], [False] * 20)
    active = [i for i, guard in enumerate(guards) if guard.verdict is None]
    last = feed_many([guards[i] for i in active], [texts[i][9:] for i in active], [True] * len(active))
    rest = dict(zip(active, last, strict=True))
    for i, text in enumerate(texts):
        expected = expected_verdict(CLASSIFIERS[0], text)
        assert same(guards[i].verdict, expected)
        assert first[i] + rest.get(i, "") == text[: expected.start]
