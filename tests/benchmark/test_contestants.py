import builtins

import pytest
import torch
from torch.nn.functional import cross_entropy

from hf_lstm.benchmark.contestants import (
    PlainClassifier,
    TextbookClassifier,
    comparison_transformers,
    default_classifier,
    fasttext_line,
    fasttext_model,
    linear_model,
    wordpiece_tokenizer,
)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_textbook_loss_is_that_of_each_text_without_padding(bidirectional):
    model = TextbookClassifier(20, 4, bidirectional)
    rows, labels = [[3, 4, 5], [6]], torch.tensor([0, 1])
    losses = []
    for row, label in zip(rows, labels, strict=True):
        _, (h, _) = model.lstm(model.embedding(torch.tensor([row])))  # (directions, 1, hidden)
        losses.append(cross_entropy(model.classifier(torch.cat([*h], dim=1)), label[None]))
    ids, mask = torch.tensor([[3, 4, 5], [6, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])
    torch.testing.assert_close(model(ids, mask, labels), torch.stack(losses).mean())


@pytest.mark.parametrize("bidirectional", [False, True])
def test_plain_classifier_computes_the_same_as_the_default_classifier(bidirectional):
    model, plain = default_classifier(50, bidirectional=bidirectional), PlainClassifier(50, bidirectional)
    plain.embedding.weight.data = model.model.embed_tokens.weight.data
    plain.classifier.load_state_dict(model.classifier.state_dict())
    for suffix, direction in zip(("", "_reverse"), model.model.layers[0].directions, strict=False):
        for name, weight in direction.named_parameters():
            getattr(plain.lstm, name + suffix).data = weight.data
    ids = torch.randint(4, 50, (1, 30))
    torch.testing.assert_close(plain(ids), model(ids).logits)


def test_default_classifier_accepts_config_fields():
    model = default_classifier(50, bidirectional=False)
    assert not model.training and model.config.vocab_size == 50 and not model.config.bidirectional


def test_smallest_transformer_reads_the_wordpieces(setting):
    pieces = wordpiece_tokenizer(setting)
    (model,) = comparison_transformers(setting, len(pieces)).values()
    assert model(**pieces(setting.texts[:2], padding=True, return_tensors="pt")).logits.shape == (2, 2)


def test_linear_model_learns_the_classes(setting):
    assert linear_model(setting).score(setting.texts, setting.labels) == 1


def test_missing_fasttext_is_reported_with_the_command_to_install_it(setting, monkeypatch, capsys):
    find = builtins.__import__

    def hide_fasttext(name, *args, **kwargs):
        if name == "fasttext":
            raise ImportError(name)
        return find(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", hide_fasttext)
    assert fasttext_model(setting) is None
    assert 'pip install "hf_lstm[bench]"' in capsys.readouterr().err


def test_fasttext_gets_one_line_per_text():
    assert fasttext_line("good\n\n film ") == "good film"
