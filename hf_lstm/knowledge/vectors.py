"""Word vectors from co-occurrence counts: initial embeddings that need no labels."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

# Neighbours on each side of a token. They have the weights 1, 1/2, 1/3, ... by distance, as in GloVe.
WINDOW = 5

# Exponent of the context frequencies. It reduces the bias of mutual information towards rare contexts.
CONTEXT_SMOOTHING = 0.75

# Tokens whose neighbours are counted at once, which limits the memory.
CHUNK_TOKENS = 4_000_000


def train_vectors(input_ids: Iterable[Sequence[int]], vocab_size: int, dimension: int, seed: int = 42) -> np.ndarray:
    """
    Factorize the positive pointwise mutual information of tokens and their neighbours.

    This is the method of Levy, Goldberg and Dagan (2015, https://aclanthology.org/Q15-1016). Its vectors are as good as
    those of skip-gram and are the same in every run.

    Args:
        input_ids: Token ids of each text.
        vocab_size: Number of tokens.
        dimension: Dimensions of a vector.
        seed: Seed of the randomized singular value decomposition.

    Returns:
        `(vocab_size, dimension)`, float32, with a mean square of 1 over the tokens that occur, zero for the others.
    """
    information = positive_information(count_neighbours(input_ids, vocab_size))
    occurring = np.diff(information.indptr) > 0  # (vocab_size,)
    vectors = np.zeros((vocab_size, dimension), dtype=np.float32)
    if not occurring.any():
        return vectors
    width = min(dimension, vocab_size)
    left, values, _ = randomized_svd(information, width, n_iter=3, random_state=seed)
    vectors[occurring, :width] = (left * np.sqrt(values))[occurring]
    return vectors / np.sqrt(np.square(vectors[occurring]).mean())


def count_neighbours(input_ids: Iterable[Sequence[int]], vocab_size: int) -> sp.csr_matrix:
    """Count how often two tokens are neighbours, weighted by distance: symmetric, `(vocab_size, vocab_size)`."""
    counts = sp.csr_matrix((vocab_size, vocab_size), dtype=np.float32)
    for tokens, texts in _chunks(input_ids):
        for distance in range(1, WINDOW + 1):
            same_text = texts[:-distance] == texts[distance:]
            pair = tokens[:-distance][same_text], tokens[distance:][same_text]
            weights = np.full(len(pair[0]), 1 / distance, dtype=np.float32)
            counts += sp.coo_matrix((weights, pair), shape=counts.shape).tocsr()
    return counts + counts.T


def positive_information(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Compute the positive pointwise mutual information of the counts: sparse, with the same shape."""
    pairs = counts.tocoo()
    frequencies = np.asarray(counts.sum(1), dtype=np.float64).ravel()  # (vocab_size,)
    contexts = frequencies**CONTEXT_SMOOTHING
    contexts /= max(contexts.sum(), 1)
    information = np.log(pairs.data / (frequencies[pairs.row] * contexts[pairs.col]))  # (pairs,)
    kept = information > 0
    values = information[kept].astype(np.float32)
    return sp.csr_matrix((values, (pairs.row[kept], pairs.col[kept])), shape=counts.shape)


def _chunks(input_ids: Iterable[Sequence[int]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the tokens of many texts in one row, and the index of the text of each token."""
    rows: list[Sequence[int]] = []
    tokens = 0
    for ids in input_ids:
        rows.append(ids)
        tokens += len(ids)
        if tokens >= CHUNK_TOKENS:
            yield _concatenate(rows)
            rows, tokens = [], 0
    if rows:
        yield _concatenate(rows)


def _concatenate(rows: list[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(row) for row in rows])
