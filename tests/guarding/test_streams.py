import asyncio

import numpy as np
import pytest
from guarding.guarded import expected_verdict, random_pieces, random_text, same, tiny_classifier

from hf_lstm.guarding.scheduler import StreamScheduler
from hf_lstm.guarding.streams import guard
from hf_lstm.guarding.verdict import StoppedByGuard
from hf_lstm.inference.stream_state import StopRule

CLASSIFIER = tiny_classifier(StopRule("LABEL_1", 0.45, 2))
ALWAYS = tiny_classifier(StopRule("LABEL_1", 1e-9, 3))
NEVER = tiny_classifier(StopRule("LABEL_1", 1.0, 3))
WORDS = ["a ", "film ", "that ", "I ", "loved ", "once"]


class Source:
    """Strings, sync or async, that record how many were taken and whether they were closed."""

    def __init__(self, pieces, error=None):
        self.pieces, self.error, self.taken, self.closed = iter(pieces), error, 0, 0

    def __iter__(self):
        for piece in self.pieces:
            self.taken += 1
            yield piece
        if self.error:
            raise self.error

    def close(self):
        self.closed += 1


class AsyncSource(Source):
    __iter__ = None

    async def __aiter__(self):
        for piece in self.pieces:
            self.taken += 1
            await asyncio.sleep(0)
            yield piece
        if self.error:
            raise self.error

    async def aclose(self):
        self.closed += 1


def collect(shown):
    async def run():
        return [text async for text in shown]

    return asyncio.run(run())


def test_streams_have_the_verdict_and_the_text_before_it():
    rng = np.random.default_rng(0)
    for _ in range(30):
        text = random_text(rng, 20)
        pieces, expected = random_pieces(rng, text), expected_verdict(CLASSIFIER, text)
        shown = guard(pieces, CLASSIFIER)
        assert shown.verdict is None
        assert "".join(shown) == text[: expected.start] and same(shown.verdict, expected)
        shown = guard(AsyncSource(pieces), CLASSIFIER)
        assert "".join(collect(shown)) == text[: expected.start] and same(shown.verdict, expected)


@pytest.mark.parametrize("kind", [Source, AsyncSource])
def test_a_stop_closes_the_source_and_ends_or_raises(kind):
    source = kind(WORDS)
    shown = guard(source, ALWAYS)
    assert (list(shown) if kind is Source else collect(shown)) == []
    assert source.taken == 3 and source.closed and shown.verdict.position == len("a film that")
    source = kind(WORDS)
    shown = guard(source, ALWAYS, on_stop="raise", release="immediate")
    with pytest.raises(StoppedByGuard) as stopped:
        list(shown) if kind is Source else collect(shown)
    assert stopped.value.verdict == shown.verdict and source.closed and source.taken == 3


def test_the_source_is_closed_before_the_text_before_the_alarm_is_shown():
    source = Source(["a film that", " I loved once, and"])
    shown = guard(source, CLASSIFIER.stop_when("LABEL_1", 1e-9, 1), release="immediate")
    assert next(shown, None) is None and source.closed
    low_at_first, text = CLASSIFIER.stop_when("LABEL_1", 0.96, 1), "good film worse bad naïve once "
    assert expected_verdict(low_at_first, text).start == text.index("once")
    source = Source([text, "more"])
    assert next(guard(source, low_at_first)) == "good film worse bad naïve " and source.closed and source.taken == 1


@pytest.mark.parametrize("kind", [Source, AsyncSource])
def test_errors_of_the_source_are_raised_and_close_it(kind):
    source = kind(WORDS, ConnectionError("reset"))
    shown = guard(source, NEVER)
    with pytest.raises(ConnectionError, match="reset"):
        list(shown) if kind is Source else collect(shown)
    assert source.closed and shown.verdict is None
    source = kind([*WORDS, None])
    with pytest.raises(TypeError, match="got NoneType"):
        list(guard(source, NEVER)) if kind is Source else collect(guard(source, NEVER))
    assert source.closed


def test_a_consumer_that_leaves_closes_the_source():
    source = Source(WORDS)
    shown = guard(source, NEVER)
    assert next(shown) == "a "
    shown.close()
    assert source.closed and source.taken == 1 and shown.verdict is None and next(shown, None) is None
    unstarted = Source(WORDS)
    guard(unstarted, NEVER).close()
    assert unstarted.closed and not unstarted.taken

    async def leave():
        source, unstarted = AsyncSource(WORDS), AsyncSource(WORDS)
        shown = guard(source, NEVER)
        assert await anext(shown) == "a "
        await shown.aclose()
        await guard(unstarted, NEVER).aclose()
        assert source.closed and source.taken == 1 and unstarted.closed

    asyncio.run(leave())


def test_escalation_in_both_kinds_of_streams():
    async def agree_later(text, verdict):
        await asyncio.sleep(0)
        return verdict.num_tokens > 4

    shown = guard(WORDS, ALWAYS, escalate=lambda text, verdict: verdict.num_tokens > 4)
    assert "".join(shown) == "a film that " and shown.verdict.num_tokens == 7
    shown = guard(AsyncSource(WORDS), ALWAYS, escalate=agree_later)
    assert "".join(collect(shown)) == "a film that " and shown.verdict.num_tokens == 7


def test_streams_share_a_scheduler():
    rng = np.random.default_rng(1)
    texts = [random_text(rng, 15) for _ in range(60)]
    expected = [expected_verdict(CLASSIFIER, text) for text in texts]

    async def read(text):
        shown = guard(AsyncSource(random_pieces(rng, text)), CLASSIFIER, scheduler=scheduler)
        return "".join([piece async for piece in shown]), shown.verdict

    async def read_all():
        return await asyncio.gather(*map(read, texts))

    with StreamScheduler(CLASSIFIER) as scheduler:
        for (shown, verdict), text, wanted in zip(asyncio.run(read_all()), texts, expected, strict=True):
            assert same(verdict, wanted) and shown == text[: wanted.start]
        text = "".join(WORDS)
        expected = expected_verdict(CLASSIFIER, text)
        shown = guard(WORDS, CLASSIFIER, scheduler=scheduler)
        assert "".join(shown) == text[: expected.start] and same(shown.verdict, expected)


def test_invalid_arguments_raise():
    for stream in ("a text", b"a text", 3):
        with pytest.raises(TypeError, match="Expected an iterator or async iterator of strings"):
            guard(stream, NEVER)
    with pytest.raises(ValueError, match="Unknown on_stop 'explode'"):
        guard(WORDS, NEVER, on_stop="explode")

    async def agree(text, verdict):
        return True

    with pytest.raises(TypeError, match="An async `escalate` needs an async stream"):  # not only at the first alarm
        guard(WORDS, NEVER, escalate=agree)
