import pytest
from helpers import TEXTS

from hf_lstm.text import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    texts = [text for text in TEXTS if text.isascii()]
    return train_tokenizer(texts, "word", 300, show_progress=False)
