import torch

from hf_lstm.evaluation.cost import describe_machine, folder_bytes, texts_per_second


def test_speed_is_measured_on_at_most_2000_texts(monkeypatch):
    times = iter([10.0, 12.0])
    scored = []
    monkeypatch.setattr(
        "hf_lstm.evaluation.cost.predict_texts", lambda model, tokenizer, texts: scored.append(len(texts))
    )
    monkeypatch.setattr("hf_lstm.evaluation.cost.time.perf_counter", lambda: next(times))
    assert texts_per_second(None, None, ["x"] * 3_000) == 1_000 and scored == [64, 2_000]


def test_folder_bytes_counts_files_but_not_subfolders(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"123")
    (tmp_path / "sub").mkdir()
    assert folder_bytes(tmp_path) == 8 and folder_bytes(tmp_path, leave_out=["a"]) == 3


def test_machine_description_names_versions():
    assert torch.__version__ in describe_machine() and "cores" in describe_machine()
