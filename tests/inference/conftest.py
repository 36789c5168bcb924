"""A tiny classifier and its tokenizer."""

import pytest

from hf_lstm import LstmForSequenceClassification
from hf_lstm.text.tokenization import train_tokenizer

TEXTS = ["a good film", "a bad film", "not a good film at all", "not bad"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS * 3, kind="word", vocab_size=40, show_progress=False)


@pytest.fixture
def model(tiny_config):
    fields = {"id2label": {0: "neg", 1: "pos"}, "label2id": {"neg": 0, "pos": 1}}
    return LstmForSequenceClassification(tiny_config(**fields, problem_type="single_label_classification")).eval()
