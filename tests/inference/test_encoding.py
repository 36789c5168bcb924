import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tokenizers import Tokenizer

from hf_lstm.inference.encoding import encode_texts
from hf_lstm.inference.prediction import predict_texts
from hf_lstm.text.tokenization import train_tokenizer

TEXTS = ["a good film", "a bad film", "not a good film at all", "not bad", ""]


@pytest.fixture
def own_tokenizer():
    """A tokenizer that the test may change."""
    return train_tokenizer(TEXTS * 3, kind="word", vocab_size=40, show_progress=False)


def test_ids_and_offsets_are_those_of_the_tokenizer(tokenizer):
    expected = tokenizer(TEXTS, return_offsets_mapping=True)
    found = encode_texts(tokenizer, TEXTS, offsets=True)
    assert [encoding.ids for encoding in found] == expected["input_ids"]
    assert [encoding.offsets for encoding in found] == expected["offset_mapping"]
    bare = encode_texts(tokenizer, TEXTS, add_special_tokens=False)
    assert [encoding.ids for encoding in bare] == [ids[1:] for ids in expected["input_ids"]]
    assert encode_texts(tokenizer, []) == []


def test_truncation_and_padding_of_the_tokenizer_are_neither_used_nor_changed(own_tokenizer):
    expected = own_tokenizer(TEXTS)["input_ids"]
    own_tokenizer(TEXTS, truncation=True, max_length=2, padding="max_length")
    assert [encoding.ids for encoding in encode_texts(own_tokenizer, TEXTS)] == expected
    assert own_tokenizer.backend_tokenizer.truncation["max_length"] == 2
    assert own_tokenizer.backend_tokenizer.padding["length"] == 2


def test_copy_is_made_once_and_again_after_a_change(own_tokenizer, monkeypatch):
    made = []

    class Counted:
        @staticmethod
        def from_str(text):
            made.append(text)
            return Tokenizer.from_str(text)

    monkeypatch.setattr("hf_lstm.inference.encoding.Tokenizer", Counted)
    for _ in range(3):
        encode_texts(own_tokenizer, TEXTS)
    assert len(made) == 1
    own_tokenizer.add_tokens(["masterpiece"])
    assert own_tokenizer.unk_token_id not in encode_texts(own_tokenizer, ["a masterpiece"])[0].ids
    own_tokenizer.backend_tokenizer.normalizer = None
    assert encode_texts(own_tokenizer, ["GOOD"])[0].ids == own_tokenizer("GOOD")["input_ids"]
    own_tokenizer.split_special_tokens = True
    assert encode_texts(own_tokenizer, ["[SEP]"])[0].ids == own_tokenizer("[SEP]")["input_ids"]
    assert len(made) == 4


def test_predictions_while_another_thread_truncates(model, own_tokenizer):
    texts = ["not a good film at all " * 20] * 40 + TEXTS
    expected = predict_texts(model, own_tokenizer, texts)
    done = threading.Event()

    def truncate():
        calls = 0
        while not done.is_set() or calls < 20:
            lengths = {len(ids) for ids in own_tokenizer(texts, truncation=True, max_length=3)["input_ids"]}
            assert max(lengths) == 3
            calls += 1

    with ThreadPoolExecutor(3) as threads:
        truncating = threads.submit(truncate)
        try:
            predictions = [threads.submit(predict_texts, model, own_tokenizer, texts) for _ in range(60)]
            for prediction in predictions:
                np.testing.assert_allclose(prediction.result(), expected, atol=1e-6)
        finally:
            done.set()
        truncating.result()
