import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hf_lstm.language_model import TokenTexts
from hf_lstm.text import train_tokenizer

LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=20)


def texts_of(lengths) -> TokenTexts:
    return TokenTexts.of(np.arange(1, length + 1) + 100 * i for i, length in enumerate(lengths))


def test_texts_are_slices_of_one_array():
    texts = TokenTexts.of([[5, 6, 7], [], [8]])
    assert len(texts) == 3
    assert [texts[i].tolist() for i in range(3)] == [[5, 6, 7], [], [8]]
    assert texts.tokens.tolist() == [5, 6, 7, 8]
    selected = texts.select([2, 0, 0])
    assert [selected[i].tolist() for i in range(3)] == [[8], [5, 6, 7], [5, 6, 7]]


def test_lengths_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="add up to 4 tokens, but there are 3"):
        TokenTexts(np.array([1, 2, 3]), np.array([2, 2]))


def test_tokenized_texts_are_those_of_the_tokenizer():
    strings = ["the film was good", "", "the film was bad and long"]
    tokenizer = train_tokenizer(strings * 2, "word", 60, show_progress=False)
    tokenizer(strings, truncation=True, max_length=2)  # leaves a truncation in the backend
    texts = TokenTexts.tokenize(iter(strings), tokenizer)
    assert [texts[i].tolist() for i in range(3)] == [tokenizer(string)["input_ids"] for string in strings]
    assert texts.tokens.dtype == np.uint16


def test_padding_is_masked_and_long_texts_are_cut():
    texts = TokenTexts.of([[5, 6, 7], [], [8, 9]])
    batch = texts.pad([0, 2, 1], pad_token_id=3)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 3], [3, 3, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
    cut = texts.pad([0, 2], pad_token_id=3, max_length=2)
    assert cut["input_ids"].tolist() == [[5, 6], [8, 9]] and "attention_mask" not in cut


@settings(derandomize=True)
@given(LENGTHS, st.integers(1, 60), st.booleans())
def test_batches_hold_each_text_once_and_not_too_many_tokens(lengths, batch_tokens, shuffle):
    texts = texts_of(lengths)
    batches = texts.length_batches(batch_tokens, np.random.default_rng(0) if shuffle else None)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        longest = max(1, texts.lengths[batch].max())
        assert len(batch) == 1 or longest * len(batch) <= batch_tokens


def test_batches_without_shuffling_are_sorted_by_length():
    texts = texts_of([7, 1, 5, 3])
    assert [batch.tolist() for batch in texts.length_batches(10)] == [[1, 3], [2], [0]]
