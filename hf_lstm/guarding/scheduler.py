"""Read the pieces of many concurrent streams in common batches, from any thread or event loop."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Full
from typing import NamedTuple

from ..inference import StreamingClassifier, StreamResult, StreamState

# Streams in one batch. More would not be faster, and each has to wait for all.
BATCH = 512

Outcome = tuple[StreamResult, StreamState]


class Read(NamedTuple):
    """
    The next piece of a text, to be read by a classifier.

    Args:
        state: State of the text before the piece.
        piece: The piece; bytes are UTF-8.
        at_end: Whether the text ends with this piece.
    """

    state: StreamState
    piece: str | bytes
    at_end: bool = False


def read_many(classifier: StreamingClassifier, requests: Sequence[Read]) -> list[Outcome]:
    """Read the pieces of several texts in one batch, with the scores after each token; see `feed_many`."""
    states, pieces, ended = zip(*requests, strict=True)
    return classifier.feed_many(states, pieces, each_token=True, ended=ended)


class StreamScheduler:
    """
    One thread that reads the pieces of all streams that arrive within a millisecond in one batch.

    All methods can be called from any thread. A stream is the chain of its states, so that the results of streams
    cannot be mixed up: give the state of an outcome with the next piece. If a piece or state is invalid, only its own
    call fails. Use it as a context manager, or call [`StreamScheduler.close`] at the end.

    Args:
        classifier: Classifier that reads all streams.
        wait: Seconds that the first piece of a batch waits for others. A longer time makes larger batches; 0 reads what
            has arrived while the batch before was read, which suits few streams.
        max_pieces: Number of pieces that may wait or be read. Further callers wait.
        max_characters: Characters in them. A longer single piece is accepted when nothing else waits.

    Raises:
        ValueError: A number is too small.
    """

    def __init__(
        self,
        classifier: StreamingClassifier,
        wait: float = 0.001,
        max_pieces: int = 4_096,
        max_characters: int = 4_000_000,
    ):
        # With such values, the thread would end or never have room, and every caller would wait for ever.
        if wait < 0 or max_pieces < 1 or max_characters < 1:
            raise ValueError(
                "`wait` must be at least 0, and `max_pieces` and `max_characters` at least 1, got "
                f"{wait}, {max_pieces} and {max_characters}."
            )
        self.classifier = classifier
        self._wait, self._max_pieces, self._max_characters = wait, max_pieces, max_characters
        self._changed = threading.Condition()
        self._queue: deque[tuple[Read, Future[Outcome]]] = deque()
        self._pieces = self._characters = 0  # waiting or being read
        self._closed = False
        # Submits for event loops, in order, while there is no room.
        self._waiting = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hf_lstm-waiting")
        self._worker = threading.Thread(target=self._work, name="hf_lstm-scheduler", daemon=True)
        self._worker.start()

    def submit(self, request: Read, block: bool = True) -> "Future[Outcome]":
        """
        Hand in a piece, and wait while too many others are pending.

        Args:
            request: State, piece, and whether the text ends.
            block: Wait for room, or raise an error if there is none.

        Returns:
            A future with the result, which has the scores after each token, and the next state. Cancelling it before
            it is read drops the piece.

        Raises:
            TypeError: The state or the piece is of a wrong type.
            RuntimeError: The scheduler is closed.
            queue.Full: There is no room, and `block` is `False`.
        """
        if not isinstance(request.state, StreamState) or not isinstance(request.piece, str | bytes):
            kinds = f"{type(request.state).__name__} and {type(request.piece).__name__}"
            raise TypeError(f"Expected a StreamState and a piece of text (str or bytes), got {kinds}.")
        size = len(request.piece)
        with self._changed:
            while not self._closed and self._is_full(size):
                if not block:
                    raise Full
                self._changed.wait()
            if self._closed:
                raise RuntimeError("The scheduler is closed; start a new one.")
            future: Future[Outcome] = Future()
            self._queue.append((request, future))
            self._pieces, self._characters = self._pieces + 1, self._characters + size
            self._changed.notify_all()
        return future

    def read(self, request: Read) -> Outcome:
        """Hand in a piece as [`StreamScheduler.submit`], and wait for its outcome."""
        return self.submit(request).result()

    async def read_async(self, request: Read) -> Outcome:
        """Do the same as [`StreamScheduler.read`] without blocking the event loop."""
        try:
            future = self.submit(request, block=False)
        except Full:
            future = await asyncio.get_running_loop().run_in_executor(self._waiting, self.submit, request)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Read what was handed in, and end the thread. Callers that wait for room get a `RuntimeError`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._worker.join()
        self._waiting.shutdown()

    def __enter__(self) -> "StreamScheduler":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _is_full(self, size: int) -> bool:
        too_long = self._characters > 0 and self._characters + size > self._max_characters
        return self._pieces >= self._max_pieces or too_long

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
            time.sleep(self._wait)
            with self._changed:
                taken = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._read([pair for pair in taken if pair[1].set_running_or_notify_cancel()])
            with self._changed:
                self._pieces -= len(taken)
                self._characters -= sum(len(request.piece) for request, _ in taken)
                self._changed.notify_all()

    def _read(self, batch: list[tuple[Read, "Future[Outcome]"]]) -> None:
        """Set the outcomes of a batch. If it fails, its halves are read, until the failing piece is alone."""
        if not batch:
            return
        try:
            outcomes = read_many(self.classifier, [request for request, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            self._read(batch[: len(batch) // 2])
            self._read(batch[len(batch) // 2 :])
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            future.set_result(outcome)
