import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import Full

import numpy as np
import pytest
import torch
from guarding.guarded import expected_verdict, random_pieces, random_text, same, tiny_classifier

from hf_lstm.guarding.scheduler import Read, StreamScheduler, read_many
from hf_lstm.guarding.streams import guard
from hf_lstm.inference.stream_state import StopRule, StreamState

# Length of the soak test; the long one takes 120 seconds.
SECONDS = float(os.environ.get("HF_LSTM_SOAK_SECONDS", "4"))
CLASSIFIER = tiny_classifier(StopRule("LABEL_1", 0.45, 2))


def read_all(scheduler: StreamScheduler, pieces: list[str]) -> dict[str, float]:
    state = CLASSIFIER.start()
    for piece in pieces:
        _, state = scheduler.read(Read(state, piece))
    return scheduler.read(Read(state, "", at_end=True))[0].scores


def test_threads_get_the_results_of_their_own_streams():
    rng = np.random.default_rng(0)
    texts = [f"{random_text(rng, 12)} {'bad ' * (i % 5)}" for i in range(40)]
    pieces = [random_pieces(rng, text) for text in texts]
    with StreamScheduler(CLASSIFIER) as scheduler, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda own: read_all(scheduler, own), pieces))
    for text, scores in zip(texts, found, strict=True):
        expected = CLASSIFIER.finish(CLASSIFIER.feed(CLASSIFIER.start(), text)[1]).scores
        assert scores == pytest.approx(expected, abs=1e-5)


def test_pieces_that_arrive_together_are_one_batch(monkeypatch):
    sizes = []

    def record(classifier, requests):
        sizes.append(len(requests))
        return read_many(classifier, requests)

    monkeypatch.setattr("hf_lstm.guarding.scheduler.read_many", record)
    with StreamScheduler(CLASSIFIER, wait=0.1) as scheduler:
        futures = [scheduler.submit(Read(CLASSIFIER.start(), f"a film {i} ")) for i in range(50)]
    assert sizes == [50]
    assert [future.result()[1].position for future in futures] == [9] * 10 + [10] * 40
    assert all(len(future.result()[0].token_scores) == 3 for future in futures)


def test_a_failure_is_that_of_its_own_stream():
    start = CLASSIFIER.start()
    foreign = replace(start, fingerprint="other")
    broken = replace(start, memory=start.memory | {"h": torch.zeros(9, 5)})
    with StreamScheduler(CLASSIFIER, wait=0.05) as scheduler:
        states = [start, foreign, start, broken, *[start] * 9]
        futures = [scheduler.submit(Read(state, "a film that ")) for state in states]
        for i, future in enumerate(futures):
            if i in (1, 3):
                with pytest.raises(ValueError, match="another model"):
                    future.result()
            else:
                assert future.result()[1].num_tokens == 4
        for request in (Read(start, None), Read("state", "a film")):
            with pytest.raises(TypeError, match="Expected a StreamState and a piece"):
                scheduler.submit(request)
        assert scheduler.read(Read(start, b"a film "))[1].num_tokens == 3


def slow_scheduler(monkeypatch, **limits):
    """A scheduler that reads nothing until the event is set."""
    ready = threading.Event()

    def wait(classifier, requests):
        ready.wait(10)
        return read_many(classifier, requests)

    monkeypatch.setattr("hf_lstm.guarding.scheduler.read_many", wait)
    return StreamScheduler(CLASSIFIER, wait=0, **limits), ready


@pytest.mark.parametrize("limits", [{"max_pieces": 3}, {"max_characters": 40}])
def test_callers_wait_when_too_much_is_pending(monkeypatch, limits):
    scheduler, ready = slow_scheduler(monkeypatch, **limits)
    request = Read(CLASSIFIER.start(), "a film that  ")  # 13 characters
    futures = [scheduler.submit(request) for _ in range(3)]
    with pytest.raises(Full):
        scheduler.submit(request, block=False)
    late = threading.Thread(target=lambda: futures.append(scheduler.submit(request)))
    late.start()
    late.join(0.1)
    assert late.is_alive() and len(futures) == 3

    async def wait_without_blocking():
        waiting = asyncio.create_task(scheduler.read_async(request))
        await asyncio.sleep(0.05)  # the loop runs
        assert not waiting.done()
        ready.set()
        return await waiting

    assert asyncio.run(wait_without_blocking())[1].num_tokens == 4
    late.join()
    assert all(future.result()[1].num_tokens == 4 for future in futures)
    assert scheduler.read(Read(CLASSIFIER.start(), "a film " * 100))[1].num_tokens == 201  # alone, any length
    scheduler.close()


def test_cancelled_pieces_are_dropped_and_the_others_are_read(monkeypatch):
    scheduler, ready = slow_scheduler(monkeypatch)
    first = scheduler.submit(Read(CLASSIFIER.start(), "a "))
    time.sleep(0.05)
    dropped, kept = (scheduler.submit(Read(CLASSIFIER.start(), "a film ")) for _ in range(2))
    assert dropped.cancel()
    ready.set()
    assert first.result()[1].num_tokens == 2 and kept.result()[1].num_tokens == 3
    scheduler.close()
    assert scheduler._pieces == scheduler._characters == 0
    with pytest.raises(RuntimeError, match="closed"):
        scheduler.submit(Read(CLASSIFIER.start(), "a "))


def test_closing_reads_what_is_pending():
    scheduler = StreamScheduler(CLASSIFIER, wait=0.05)
    future = scheduler.submit(Read(CLASSIFIER.start(), "a film "))
    scheduler.close()
    assert future.result()[1].num_tokens == 3 and not scheduler._worker.is_alive()


@pytest.mark.parametrize("limits", [{"wait": -1}, {"max_pieces": 0}, {"max_characters": 0}])
def test_limits_with_which_nothing_could_be_read_are_refused(limits):
    with pytest.raises(ValueError, match="`wait` must be at least 0, and `max_pieces` and `max_characters`"):
        StreamScheduler(CLASSIFIER, **limits)


def resident_megabytes() -> float:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads memory from /proc")
def test_soak():
    """Streams join, leave and fail at random; no verdict is lost or swapped, and the memory does not grow."""
    rng = np.random.default_rng(0)
    texts = [random_text(rng, int(rng.integers(1, 30))) for _ in range(200)]
    expected = [expected_verdict(CLASSIFIER, text) for text in texts]
    counts = dict.fromkeys(("finished", "left", "failed"), 0)
    memory = []

    async def stream(text, fails):
        for piece in random_pieces(rng, text):
            await asyncio.sleep(float(rng.random()) * 0.02)
            yield piece
        if fails:
            raise ConnectionError

    async def one(scheduler, deadline):
        while time.monotonic() < deadline:
            number, fate = int(rng.integers(len(texts))), rng.random()
            shown = guard(stream(texts[number], fate < 0.1), CLASSIFIER, scheduler=scheduler)
            text = ""
            try:
                async for piece in shown:
                    text += piece
                    if fate > 0.9:
                        break
                else:
                    counts["finished"] += 1
                    assert same(shown.verdict, expected[number]), number
                    assert text == texts[number][: expected[number].start]
                counts["left"] += fate > 0.9
            except ConnectionError:
                counts["failed"] += 1
            finally:
                await shown.aclose()
            if fate < 0.05:  # a state that belongs to no model, beside the others
                with pytest.raises(ValueError):
                    await scheduler.read_async(Read(StreamState("x", CLASSIFIER.start().memory), "a "))

    async def watch(deadline):
        while time.monotonic() < deadline:
            await asyncio.sleep(SECONDS / 20)
            memory.append(resident_megabytes())

    async def run():
        with StreamScheduler(CLASSIFIER, max_pieces=256) as scheduler:
            deadline = time.monotonic() + SECONDS
            await asyncio.gather(watch(deadline), *(one(scheduler, deadline) for _ in range(1_000)))

    asyncio.run(run())
    print(f"{counts}; resident memory {memory[len(memory) // 4]:.0f} to {memory[-1]:.0f} MB")
    assert min(counts.values()) > 0
    assert memory[-1] < memory[len(memory) // 4] * 1.1 + 5
