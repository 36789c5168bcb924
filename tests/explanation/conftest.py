"""A small classifier that has learned which words are good, and its tokenizer."""

import pytest
import torch

from hf_lstm import LstmConfig, LstmForSequenceClassification, train_tokenizer
from hf_lstm.data import pad_batch

WORDS = ("good", "bad", "film", "plot", "the", "and")


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer([" ".join(WORDS), "<b>film</b> & don't"] * 3, vocab_size=60, show_progress=False)


@pytest.fixture
def build(tokenizer):
    """Build a classifier with random weights."""

    def build(**fields) -> LstmForSequenceClassification:
        torch.manual_seed(0)
        defaults = {"embedding_size": 6, "hidden_size": 5, "initializer_range": 0.5, "num_labels": 2}
        defaults |= {"problem_type": "single_label_classification"}
        return LstmForSequenceClassification(LstmConfig(vocab_size=len(tokenizer), **defaults | fields)).eval()

    return build


@pytest.fixture(scope="session")
def trained(tokenizer) -> LstmForSequenceClassification:
    """A classifier of texts with more good than bad, trained in a second."""
    torch.manual_seed(0)
    names = {"id2label": {0: "neg", 1: "pos"}, "label2id": {"neg": 0, "pos": 1}}
    config = LstmConfig(
        vocab_size=len(tokenizer), embedding_size=8, hidden_size=8, bidirectional=False, input_dropout=0.1, **names,
        problem_type="single_label_classification",
    )  # fmt: skip
    model = LstmForSequenceClassification(config).train()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(80):
        choices = torch.randint(0, len(WORDS), (32, 8))
        texts = [" ".join(WORDS[choice] for choice in row) for row in choices.tolist()]
        labels = ((choices == 0).sum(1) > (choices == 1).sum(1)).long()
        model(**pad_batch(tokenizer(texts)["input_ids"], 0), labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()
