import pytest
from helpers import TEXTS

from hf_lstm.text import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for text in TEXTS if text.isascii()], "word", 300, show_progress=False)
