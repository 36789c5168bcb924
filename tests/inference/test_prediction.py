import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from transformers import pipeline

from hf_lstm import LstmForSequenceClassification
from hf_lstm.inference.prediction import (
    average_logits,
    format_predictions,
    match_labels,
    predict_logits,
    predict_texts,
    probabilities,
)

TEXTS = ["a good film", "a bad film", "not a good film at all", "not bad"]


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


def test_predict_texts_accepts_any_string(model, tokenizer):
    texts = ["", "   ", "\x00", "\ud83d", "نص عربي", "字" * 500, "good"]
    assert np.isfinite(predict_texts(model, tokenizer, texts)).all()
    assert predict_texts(model, tokenizer, []).shape == (0, 2)


@pytest.mark.parametrize(
    "texts",
    [tuple(TEXTS), pd.Series(TEXTS, index=[3, 3, 1, 0]), np.array(TEXTS), Dataset.from_dict({"text": TEXTS})["text"]],
    ids=lambda texts: type(texts).__name__,
)
def test_predict_texts_accepts_any_column(model, tokenizer, texts):
    np.testing.assert_array_equal(predict_texts(model, tokenizer, texts), predict_texts(model, tokenizer, TEXTS))


def test_predict_texts_refuses_a_single_string_and_other_items(model, tokenizer):
    with pytest.raises(TypeError, match="got a single string"):
        predict_texts(model, tokenizer, "a good film")
    with pytest.raises(TypeError, match=r"texts\[1\] is None"):
        predict_texts(model, tokenizer, ["a", None])


def test_average_logits_averages_probabilities():
    logits = [np.log([[0.9, 0.1], [0.5, 0.5]]), np.log([[0.3, 0.7], [1.0, 1e-300]])]
    average = average_logits(logits, "single_label_classification")
    scores = probabilities(average, "single_label_classification")
    np.testing.assert_allclose(scores, [[0.6, 0.4], [0.75, 0.25]], atol=1e-6)
    logits = [np.array([[0.0, 1_000.0]]), np.array([[np.log(3), 1_000.0]])]
    average = average_logits(logits, "multi_label_classification")
    np.testing.assert_allclose(probabilities(average, "multi_label_classification"), [[0.625, 1.0]], atol=1e-6)
    assert average_logits([np.array([[1.0]]), np.array([[2.0]])], "regression").tolist() == [[1.5]]


def test_match_labels_follows_the_names(tiny_config):
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


def test_the_name_of_a_score_does_not_matter(tiny_config):
    config = tiny_config(num_labels=1, problem_type="regression")
    assert match_labels(config, ("stars",), "regression", "x") == [0]
    with pytest.raises(ValueError, match="x has the labels"):
        match_labels(config, ("stars",), "single_label_classification", "x")


def test_format_predictions_single_label(model):
    predictions = format_predictions(np.array([[0.0, np.log(3.0)], [0.0, -np.log(3.0)]]), model.config)
    assert [row["label"] for row in predictions] == ["pos", "neg"]
    assert [row["score"] for row in predictions] == pytest.approx([0.75, 0.75])


def test_labels_below_their_threshold_are_not_predicted(tiny_config):
    config = tiny_config(problem_type="single_label_classification", num_labels=2, threshold=[0.7, 1.0])
    logits = np.array([[np.log(3.0), 0.0], [np.log(2.0), 0.0], [0.0, 99.0]])
    predictions = format_predictions(logits, config)
    assert [row["label"] for row in predictions] == ["LABEL_0", None, None]  # 1 is never reached, not even by 1.0
    assert [row["score"] for row in predictions] == pytest.approx([3 / 4, 2 / 3, 1])
    config.threshold = 0.9  # a number has no effect on a single label
    assert [row["label"] for row in format_predictions(logits, config)] == ["LABEL_0", "LABEL_0", "LABEL_1"]
    config = tiny_config(problem_type="multi_label_classification", num_labels=2, threshold=[0.7, 1.0])
    assert [row["label"] for row in format_predictions(logits, config)] == [["LABEL_0"], [], []]


def test_format_predictions_multi_label(tiny_config):
    names = {0: "joy", 1: "anger", 2: "fear"}
    config = tiny_config(
        id2label=names,
        label2id={name: i for i, name in names.items()},
        problem_type="multi_label_classification",
        threshold=0.25,
    )
    logit = [np.log(p / (1 - p)) for p in (0.3, 0.2, 0.901)]
    predictions = format_predictions(np.array([logit, [-9.0, -9.0, -9.0]]), config)
    assert predictions[0]["label"] == ["fear", "joy"] and predictions[0]["score"] == pytest.approx([0.901, 0.3])
    assert predictions[1] == {"label": [], "score": []}
    config.threshold = [0.35, 0.15, 0.9]
    assert format_predictions(np.array([logit]), config)[0]["label"] == ["fear", "anger"]


def test_format_predictions_regression(tiny_config):
    config = tiny_config(num_labels=1, problem_type="regression")
    assert format_predictions(np.array([[2.5]]), config) == [{"score": 2.5}]


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


def test_pipeline_gives_independent_scores_for_a_multi_label_model(tiny_config, tokenizer):
    config = tiny_config(vocab_size=len(tokenizer), num_labels=3, problem_type="multi_label_classification")
    model = LstmForSequenceClassification(config).eval()
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
    logits = predict_texts(model, tokenizer, TEXTS)
    for scores, row in zip(classify(TEXTS, batch_size=3), 1 / (1 + np.exp(-logits)), strict=True):
        by_name = {score["label"]: score["score"] for score in scores}
        np.testing.assert_allclose([by_name[f"LABEL_{i}"] for i in range(3)], row, atol=1e-5)
