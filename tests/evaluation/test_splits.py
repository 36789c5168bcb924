import pytest
from datasets import Dataset, DatasetDict

from hf_lstm.data import Corpus
from hf_lstm.evaluation.splits import align_labels, choose_split


def corpus_of(names, problem_type, labels) -> Corpus:
    rows = Dataset.from_dict({"text": ["x"] * len(labels), "labels": labels})
    return Corpus(DatasetDict(test=rows), tuple(names), problem_type, ())


def config_of(tiny_config, names, problem_type):
    return tiny_config(
        id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}, problem_type=problem_type
    )


def test_class_ids_are_matched_by_label_name(tiny_config):
    corpus = corpus_of(["pos", "neg"], "single_label_classification", [0, 1, 1])
    config = config_of(tiny_config, ["neg", "neutral", "pos"], "single_label_classification")
    assert align_labels(corpus.splits["test"], corpus, config)["labels"][:] == [2, 0, 0]


def test_multi_label_indicators_are_matched_by_label_name(tiny_config):
    corpus = corpus_of(["b", "a"], "multi_label_classification", [[1.0, 0.0], [1.0, 1.0]])
    config = config_of(tiny_config, ["a", "b", "c"], "multi_label_classification")
    assert align_labels(corpus.splits["test"], corpus, config)["labels"][:] == [[0, 1, 0], [1, 1, 0]]


def test_unknown_label_and_other_problem_type_raise_an_error(tiny_config):
    config = config_of(tiny_config, ["neg", "pos"], "single_label_classification")
    corpus = corpus_of(["pos", "mixed"], "single_label_classification", [0, 1])
    with pytest.raises(ValueError, match="label 'mixed', which the model does not have.*neg, pos"):
        align_labels(corpus.splits["test"], corpus, config)
    corpus = corpus_of(["score"], "regression", [0.5, 1.5])
    with pytest.raises(ValueError, match="for regression, but the model was trained for single_label"):
        align_labels(corpus.splits["test"], corpus, config)


def test_default_split_is_test_or_all_rows_of_a_file(tmp_path):
    corpus = corpus_of(["a", "b"], "single_label_classification", [0, 1])
    corpus.splits["validation"] = Dataset.from_dict({"text": ["y"], "labels": [1]})
    (tmp_path / "rows.csv").touch()
    assert choose_split(corpus, None, None) == ("test", corpus.splits["test"])
    assert choose_split(corpus, "owner/name", "validation")[1]["text"][:] == ["y"]
    name, rows = choose_split(corpus, str(tmp_path / "rows.csv"), None)
    assert name == "all" and rows["text"][:] == ["x", "x", "y"]
    with pytest.raises(ValueError, match="no split 'dev'; choose one of: test, validation"):
        choose_split(corpus, None, "dev")
    del corpus.splits["test"]
    assert choose_split(corpus, None, None)[0] == "validation"
