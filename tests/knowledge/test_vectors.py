import numpy as np
import pytest

from hf_lstm.knowledge import vectors
from hf_lstm.knowledge.vectors import count_neighbours, positive_information, train_vectors


def test_neighbours_by_hand(monkeypatch):
    monkeypatch.setattr(vectors, "WINDOW", 2)
    counts = count_neighbours([[0, 1, 2], [1, 0]], 4).toarray()
    # 0 and 1 are adjacent in both texts; 0 and 2 have distance 2 in one; tokens of different texts are not neighbours.
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 2
    expected[1, 2] = expected[2, 1] = 1
    expected[0, 2] = expected[2, 0] = 0.5
    np.testing.assert_allclose(counts, expected)


def test_counts_do_not_depend_on_the_chunks(monkeypatch):
    texts = [np.random.default_rng(i).integers(0, 9, i).tolist() for i in range(12)]
    whole = count_neighbours(texts, 9).toarray()
    monkeypatch.setattr(vectors, "CHUNK_TOKENS", 10)
    np.testing.assert_allclose(count_neighbours(texts, 9).toarray(), whole, rtol=1e-5)


def test_information_by_formula():
    counts = count_neighbours([[0, 1, 2, 0, 1, 3, 3, 1]], 5)
    dense = counts.toarray().astype(float)
    row, context = dense.sum(1), dense.sum(0) ** 0.75
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.log(dense / row[:, None] / (context / context.sum()))
    expected = np.where(np.isfinite(expected) & (expected > 0), expected, 0)
    np.testing.assert_allclose(positive_information(counts).toarray(), expected, atol=1e-6)


def test_tokens_with_the_same_neighbours_get_similar_vectors():
    rng = np.random.default_rng(0)
    # 1 and 2 occur between 3 and 4; 5 and 6 occur between 7 and 8.
    texts = [[3, rng.choice([1, 2]), 4] if rng.random() < 0.5 else [7, rng.choice([5, 6]), 8] for _ in range(400)]
    found = train_vectors(texts, 10, 4)
    unit = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    assert unit[1] @ unit[2] > 0.95 and unit[5] @ unit[6] > 0.95 and abs(unit[1] @ unit[5]) < 0.2
    assert (found[[0, 9]] == 0).all() and np.square(found[1:9]).mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(train_vectors(texts, 10, 4), found)


def test_more_dimensions_than_tokens_and_no_tokens():
    assert train_vectors([[1, 2]], 3, 8).shape == (3, 8)
    assert (train_vectors([[1], []], 3, 2) == 0).all()
    assert (train_vectors([], 3, 2) == 0).all()
