import builtins

import numpy as np
import pytest
import torch

from hf_lstm.benchmark.alternatives import int8_transformers, score_one_by_one, static_classifier
from hf_lstm.benchmark.contestants import comparison_transformers, wordpiece_tokenizer


@pytest.fixture
def hide(monkeypatch):
    """Return a function after which the import of a package fails."""
    find = builtins.__import__

    def hide_package(package: str) -> None:
        def import_others(name, *args, **kwargs):
            if name.split(".")[0] == package:
                raise ImportError(name)
            return find(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", import_others)

    return hide_package


def test_quantized_transformer_is_close_to_the_model_for_any_length(setting, caplog):
    pytest.importorskip("onnxruntime")
    pieces = wordpiece_tokenizer(setting)
    models = comparison_transformers(setting, len(pieces))
    (run,) = int8_transformers(models).values()
    texts = ["good film", "a much longer text about a good book"]
    logits = score_one_by_one(run, pieces, texts)
    with torch.no_grad():
        expected = [models["MiniLM-shaped"](**pieces(text, return_tensors="pt")).logits[0].numpy() for text in texts]
    np.testing.assert_allclose(logits, expected, atol=1e-2)
    assert not caplog.records  # no advice of onnxruntime between the results


def test_static_classifier_learns_the_classes(setting):
    pytest.importorskip("model2vec")
    classify = static_classifier(setting, wordpiece_tokenizer(setting))
    probabilities = classify(setting.texts)
    assert probabilities.shape == (len(setting.texts), 2)
    assert (probabilities.argmax(1) == setting.labels).mean() > 0.9


def test_missing_packages_are_reported_with_the_command_to_install_them(setting, hide, capsys):
    pieces = wordpiece_tokenizer(setting)
    hide("onnxruntime")
    assert int8_transformers({}) == {}
    assert 'pip install "hf_lstm[onnx]"' in capsys.readouterr().err
    hide("model2vec")
    assert static_classifier(setting, pieces) is None
    assert 'pip install "hf_lstm[bench]"' in capsys.readouterr().err
