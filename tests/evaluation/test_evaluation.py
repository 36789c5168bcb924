import numpy as np
import pytest
from datasets import Dataset
from scipy.special import softmax
from sklearn.metrics import f1_score

from hf_lstm import LstmForSequenceClassification
from hf_lstm.evaluation.evaluation import confident_errors, evaluate_average, evaluate_logits, evaluate_split
from hf_lstm.inference import predict_texts
from hf_lstm.text import train_tokenizer


def config_of(tiny_config, names, problem_type):
    return tiny_config(
        id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}, problem_type=problem_type
    )


def test_evaluate_split_returns_the_metrics_of_its_predictions(tiny_config):
    model = LstmForSequenceClassification(config_of(tiny_config, ["neg", "pos"], "single_label_classification"))
    rows = Dataset.from_dict({"input_ids": [[5, 6], [7], [8, 9, 10], [11]], "labels": [0, 0, 0, 0]})
    _, logits = evaluate_split(model, rows)
    predicted = logits.argmax(1)
    rows = rows.remove_columns("labels").add_column("labels", [int(predicted[0]), *(1 - predicted[1:]).tolist()])
    metrics, again = evaluate_split(model, rows)
    assert metrics["accuracy"] == 0.25 and metrics["accuracy_interval"][0] <= 0.25 <= metrics["accuracy_interval"][1]
    labels = rows["labels"][:]
    probability = softmax(logits.astype(float), axis=1)[range(4), labels]
    assert metrics["log_loss"] == pytest.approx(-np.log(probability).mean(), rel=1e-5)
    np.testing.assert_array_equal(logits, again)


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
def test_one_text_has_no_interval(tiny_config, problem_type):
    config = tiny_config(problem_type=problem_type, num_labels=2)
    labels = np.array([1]) if problem_type.startswith("single") else np.array([[1.0, 0.0]])
    assert not any(name.endswith("interval") for name in evaluate_logits(np.array([[0.3, 0.1]]), labels, config))


def test_classification_has_a_calibration(tiny_config):
    config = tiny_config(problem_type="regression", num_labels=1)
    assert set(evaluate_logits(np.zeros((4, 1)), np.arange(4.0), config)) == {"mse", "mae", "r2", "mse_interval"}
    config = tiny_config(problem_type="single_label_classification")
    metrics = evaluate_logits(np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 1.5]]), np.array([0, 1, 0]), config)
    assert {"accuracy_interval", "log_loss", "calibration_error"} <= set(metrics)
    config = tiny_config(problem_type="multi_label_classification", num_labels=2)
    metrics = evaluate_logits(np.zeros((4, 2)), np.ones((4, 2)), config)
    assert metrics["log_loss"] == pytest.approx(np.log(2)) and metrics["calibration_error"] == 0.5


def test_average_of_models_with_different_label_orders_and_vocabularies(tiny_config):
    texts = ["good film", "bad book", "so so", "good book"]
    tokenizers = [train_tokenizer(texts * 2, kind, 300, show_progress=False) for kind in ("word", "bpe")]
    classifiers = []
    for names, tokenizer in zip((["neg", "pos"], ["pos", "neg"]), tokenizers, strict=True):
        config = config_of(tiny_config, names, "single_label_classification")
        config.vocab_size = 300
        classifiers.append((LstmForSequenceClassification(config), tokenizer))
    rows = Dataset.from_dict({"text": texts, "labels": [1, 0, 0, 1]})
    metrics, logits, _ = evaluate_average(classifiers, rows)
    first, second = (softmax(predict_texts(model, tokenizer, texts), axis=1) for model, tokenizer in classifiers)
    mean = (first + second[:, ::-1]) / 2
    np.testing.assert_allclose(softmax(logits, axis=1), mean, atol=1e-6)
    accuracies = [(part.argmax(1) == [1, 0, 0, 1]).mean() for part in (first, second[:, ::-1], mean)]
    assert [part["accuracy"] for part in metrics] == accuracies
    assert metrics[2]["log_loss"] == pytest.approx(-np.log(mean[range(4), rows["labels"][:]]).mean(), rel=1e-5)
    other = LstmForSequenceClassification(config_of(tiny_config, ["neg", "mixed"], "single_label_classification"))
    with pytest.raises(ValueError, match="A model has the labels neg, mixed .* not the same as neg, pos "):
        evaluate_average([classifiers[0], (other, tokenizers[0])], rows)


def test_multi_label_average_uses_the_mean_threshold_of_each_label(tiny_config):
    texts = ["good film", "bad book", "so so", "good book"]
    tokenizer = train_tokenizer(texts * 2, "word", 300, show_progress=False)
    classifiers = []
    for names, thresholds in ((["a", "b"], [0.2, 0.6]), (["b", "a"], [0.5, 0.4])):
        config = config_of(tiny_config, names, "multi_label_classification")
        config.threshold, config.vocab_size = thresholds, 300
        classifiers.append((LstmForSequenceClassification(config), tokenizer))
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 1]])
    metrics, _, config = evaluate_average(classifiers, Dataset.from_dict({"text": texts, "labels": labels.tolist()}))
    assert config.threshold == pytest.approx([0.3, 0.55])
    second = 1 / (1 + np.exp(-predict_texts(*classifiers[1], texts)[:, ::-1].astype(float)))
    expected = f1_score(labels, second >= [0.4, 0.5], average="macro", zero_division=0)
    assert metrics[1]["f1_macro"] == pytest.approx(expected)
    assert all(part["f1_macro_interval"][0] <= part["f1_macro"] <= part["f1_macro_interval"][1] for part in metrics)


def test_confident_errors_are_the_wrong_predictions_with_the_highest_scores(tiny_config, monkeypatch):
    class Model:
        config = tiny_config(id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})

    logits = np.log([[0.1, 0.9], [0.4, 0.6], [0.7, 0.3], [0.05, 0.95]])
    monkeypatch.setattr("hf_lstm.evaluation.evaluation.predict_texts", lambda *_: logits)
    accuracy, errors = confident_errors(Model, None, ["a", "b", "c", "d"], np.array([0, 0, 0, 1]), most=1)
    assert accuracy == 0.5
    assert errors == [{"text": "a", "label": "bad", "predicted": "good", "score": pytest.approx(0.9)}]
