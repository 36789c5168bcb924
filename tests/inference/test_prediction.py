import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, pipeline

from hf_lstm import LstmForSequenceClassification, LstmModel
from hf_lstm.data.batching import pad_batch
from hf_lstm.inference.files import open_writer, predict_file
from hf_lstm.inference.loading import fastest_device, load_model_and_tokenizer
from hf_lstm.inference.prediction import (
    average_logits,
    format_predictions,
    match_labels,
    predict_logits,
    predict_texts,
    probabilities,
)
from hf_lstm.text.tokenization import train_tokenizer

TEXTS = ["a good film", "a bad film", "not a good film at all", "not bad"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS * 3, kind="word", vocab_size=40, show_progress=False)


@pytest.fixture
def model(tiny_config):
    fields = {"id2label": {0: "neg", 1: "pos"}, "label2id": {"neg": 0, "pos": 1}}
    return LstmForSequenceClassification(tiny_config(**fields, problem_type="single_label_classification")).eval()


def test_pad_batch():
    batch = pad_batch([[5, 6, 7], [8]], pad_token_id=3)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 3, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("batch_tokens", [1, 20, 10_000])
def test_predict_logits_keeps_the_order_and_is_exact(model, batch_tokens):
    lengths = [3, 17, 1, 9, 9, 30, 2]
    rows = [torch.randint(4, 40, (length,)).tolist() for length in lengths]
    logits = predict_logits(model.train(), rows, batch_tokens=batch_tokens)
    with torch.no_grad():
        alone = torch.cat([model.eval()(torch.tensor([row])).logits for row in rows])
    np.testing.assert_allclose(logits, alone.numpy(), atol=1e-6)
    assert logits.dtype == np.float32


def test_predict_logits_keeps_to_the_token_budget(model):
    sizes = []
    record = lambda module, args, kwargs: sizes.append(kwargs["input_ids"].shape)  # noqa: E731
    model.model.register_forward_pre_hook(record, with_kwargs=True)
    predict_logits(model, [[4] * length for length in (5, 5, 5, 5, 50, 6)], batch_tokens=20)
    assert [tuple(size) for size in sizes] == [(4, 5), (1, 6), (1, 50)]


def test_predict_texts_takes_anything(model, tokenizer):
    texts = ["", "   ", "\x00", "\ud83d", "نص عربي", "字" * 500, "good"]
    assert np.isfinite(predict_texts(model, tokenizer, texts)).all()
    assert predict_texts(model, tokenizer, []).shape == (0, 2)


def test_average_of_logits_is_that_of_probabilities():
    logits = [np.log([[0.9, 0.1], [0.5, 0.5]]), np.log([[0.3, 0.7], [1.0, 1e-300]])]
    average = average_logits(logits, "single_label_classification")
    scores = probabilities(average, "single_label_classification")
    np.testing.assert_allclose(scores, [[0.6, 0.4], [0.75, 0.25]], atol=1e-6)
    logits = [np.array([[0.0, 1_000.0]]), np.array([[np.log(3), 1_000.0]])]
    average = average_logits(logits, "multi_label_classification")
    np.testing.assert_allclose(probabilities(average, "multi_label_classification"), [[0.625, 1.0]], atol=1e-6)
    assert average_logits([np.array([[1.0]]), np.array([[2.0]])], "regression").tolist() == [[1.5]]


def test_label_columns_follow_the_names(tiny_config):
    fields = {"id2label": {0: "b", 1: "c", 2: "a"}, "label2id": {"b": 0, "c": 1, "a": 2}}
    config = tiny_config(**fields, problem_type="multi_label_classification")
    columns = match_labels(config, ("a", "b", "c"), "multi_label_classification", "x")
    assert [("b", "c", "a")[column] for column in columns] == ["a", "b", "c"]
    for names, problem_type in (
        (("a", "b"), "multi_label_classification"),
        (("a", "b", "c", "d"), "multi_label_classification"),
        (("a", "b", "d"), "multi_label_classification"),
        (("a", "b", "c"), "single_label_classification"),
    ):
        with pytest.raises(ValueError, match=f"^x has the labels b, c, a .* not the same as {', '.join(names)}"):
            match_labels(config, names, problem_type, "x")


def test_score_to_regress_is_the_same_under_any_name(tiny_config):
    config = tiny_config(num_labels=1, problem_type="regression")
    assert match_labels(config, ("stars",), "regression", "x") == [0]
    with pytest.raises(ValueError, match="x has the labels"):
        match_labels(config, ("stars",), "single_label_classification", "x")


def test_describe_single_label(model):
    described = format_predictions(np.array([[0.0, np.log(3.0)], [0.0, -np.log(3.0)]]), model.config)
    assert [row["label"] for row in described] == ["pos", "neg"]
    assert [row["score"] for row in described] == pytest.approx([0.75, 0.75])


def test_describe_multi_label(tiny_config):
    names = {0: "joy", 1: "anger", 2: "fear"}
    config = tiny_config(
        id2label=names,
        label2id={name: i for i, name in names.items()},
        problem_type="multi_label_classification",
        threshold=0.25,
    )
    logit = [np.log(p / (1 - p)) for p in (0.3, 0.2, 0.901)]
    described = format_predictions(np.array([logit, [-9.0, -9.0, -9.0]]), config)
    assert described[0]["label"] == ["fear", "joy"] and described[0]["score"] == pytest.approx([0.901, 0.3])
    assert described[1] == {"label": [], "score": []}
    config.threshold = [0.35, 0.15, 0.9]
    assert format_predictions(np.array([logit]), config)[0]["label"] == ["fear", "anger"]


def test_describe_regression(tiny_config):
    config = tiny_config(num_labels=1, problem_type="regression")
    assert format_predictions(np.array([[2.5]]), config) == [{"score": 2.5}]


def test_load_classifier_round_trip(model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded, loaded_tokenizer = load_model_and_tokenizer(str(tmp_path))
    np.testing.assert_allclose(
        predict_texts(loaded, loaded_tokenizer, TEXTS), predict_texts(model, tokenizer, TEXTS), atol=1e-6
    )


def test_load_classifier_refuses_what_does_not_fit(model, tokenizer, tiny_config, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_model_and_tokenizer(str(tmp_path / "absent"))
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no folder runs/absent"):
        load_model_and_tokenizer("runs/absent")  # could be a name on the Hub, but there is a folder "runs"
    with pytest.raises(FileNotFoundError, match="no config.json"):
        load_model_and_tokenizer(str(tmp_path))

    bert = BertConfig(hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4, vocab_size=20)
    BertForSequenceClassification(bert).save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match="'bert' model, not one of hf_lstm"):
        load_model_and_tokenizer(str(tmp_path / "bert"))

    LstmModel(tiny_config()).save_pretrained(tmp_path / "headless")
    tokenizer.save_pretrained(tmp_path / "headless")
    with pytest.raises(ValueError, match=r"lacks classifier.bias, classifier.weight: fine-tune"):
        load_model_and_tokenizer(str(tmp_path / "headless"))

    LstmForSequenceClassification(tiny_config(vocab_size=len(tokenizer) - 1)).save_pretrained(tmp_path / "small")
    tokenizer.save_pretrained(tmp_path / "small")
    with pytest.raises(ValueError, match="do not belong together"):
        load_model_and_tokenizer(str(tmp_path / "small"))


def test_load_classifier_refuses_damaged_weights(model, tokenizer, tmp_path):
    def damaged(damage) -> str:
        model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        damage(tmp_path / "model.safetensors", tmp_path / "config.json")
        return str(tmp_path)

    def truncate(weights, config):
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])

    def scramble_header(weights, config):
        weights.write_bytes(b"\xff" * 64 + weights.read_bytes()[64:])

    def empty(weights, config):
        weights.write_bytes(b"")

    def scramble_values(weights, config):
        weights.write_bytes(weights.read_bytes()[:-64] + b"\xff" * 64)

    def widen_config(weights, config):
        config.write_text(config.read_text().replace(f'"hidden_size": {model.config.hidden_size}', '"hidden_size": 77'))

    for damage in (truncate, scramble_header, empty, scramble_values, widen_config):
        with pytest.raises(ValueError, match=r"^The weights of .* are damaged"):
            load_model_and_tokenizer(damaged(damage))


def test_load_classifier_refuses_pickled_weights_and_damaged_tokenizers(model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for damaged in ("{}", (tmp_path / "tokenizer.json").read_text()[:500], None):
        (tmp_path / "tokenizer.json").unlink() if damaged is None else (tmp_path / "tokenizer.json").write_text(damaged)
        with pytest.raises(ValueError, match=r"^The tokenizer of .* is damaged or missing \([^\n]*\)\.$"):
            load_model_and_tokenizer(str(tmp_path))
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        load_model_and_tokenizer(str(tmp_path))


def test_pipeline_in_batches_truncated_and_at_full_length(model, tokenizer):
    texts = [*TEXTS, "good " * 500, ""]
    expected = probabilities(predict_texts(model, tokenizer, texts), "single_label_classification")
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer)
    names = [model.config.id2label[i] for i in range(model.config.num_labels)]
    for batch_size in (1, 4):
        for scores, row in zip(classify(texts, batch_size=batch_size, top_k=None), expected, strict=True):
            by_name = {score["label"]: score["score"] for score in scores}
            np.testing.assert_allclose([by_name[name] for name in names], row, atol=1e-5)
    assert classify(texts[0])[0]["label"] == names[expected[0].argmax()]
    cut = classify(["good bad " * 9, "good bad"], truncation=True, max_length=3)
    assert cut[0]["score"] == pytest.approx(cut[1]["score"], abs=1e-6)


def test_pipeline_gives_independent_scores_of_several_labels(tiny_config, tokenizer):
    config = tiny_config(vocab_size=len(tokenizer), num_labels=3, problem_type="multi_label_classification")
    model = LstmForSequenceClassification(config).eval()
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
    logits = predict_texts(model, tokenizer, TEXTS)
    for scores, row in zip(classify(TEXTS, batch_size=3), 1 / (1 + np.exp(-logits)), strict=True):
        by_name = {score["label"]: score["score"] for score in scores}
        np.testing.assert_allclose([by_name[f"LABEL_{i}"] for i in range(3)], row, atol=1e-5)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_predict_file_adds_columns_and_counts_missing_texts(model, tokenizer, tmp_path, suffix):
    source, target = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    rows = [{"id": i, "text": text} for i, text in enumerate([*TEXTS, None, ""])]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert predict_file(model, tokenizer, str(source), str(target)) == (6, 1)

    if suffix == "jsonl":
        written = [json.loads(line) for line in target.read_text().splitlines()]
    elif suffix == "parquet":
        written = pq.read_table(target).to_pylist()
    else:
        with open(target, newline="") as stream:
            written = list(csv.DictReader(stream, delimiter="\t" if suffix == "tsv" else ","))
    assert [int(row["id"]) for row in written] == list(range(6))
    assert written[4]["predicted_label"] in (None, "")
    expected = format_predictions(predict_texts(model, tokenizer, [*TEXTS, ""]), model.config)
    for row, prediction in zip(written[:4] + written[5:], expected, strict=True):
        assert row["predicted_label"] == prediction["label"]
        assert float(row["predicted_score"]) == pytest.approx(prediction["score"], abs=1e-6)


def test_predict_file_keeps_its_input(model, tokenizer, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_text("text\ngood\n")
    with pytest.raises(ValueError, match="is the input itself"):
        predict_file(model, tokenizer, str(source), str(tmp_path / "." / "rows.csv"))
    assert source.read_text() == "text\ngood\n"


def test_predict_file_leaves_nothing_half_written(model, tokenizer, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.csv"
    target.write_text("kept")
    source.write_text('{"text": "fine"}\n{"text": 5}\n')
    with pytest.raises(ValueError, match="in.jsonl"):
        predict_file(model, tokenizer, str(source), str(target))
    assert target.read_text() == "kept" and sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.csv"]


def test_writer_refuses_an_unknown_ending(tmp_path):
    with pytest.raises(ValueError, match="should end in .csv"), open_writer(str(tmp_path / "out.xlsx")):
        pass


@pytest.mark.parametrize("accelerator", [None, torch.device("cuda")])
def test_fastest_device_is_the_accelerator_that_is_there(monkeypatch, accelerator):
    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda check_available: check_available and accelerator
    )
    assert fastest_device() == (accelerator or torch.device("cpu"))
