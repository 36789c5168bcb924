import pytest
from helpers import TEXTS, make_classifier

from hf_lstm import StreamingClassifier
from hf_lstm.text.tokenization import train_tokenizer


@pytest.fixture(scope="package")
def tokenizer():
    return train_tokenizer(TEXTS, "word", 200, show_progress=False)


@pytest.fixture
def stream(tokenizer) -> StreamingClassifier:
    return StreamingClassifier(make_classifier(bidirectional=False), tokenizer)
