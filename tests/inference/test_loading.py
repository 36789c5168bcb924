import re

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from hf_lstm import LstmForSequenceClassification, LstmModel
from hf_lstm.inference.loading import (
    fastest_device,
    load_config,
    load_model_and_tokenizer,
    load_tokenizer,
    loading_errors,
)
from hf_lstm.inference.prediction import predict_texts

TEXTS = ["a good film", "a bad film", "not a good film at all", "not bad"]


def test_a_saved_classifier_predicts_the_same(model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded, loaded_tokenizer = load_model_and_tokenizer(tmp_path)
    assert load_config(tmp_path).id2label == {0: "neg", 1: "pos"} and not loaded.training
    assert load_tokenizer(tmp_path).get_vocab() == tokenizer.get_vocab()
    np.testing.assert_allclose(
        predict_texts(loaded, loaded_tokenizer, TEXTS), predict_texts(model, tokenizer, TEXTS), atol=1e-6
    )


def test_a_tilde_is_the_home_folder(model, tokenizer, tmp_path, monkeypatch):
    model.save_pretrained(tmp_path / "run")
    tokenizer.save_pretrained(tmp_path / "run")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_config("~/run").id2label == {0: "neg", 1: "pos"}
    assert load_tokenizer("~/run").get_vocab() == tokenizer.get_vocab()
    assert load_model_and_tokenizer("~/run")[0].config.id2label == {0: "neg", 1: "pos"}


def test_unsuitable_folders_are_refused(model, tokenizer, tiny_config, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_model_and_tokenizer(str(tmp_path / "absent"))
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no folder runs/absent"):
        load_model_and_tokenizer("runs/absent")  # a valid Hub id, but there is a folder "runs"
    with pytest.raises(FileNotFoundError, match="no config.json"):
        load_model_and_tokenizer(str(tmp_path))

    bert = BertConfig(hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4, vocab_size=20)
    BertForSequenceClassification(bert).save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match="'bert' model, not a model of hf_lstm"):
        load_model_and_tokenizer(str(tmp_path / "bert"))

    LstmModel(tiny_config()).save_pretrained(tmp_path / "headless")
    tokenizer.save_pretrained(tmp_path / "headless")
    with pytest.raises(ValueError, match=r"lacks classifier.bias, classifier.weight; fine-tune"):
        load_model_and_tokenizer(str(tmp_path / "headless"))

    LstmForSequenceClassification(tiny_config(vocab_size=len(tokenizer) - 1)).save_pretrained(tmp_path / "small")
    tokenizer.save_pretrained(tmp_path / "small")
    with pytest.raises(ValueError, match="do not belong together"):
        load_model_and_tokenizer(str(tmp_path / "small"))


def test_a_hub_id_without_a_hub_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    offline = (
        "There is no folder owner/absent, and it cannot be loaded from the Hub (HF_HUB_OFFLINE is set, and there is "
    )
    offline += "no earlier download): check the name and the network."
    with pytest.raises(OSError, match=f"^{re.escape(offline)}$"):
        load_config("owner/absent")
    monkeypatch.setattr("hf_lstm.inference.loading.is_offline_mode", lambda: False)
    with (
        pytest.raises(OSError, match=r"cannot be loaded from the Hub \(No route\): check the name"),
        loading_errors("a/b"),
    ):
        raise OSError("No route.\nSee https://example.org.")
    with pytest.raises(OSError, match="^damaged$"), loading_errors(str(tmp_path)):
        raise OSError("damaged")


def test_damaged_weights_are_refused(model, tokenizer, tmp_path):
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


def test_pickled_weights_and_damaged_tokenizers_are_refused(model, tokenizer, tmp_path):
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


@pytest.mark.parametrize("accelerator", [None, torch.device("cuda")])
def test_fastest_device_is_the_available_accelerator(monkeypatch, accelerator):
    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda check_available: check_available and accelerator
    )
    assert fastest_device() == (accelerator or torch.device("cpu"))
