import pytest
import torch
from helpers import SIZES, tiny_corpus
from transformers import PreTrainedTokenizerFast

from hf_lstm import LstmForCausalLM, LstmForSequenceClassification
from hf_lstm.pretraining.arguments import PretrainingArguments
from hf_lstm.pretraining.building import build_backbone, build_language_model, resolve_pretraining_defaults
from hf_lstm.pretraining.trainer import save_vectors
from hf_lstm.training.building import build_tokenizer, new_config


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(tiny_corpus().splits["train"]["text"], PretrainingArguments(**SIZES))


def assert_same_weights(model, other) -> None:
    weights = other.state_dict()
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_new_language_model_is_tied_and_unidirectional(tokenizer):
    model = build_language_model(tokenizer, PretrainingArguments(**SIZES, reverse=True))
    assert isinstance(model, LstmForCausalLM) and model.config.vocab_size == len(tokenizer)
    config = model.config
    assert (config.bidirectional, config.reverse, config.tie_word_embeddings) == (False, True, True)
    assert (config.pad_token_id, config.bos_token_id) == (tokenizer.pad_token_id, tokenizer.cls_token_id)
    assert config.sampled_tokens == 0
    args = PretrainingArguments(**SIZES, sampled_tokens=3)
    assert build_language_model(tokenizer, args).config.sampled_tokens == 3
    with pytest.raises(ValueError, match="remove `bidirectional`"):
        build_language_model(tokenizer, PretrainingArguments(**SIZES, bidirectional=True))


def test_language_model_starts_from_a_saved_one(tokenizer, tmp_path):
    model = build_language_model(tokenizer, PretrainingArguments(**SIZES, num_hidden_layers=2))
    model.save_pretrained(tmp_path)
    again = build_language_model(tokenizer, PretrainingArguments(pretrained=str(tmp_path)))
    assert_same_weights(again, model)
    assert again.lm_head.weight is again.model.embed_tokens.weight
    with pytest.raises(ValueError, match="remove reverse"):
        build_language_model(tokenizer, PretrainingArguments(pretrained=str(tmp_path), reverse=True))


def test_language_model_starts_from_vectors(tokenizer, tmp_path):
    words = build_backbone(tokenizer, PretrainingArguments(**SIZES, objective="vectors"))
    save_vectors(words, tokenizer, tmp_path)
    started = build_language_model(tokenizer, PretrainingArguments(pretrained=str(tmp_path), cell_type="gru"))
    assert torch.equal(started.lm_head.weight, words.embed_tokens.weight) and started.config.cell_type == "gru"


def test_language_model_starts_from_a_unidirectional_classifier(tokenizer, tmp_path):
    fields = {"embedding_size": 8, "hidden_size": 8, "bidirectional": False}
    classifier = LstmForSequenceClassification(new_config(tokenizer, fields))
    classifier.save_pretrained(tmp_path)
    model = build_language_model(tokenizer, PretrainingArguments(pretrained=str(tmp_path)))
    assert_same_weights(model.model, classifier.model)


@pytest.mark.parametrize(
    ("given", "device", "vocab_size", "expected"),
    [(None, "cpu", 30_000, 2_048), (None, "cpu", 100, 0), (None, "cuda", 30_000, 0), (7, "cuda", 30_000, 7)],
)
def test_softmax_is_sampled_for_a_large_vocabulary_on_a_cpu(given, device, vocab_size, expected):
    args = PretrainingArguments(sampled_tokens=given, hidden_size=8)
    resolved = resolve_pretraining_defaults(args, torch.device(device), vocab_size)
    assert (resolved.sampled_tokens, resolved.hidden_size) == (expected, 8) and args.sampled_tokens == given
