import pytest

from hf_lstm.benchmark.scoring import measure_latency, measure_scoring, measure_tokenizing


def test_scoring_is_compared_with_a_transformer(setting):
    rows = {row.name: row for row in measure_scoring(setting)}
    models = ("hf_lstm 128", "hf_lstm 128, one direction", "hf_lstm 128, bf16")
    ways = [f"{model}, {way}" for model in models for way in ("pipeline", "predict_texts")]
    reference = "MiniLM-shaped, pipeline"
    of_extras = {"MiniLM-shaped, onnxruntime int8", "model2vec + LR", "fastText"}
    assert {*ways, reference, "TF-IDF + LR"} <= set(rows) <= {*ways, reference, "TF-IDF + LR", *of_extras}
    for row in rows.values():
        assert row.reference == reference and row.ratio == pytest.approx(row.value / rows[reference].value)


def test_latency_ratio_is_the_inverse_of_the_time(setting):
    rows = {row.name: row for row in measure_latency(setting)}
    reference = rows["8 tokens, MiniLM-shaped, p50"]
    assert reference.ratio == 1
    for name in ("hf_lstm 128", "hf_lstm 128, one direction"):
        row = rows[f"8 tokens, {name}, p50"]
        assert row.ratio == pytest.approx(reference.value / row.value)
        assert rows[f"8 tokens, {name}, p95"].value == pytest.approx(row.value)  # of a single run


def test_each_kind_of_tokenizer_is_measured(setting):
    rows = measure_tokenizing(setting)
    assert [row.name for row in rows[:-1]] == [f"{kind} tokenizer" for kind in ("word", "bpe", "wordpiece", "unigram")]
    assert rows[-1].unit == "%"
