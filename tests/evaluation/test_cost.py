import pytest
import torch

from hf_lstm.evaluation.cost import (
    TIMED_CALLS,
    WARM_UP_CALLS,
    describe_machine,
    folder_bytes,
    latency_ms,
    texts_per_second,
)


def test_speed_is_measured_on_at_most_2000_texts(monkeypatch):
    times = iter([10.0, 12.0])
    scored = []
    monkeypatch.setattr(
        "hf_lstm.evaluation.cost.predict_texts", lambda model, tokenizer, texts: scored.append(len(texts))
    )
    monkeypatch.setattr("hf_lstm.evaluation.cost.time.perf_counter", lambda: next(times))
    assert texts_per_second(None, None, ["x"] * 3_000) == 1_000 and scored == [64, 2_000]


def test_latency_is_the_median_on_one_thread_without_the_first_calls(monkeypatch):
    # The first calls take a second each, the others 1, 2, 3, ... milliseconds.
    durations = [1.0] * WARM_UP_CALLS + [(call + 1) / 1_000 for call in range(TIMED_CALLS)]
    clock, threads = [0.0], []

    def predict(model, tokenizer, texts):
        threads.append(torch.get_num_threads())
        clock[0] += durations[len(threads) - 1]

    before = torch.get_num_threads()
    monkeypatch.setattr("hf_lstm.evaluation.cost.predict_texts", predict)
    monkeypatch.setattr("hf_lstm.evaluation.cost.time.perf_counter", lambda: clock[0])
    assert latency_ms(None, None, "a text") == pytest.approx((TIMED_CALLS + 1) / 2)
    assert set(threads) == {1} and torch.get_num_threads() == before


def test_folder_bytes_counts_files_but_not_subfolders(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"123")
    (tmp_path / "sub").mkdir()
    assert folder_bytes(tmp_path) == 8 and folder_bytes(tmp_path, leave_out=["a"]) == 3


def test_machine_description_names_versions(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert torch.__version__ in describe_machine() and "core" in describe_machine()
    assert ", 1 thread" in describe_machine() and "1 threads" not in describe_machine()
