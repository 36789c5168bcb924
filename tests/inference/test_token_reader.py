import numpy as np
import pytest
import torch

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.inference.token_reader import FEW_TOKENS, STEPS, WINDOW_TOKENS, TokenReader, windows


def tiny_model(**fields) -> LstmForSequenceClassification:
    sizes = {"vocab_size": 50, "embedding_size": 6, "hidden_size": 5, "initializer_range": 1.0}
    config = LstmConfig(**sizes | {"bidirectional": False, "problem_type": "single_label_classification"} | fields)
    return LstmForSequenceClassification(config).eval()


@pytest.mark.parametrize("lengths", [[], [0, 0], [1], [3, 0, 2, 1], [9, 1, 700, 0, 7, 5, 1_300], [512] * 70 + [8] * 9])
def test_windows_cover_every_token_once_and_in_order(lengths):
    read = {row: [] for row in range(len(lengths))}
    for rows, steps in windows(lengths):
        assert rows == sorted(rows)
        sizes = [len(range(lengths[row])[steps]) for row in rows]
        assert min(sizes) > 0 and max(sizes) <= STEPS and max(sizes) * len(rows) <= WINDOW_TOKENS
        for row in rows:
            read[row] += range(lengths[row])[steps]
    assert read == {row: list(range(length)) for row, length in enumerate(lengths)}


@pytest.mark.parametrize("cell_type", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("pooling", ["last", "max", "mean", "concat"])
def test_streams_of_any_lengths_equal_one_call_of_the_model(cell_type, pooling):
    model = tiny_model(cell_type=cell_type, pooling=pooling, num_hidden_layers=2)
    reader, rng = TokenReader(model), np.random.default_rng(0)
    texts = [rng.integers(1, 50, length).tolist() for length in (30, 12, FEW_TOKENS, 25, 1, 40)]
    memories, done = [reader.start()] * len(texts), [0] * len(texts)
    parts = [[] for _ in texts]
    for most in (3, 1, 20, 0, 2, 60):
        sizes = rng.integers(0, most + 1, len(texts)) if most < 60 else [60] * len(texts)
        ids = [text[n : n + size] for text, n, size in zip(texts, done, sizes, strict=True)]
        memories, logits, token_logits = reader.read(memories, ids, each_token=True)
        for row, its_logits in enumerate(token_logits):
            assert its_logits.shape == (len(ids[row]), 2)
            parts[row].append(its_logits)
            done[row] += len(ids[row])
            if len(ids[row]):
                np.testing.assert_allclose(its_logits[-1], logits[row], atol=1e-5)
    for row, text in enumerate(texts):
        with torch.no_grad():
            expected = torch.cat([model(torch.tensor([text[: n + 1]])).logits for n in range(len(text))])
        np.testing.assert_allclose(np.concatenate(parts[row]), expected, atol=1e-5)
        np.testing.assert_allclose(logits[row], expected[-1], atol=1e-5)


def test_all_streams_with_tokens_in_any_order_of_length():
    reader = TokenReader(tiny_model())
    ids = [[5, 6, 7], [8], [9, 10]]
    together = reader.read([reader.start()] * 3, ids, each_token=False)[1]
    alone = [reader.read([reader.start()], [its_ids], each_token=False)[1][0] for its_ids in ids]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_memory_of_a_stream_is_its_own():
    reader = TokenReader(tiny_model())
    start = reader.start()
    before = {name: tensor.clone() for name, tensor in start.items()}
    memories, _, none = reader.read([start] * 4, [[5], [6], [], [7, 8]], each_token=False)
    assert all(torch.equal(start[name], tensor) for name, tensor in before.items())
    assert [len(part) for part in none] == [0] * 4
    for memory in memories:
        for name, tensor in memory.items():
            assert (tensor.shape, tensor.dtype) == (start[name].shape, start[name].dtype)
            assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
