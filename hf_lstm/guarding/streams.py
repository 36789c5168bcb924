"""Guard any stream of strings."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from typing import Literal, overload

from ..inference import StreamingClassifier
from .scheduler import StreamScheduler
from .text_guard import Escalate, Release, TextGuard, check_not_async
from .verdict import StoppedByGuard, Verdict

OnStop = Literal["end", "raise"]


@overload
def guard(
    stream: AsyncIterable[str],
    classifier: StreamingClassifier,
    *,
    release: Release = "hold_back",
    on_stop: OnStop = "end",
    escalate: Escalate | None = None,
    scheduler: StreamScheduler | None = None,
) -> "AsyncGuardedStream": ...


@overload
def guard(
    stream: Iterable[str],
    classifier: StreamingClassifier,
    *,
    release: Release = "hold_back",
    on_stop: OnStop = "end",
    escalate: Escalate | None = None,
    scheduler: StreamScheduler | None = None,
) -> "GuardedStream": ...


def guard(
    stream: AsyncIterable[str] | Iterable[str],
    classifier: StreamingClassifier,
    *,
    release: Release = "hold_back",
    on_stop: OnStop = "end",
    escalate: Escalate | None = None,
    scheduler: StreamScheduler | None = None,
) -> "GuardedStream | AsyncGuardedStream":
    """
    Guard a stream of strings, for instance the reply of a language model.

        shown = guard(pieces, StreamingClassifier(model, tokenizer).stop_when("toxic", 0.9, for_tokens=3))
        for text in shown:
            print(text, end="")
        print(shown.verdict)

    With the `openai` client, `pieces` is `(chunk.choices[0].delta.content or "" for chunk in response)`.

    Args:
        stream: Iterator or async iterator of strings, cut anywhere. It is closed at a stop, at its end, after an
            error, and when the guarded stream is closed, if it has `close` or `aclose`.
        classifier: The classifier. Its stop rule is used, or else the one that training has stored in the model.
        release: As in [`TextGuard`].
        on_stop: At a stop, `"end"` ends the guarded stream, and `"raise"` raises [`StoppedByGuard`]. Text before the
            alarm is yielded first.
        escalate: As in [`TextGuard`]. It may be a coroutine function if the stream is async.
        scheduler: Scheduler that reads this stream together with others.

    Returns:
        An iterator, or async iterator, of the strings that may be shown. Its `verdict` is `None` before the stop or the
        end of the stream. An error of the stream is raised as it is; text that is still held then is not shown.

    Raises:
        TypeError: `stream` is a single string or not iterable, or one of its items is not a string; or `escalate` is
            async, and the stream is not.
        ValueError: As in [`TextGuard`].
    """
    if on_stop not in ("end", "raise"):
        raise ValueError(f"Unknown on_stop {on_stop!r}; choose one of: end, raise.")
    if isinstance(stream, str | bytes) or not isinstance(stream, Iterable | AsyncIterable):
        raise TypeError(f"Expected an iterator or async iterator of strings, got {type(stream).__name__}.")
    text_guard = TextGuard(classifier, release, escalate, scheduler)
    if isinstance(stream, AsyncIterable):
        return AsyncGuardedStream(stream, text_guard, on_stop)
    check_not_async(escalate)
    return GuardedStream(stream, text_guard, on_stop)


class GuardedStream(Iterator[str]):
    """Iterator of the strings that may be shown; see [`guard`], which makes it."""

    def __init__(self, source: Iterable[str], text_guard: TextGuard, on_stop: OnStop):
        self._source, self._guard, self._on_stop = source, text_guard, on_stop
        self._shown = self._run()

    @property
    def verdict(self) -> Verdict | None:
        """The verdict at the stop or the end of the stream; `None` before."""
        return self._guard.verdict

    def __next__(self) -> str:
        return next(self._shown)

    def close(self) -> None:
        """End the iteration and close the source."""
        self._shown.close()
        self._close_source()

    def _run(self) -> Generator[str]:
        try:
            for piece in self._source:
                shown = self._guard.feed(piece)
                if self.verdict is not None:
                    self._close_source()  # before the consumer shows the rest
                if shown:
                    yield shown
                if self.verdict is not None:
                    break
            else:
                if shown := self._guard.finish():
                    yield shown
        finally:
            self._close_source()
        if self._on_stop == "raise" and self.verdict is not None and self.verdict.stopped:
            raise StoppedByGuard(self.verdict)

    def _close_source(self) -> None:
        if callable(close := getattr(self._source, "close", None)):
            close()


class AsyncGuardedStream(AsyncIterator[str]):
    """Async iterator of the strings that may be shown; see [`guard`], which makes it."""

    def __init__(self, source: AsyncIterable[str], text_guard: TextGuard, on_stop: OnStop):
        self._source, self._guard, self._on_stop = source, text_guard, on_stop
        self._shown = self._run()

    @property
    def verdict(self) -> Verdict | None:
        """The verdict at the stop or the end of the stream; `None` before."""
        return self._guard.verdict

    async def __anext__(self) -> str:
        return await anext(self._shown)

    async def aclose(self) -> None:
        """End the iteration and close the source."""
        await self._shown.aclose()
        await self._close_source()

    async def _run(self) -> AsyncGenerator[str]:
        try:
            async for piece in self._source:
                shown = await self._guard.feed_async(piece)
                if self.verdict is not None:
                    await self._close_source()  # before the consumer shows the rest
                if shown:
                    yield shown
                if self.verdict is not None:
                    break
            else:
                if shown := await self._guard.finish_async():
                    yield shown
        finally:
            await self._close_source()
        if self._on_stop == "raise" and self.verdict is not None and self.verdict.stopped:
            raise StoppedByGuard(self.verdict)

    async def _close_source(self) -> None:
        close = getattr(self._source, "aclose", None) or getattr(self._source, "close", None)
        if callable(close) and inspect.isawaitable(closing := close()):
            await closing
