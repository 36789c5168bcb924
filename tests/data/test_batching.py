import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from helpers import three_splits

from hf_lstm.data.batching import (
    WINDOW_BATCHES,
    ClassifierCollator,
    SimilarLengthSampler,
    pad_batch,
    summarize_tokens,
    tokenize_corpus,
)
from hf_lstm.text.tokenization import train_tokenizer

LENGTHS = np.random.default_rng(0).integers(1, 400, 1_003)


def test_pad_batch():
    batch = pad_batch([[5, 6, 7], [8]], pad_token_id=3)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 3, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_collator_pads_and_ignores_other_columns():
    rows = [{"input_ids": [5, 6], "labels": 1, "length": 2}, {"input_ids": [7], "labels": 0, "length": 1}]
    batch = ClassifierCollator(pad_token_id=3)(rows)
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[5, 6], [7, 3]],
        "attention_mask": [[1, 1], [1, 0]],
        "labels": [1, 0],
    }


def test_only_training_texts_are_truncated(tmp_path):
    rows = [{"text": "good film " * 10, "label": "a"}, {"text": "", "label": "b"}]
    splits = three_splits(tmp_path / "c", rows).splits
    tokenizer = train_tokenizer(splits["train"]["text"], kind="word", vocab_size=20, show_progress=False)
    tokenized = tokenize_corpus(splits, tokenizer, max_length=5)
    whole = tokenizer("good film " * 10)["input_ids"]
    assert tokenized["train"].column_names == ["labels", "input_ids", "length"]
    assert list(tokenized["train"]["length"]) == [5, len(tokenizer("")["input_ids"])]
    assert tokenized["train"]["input_ids"][0] == whole[:5]
    assert tokenized["test"]["input_ids"][0] == whole and len(whole) > 20
    assert list(tokenized["test"]["labels"]) == [0, 1]
    again = tokenize_corpus(splits, tokenizer, max_length=5)
    assert [rows.cache_files for rows in again.values()] == [rows.cache_files for rows in tokenized.values()]


@pytest.mark.parametrize("batch_size", [1, 7, 32, 5_000])
def test_every_row_occurs_once(batch_size):
    sampler = SimilarLengthSampler(LENGTHS, batch_size, seed=0)
    assert sorted(sampler) == list(range(len(LENGTHS))) and len(sampler) == len(LENGTHS)


def test_rows_of_a_batch_have_similar_lengths_and_batches_are_shuffled():
    order = np.array(list(SimilarLengthSampler(LENGTHS, 8, seed=0)))
    batches = LENGTHS[order[: len(order) // 8 * 8]].reshape(-1, 8)
    random = LENGTHS[: len(order) // 8 * 8].reshape(-1, 8)
    assert np.ptp(batches, axis=1).mean() < np.ptp(random, axis=1).mean() / 10
    longest = batches.max(1)[:WINDOW_BATCHES]
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.5


def test_seed_and_epoch_determine_the_order():
    def order(seed, epoch):
        sampler = SimilarLengthSampler(LENGTHS, 8, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4) and order(0, 3) != order(1, 3)


def test_summary_of_lengths_and_unknown_tokens():
    words = ["known " * count for count in (1, 2, 3, 4, 9, 12)]
    texts = DatasetDict(
        train=Dataset.from_dict({"text": words, "labels": [0] * 6}),
        validation=Dataset.from_dict({"text": ["known new", "known known"], "labels": [0, 0]}),
    )
    tokenizer = train_tokenizer(["known known"], "word", 100, show_progress=False)
    for max_length, more in ((10, "; 1 of 6 are truncated after 10 tokens, see max_length"), (13, ""), (None, "")):
        tokenized = tokenize_corpus(texts, tokenizer, max_length=max_length)
        notes = summarize_tokens(texts, tokenized, tokenizer, max_length)
        # [CLS] and the words: 2, 3, 4, 5, 10 and 13 tokens.
        assert notes[0] == (f"Length of the training texts in tokens: median 5, 95th percentile 13, maximum 13{more}.")
    assert notes[1].startswith(
        "Unknown tokens ([UNK]) in the validation texts: 1 of 4 (25.0%). Train with `--tokenizer"
    )
    given = summarize_tokens(texts, tokenized, tokenizer, None, kind_is_free=False)
    assert given[1].endswith("1 of 4 (25.0%).")  # the tokenizer of a saved model cannot be replaced
    known = DatasetDict(texts | {"validation": texts["train"]})
    tokenized = tokenize_corpus(known, tokenizer)
    assert summarize_tokens(known, tokenized, tokenizer, None)[1].endswith("0 of 31 (0.0%).")
