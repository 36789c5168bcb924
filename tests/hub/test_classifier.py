import numpy as np
import pytest
from helpers import tiny_corpus

from hf_lstm import TrainedClassifier, load_classifier, train_classifier

OPTIONS = {"num_train_epochs": 2, "hidden_size": 8, "embedding_size": 8, "baseline": False, "bf16": False}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> TrainedClassifier:
    return train_classifier(tiny_corpus().splits["train"], output_dir=tmp_path_factory.mktemp("run"), **OPTIONS)


def test_loaded_classifier_is_the_trained_one(trained):
    loaded = load_classifier(trained.folder)
    assert loaded.folder == trained.folder and loaded.metrics.keys() == trained.metrics.keys()
    assert loaded.metrics["test"]["accuracy"] == trained.metrics["test"]["accuracy"]
    assert "Embedding" not in repr(loaded) and str(trained.folder) in repr(loaded)
    texts = ["a good film", "bad", ""]
    for one, other in zip(trained.predict(texts), loaded.predict(texts), strict=True):
        assert one["label"] == other["label"] and one["score"] == pytest.approx(other["score"], abs=1e-6)


def test_predictions_are_those_of_the_pipeline(trained):
    texts = ["a good film", "bad", "", "the plot " * 50]
    expected = trained.pipeline(batch_size=2)(texts)
    for one, other in zip(trained.predict(np.array(texts)), expected, strict=True):
        assert one["label"] == other["label"] and one["score"] == pytest.approx(other["score"], abs=1e-5)
    (scores,) = trained.pipeline(top_k=None)(["a film"])
    assert len(scores) == 2


def test_folder_without_records_has_no_metrics(trained, tmp_path):
    trained.model.save_pretrained(tmp_path)
    trained.tokenizer.save_pretrained(tmp_path)
    assert load_classifier(str(tmp_path)).metrics == {}


def test_push_sends_the_folder(trained, monkeypatch):
    sent = []
    monkeypatch.setattr("hf_lstm.hub.classifier.push_repository", lambda *args: sent.append(args) or "owner/opinions")
    assert trained.push_to_hub("opinions", private=True, token="hf_x") == "owner/opinions"
    assert sent == [(str(trained.folder), "opinions", True, "hf_x")]


def test_nothing_to_load_is_one_sentence():
    with pytest.raises(FileNotFoundError, match="There is no folder ./absent"):
        load_classifier("./absent")


def test_explanations_are_of_the_predictions(trained):
    texts = ["a good film", "bad"]
    for prediction, explanation in zip(trained.predict(texts), trained.explain(texts), strict=True):
        assert explanation.label == prediction["label"]
        assert explanation.to_dict()["probability"] == pytest.approx(prediction["score"], abs=1e-5)
    assert trained.explain(texts, label="good")[0].label == "good"
