"""A tiny classifier that reads forward, and one that does not."""

import pytest
import torch

from hf_lstm import LstmConfig, LstmForSequenceClassification, train_tokenizer


@pytest.fixture(scope="session")
def save_classifier(tmp_path_factory):
    """Return a function that saves a classifier with random weights, and returns its folder."""
    tokenizer = train_tokenizer(["a good film, a bad book and the plot"] * 4, "word", 100, True)

    def save(name: str, **fields):
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp("runs") / name
        fields = {"problem_type": "single_label_classification", "id2label": {0: "bad", 1: "good"}} | fields
        sizes = {"vocab_size": len(tokenizer), "embedding_size": 6, "hidden_size": 5, "initializer_range": 1.0}
        LstmForSequenceClassification(LstmConfig(**sizes, **fields)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def forward(save_classifier):
    return save_classifier("forward", bidirectional=False)


@pytest.fixture(scope="session")
def both_ways(save_classifier):
    return save_classifier("both-ways", bidirectional=True)
