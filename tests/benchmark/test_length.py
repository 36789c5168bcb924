import pytest

from hf_lstm.benchmark.contestants import default_classifier
from hf_lstm.benchmark.length import STATUS, STREAMING, measure_length, peak_megabytes, read_at_once, stream_reader

linux_only = pytest.mark.skipif(not STATUS.exists(), reason="reads memory from /proc")


@pytest.mark.slow
@linux_only
def test_every_way_of_reading_is_measured(setting):
    rows = measure_length(setting)
    ways = ("one direction", "bidirectional", STREAMING)
    measured = [f"{way}, 1,000 tokens, {what}" for way in ways for what in ("time", "memory")]
    assert [row.name for row in rows] == [*measured, "MiniLM-shaped, cut at 512 tokens, time"]
    assert [row.ratio for row in rows] == [1, None] * 3 + [None]


def test_readers_return_the_tokens_that_they_read():
    fields = {"bidirectional": False, "problem_type": "single_label_classification"}
    model = default_classifier(30_000, **fields)
    assert read_at_once(model, 7) == 7
    stream = stream_reader(model)
    assert 800 < stream(1_000) <= 1_000  # whole pieces of 100 words
    assert stream(1) == 0


@linux_only
def test_peak_memory_is_that_of_this_process():
    before = peak_megabytes()
    block = bytearray(int((before + 64) * 2**20))
    assert peak_megabytes() >= before + 64
    del block
