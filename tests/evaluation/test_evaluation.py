import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from scipy.special import softmax
from sklearn.metrics import f1_score

from hf_lstm import LstmForSequenceClassification
from hf_lstm.data.corpus import Corpus
from hf_lstm.evaluation.evaluation import align_labels, choose_split, evaluate_average, evaluate_split
from hf_lstm.inference.prediction import predict_texts
from hf_lstm.text.tokenization import train_tokenizer


def corpus_of(names, problem_type, labels) -> Corpus:
    rows = Dataset.from_dict({"text": ["x"] * len(labels), "labels": labels})
    return Corpus(DatasetDict(test=rows), tuple(names), problem_type, ())


def config_of(tiny_config, names, problem_type):
    return tiny_config(
        id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}, problem_type=problem_type
    )


def test_class_ids_are_matched_by_name(tiny_config):
    corpus = corpus_of(["pos", "neg"], "single_label_classification", [0, 1, 1])
    config = config_of(tiny_config, ["neg", "neutral", "pos"], "single_label_classification")
    assert align_labels(corpus.splits["test"], corpus, config)["labels"][:] == [2, 0, 0]


def test_label_vectors_are_matched_by_name(tiny_config):
    corpus = corpus_of(["b", "a"], "multi_label_classification", [[1.0, 0.0], [1.0, 1.0]])
    config = config_of(tiny_config, ["a", "b", "c"], "multi_label_classification")
    assert align_labels(corpus.splits["test"], corpus, config)["labels"][:] == [[0, 1, 0], [1, 1, 0]]


def test_unknown_label_and_other_target_are_refused(tiny_config):
    config = config_of(tiny_config, ["neg", "pos"], "single_label_classification")
    corpus = corpus_of(["pos", "mixed"], "single_label_classification", [0, 1])
    with pytest.raises(ValueError, match="does not know the label 'mixed'.*neg, pos"):
        align_labels(corpus.splits["test"], corpus, config)
    corpus = corpus_of(["score"], "regression", [0.5, 1.5])
    with pytest.raises(ValueError, match="for regression, but the model was trained for single_label"):
        align_labels(corpus.splits["test"], corpus, config)


def test_split_is_the_test_or_all_of_a_file(tmp_path):
    corpus = corpus_of(["a", "b"], "single_label_classification", [0, 1])
    corpus.splits["validation"] = Dataset.from_dict({"text": ["y"], "labels": [1]})
    (tmp_path / "rows.csv").touch()
    assert choose_split(corpus, None, None) == ("test", corpus.splits["test"])
    assert choose_split(corpus, "owner/name", "validation")[1]["text"][:] == ["y"]
    name, rows = choose_split(corpus, str(tmp_path / "rows.csv"), None)
    assert name == "all" and rows["text"][:] == ["x", "x", "y"]
    with pytest.raises(ValueError, match="no split 'dev'; there are test, validation"):
        choose_split(corpus, None, "dev")
    del corpus.splits["test"]
    assert choose_split(corpus, None, None)[0] == "validation"


def test_evaluate_split_measures_the_predictions(tiny_config):
    model = LstmForSequenceClassification(config_of(tiny_config, ["neg", "pos"], "single_label_classification"))
    rows = Dataset.from_dict({"input_ids": [[5, 6], [7], [8, 9, 10], [11]], "labels": [0, 0, 0, 0]})
    _, logits = evaluate_split(model, rows)
    predicted = logits.argmax(1)
    rows = rows.remove_columns("labels").add_column("labels", [int(predicted[0]), *(1 - predicted[1:]).tolist()])
    figures, again = evaluate_split(model, rows)
    assert figures["accuracy"] == 0.25 and figures["accuracy_interval"][0] <= 0.25 <= figures["accuracy_interval"][1]
    labels = rows["labels"][:]
    said = softmax(logits.astype(float), axis=1)[range(4), labels]
    assert figures["log_loss"] == pytest.approx(-np.log(said).mean(), rel=1e-5)
    np.testing.assert_array_equal(logits, again)


def test_average_of_models_with_labels_and_vocabularies_of_their_own(tiny_config):
    texts = ["good film", "bad book", "so so", "good book"]
    tokenizers = [train_tokenizer(texts * 2, kind, 300, show_progress=False) for kind in ("word", "bpe")]
    classifiers = []
    for names, tokenizer in zip((["neg", "pos"], ["pos", "neg"]), tokenizers, strict=True):
        config = config_of(tiny_config, names, "single_label_classification")
        config.vocab_size = 300
        classifiers.append((LstmForSequenceClassification(config), tokenizer))
    rows = Dataset.from_dict({"text": texts, "labels": [1, 0, 0, 1]})
    figures, logits, _ = evaluate_average(classifiers, rows)
    first, second = (softmax(predict_texts(model, tokenizer, texts), axis=1) for model, tokenizer in classifiers)
    mean = (first + second[:, ::-1]) / 2
    np.testing.assert_allclose(softmax(logits, axis=1), mean, atol=1e-6)
    right = [(part.argmax(1) == [1, 0, 0, 1]).mean() for part in (first, second[:, ::-1], mean)]
    assert [part["accuracy"] for part in figures] == right
    assert figures[2]["log_loss"] == pytest.approx(-np.log(mean[range(4), rows["labels"][:]]).mean(), rel=1e-5)
    other = LstmForSequenceClassification(config_of(tiny_config, ["neg", "mixed"], "single_label_classification"))
    with pytest.raises(ValueError, match="A model has the labels neg, mixed .* not the same as neg, pos "):
        evaluate_average([classifiers[0], (other, tokenizers[0])], rows)


def test_average_of_several_labels_a_text_has_the_mean_of_the_thresholds_of_each_label(tiny_config):
    texts = ["good film", "bad book", "so so", "good book"]
    tokenizer = train_tokenizer(texts * 2, "word", 300, show_progress=False)
    classifiers = []
    for names, thresholds in ((["a", "b"], [0.2, 0.6]), (["b", "a"], [0.5, 0.4])):
        config = config_of(tiny_config, names, "multi_label_classification")
        config.threshold, config.vocab_size = thresholds, 300
        classifiers.append((LstmForSequenceClassification(config), tokenizer))
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 1]])
    figures, _, config = evaluate_average(classifiers, Dataset.from_dict({"text": texts, "labels": labels.tolist()}))
    assert config.threshold == pytest.approx([0.3, 0.55])
    second = 1 / (1 + np.exp(-predict_texts(*classifiers[1], texts)[:, ::-1].astype(float)))
    expected = f1_score(labels, second >= [0.4, 0.5], average="macro", zero_division=0)
    assert figures[1]["f1_macro"] == pytest.approx(expected)
    assert all(part["f1_macro_interval"][0] <= part["f1_macro"] <= part["f1_macro_interval"][1] for part in figures)
