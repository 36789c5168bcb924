"""Word vectors from how often tokens stand near each other: a start for embeddings that needs no labels."""

from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

# Tokens on either side that count as near; the nearer, the more: 1, 1/2, ... as in GloVe.
WINDOW = 5

# Exponent on the contexts' frequencies: rare contexts would otherwise look too telling.
CONTEXT_SMOOTHING = 0.75

# Tokens whose neighbours are counted at a time, which bounds the memory.
CHUNK_TOKENS = 4_000_000


def train_vectors(input_ids: Iterable[Sequence[int]], vocab_size: int, dimension: int, seed: int = 42) -> np.ndarray:
    """
    Factorises the positive pointwise mutual information of tokens and their neighbours.

    The method is that of Levy, Goldberg and Dagan (2015, https://aclanthology.org/Q15-1016), whose vectors equal
    skip-gram's and are the same in every run.

    Args:
        input_ids: Token ids of each text.
        vocab_size: Number of tokens.
        dimension: Width of a vector.
        seed: Of the randomised singular value decomposition.

    Returns:
        `(vocab_size, dimension)`, float32, with a mean square of 1 over the tokens that occur; zero for the others.
    """
    information = positive_information(count_neighbours(input_ids, vocab_size))
    occurring = np.diff(information.indptr) > 0
    vectors = np.zeros((vocab_size, dimension), dtype=np.float32)
    if not occurring.any():
        return vectors
    width = min(dimension, vocab_size)
    left, values, _ = randomized_svd(information, width, n_iter=3, random_state=seed)
    vectors[occurring, :width] = (left * np.sqrt(values))[occurring]
    return vectors / np.sqrt(np.square(vectors[occurring]).mean())


def count_neighbours(input_ids: Iterable[Sequence[int]], vocab_size: int) -> sp.csr_matrix:
    """How often each token stands near each other one, weighted by nearness: `(vocab_size, vocab_size)`, symmetric."""
    counts = sp.csr_matrix((vocab_size, vocab_size), dtype=np.float32)
    for tokens, texts in _chunks(input_ids):
        for distance in range(1, WINDOW + 1):
            same_text = texts[:-distance] == texts[distance:]
            pair = tokens[:-distance][same_text], tokens[distance:][same_text]
            weights = np.full(len(pair[0]), 1 / distance, dtype=np.float32)
            counts += sp.coo_matrix((weights, pair), shape=counts.shape).tocsr()
    return counts + counts.T


def positive_information(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Logarithm of how much likelier each pair is than by chance, where it is: sparse, of the counts' shape."""
    pairs = counts.tocoo()
    frequencies = np.asarray(counts.sum(1), dtype=np.float64).ravel()
    contexts = frequencies**CONTEXT_SMOOTHING
    contexts /= max(contexts.sum(), 1)
    information = np.log(pairs.data / (frequencies[pairs.row] * contexts[pairs.col]))
    kept = information > 0
    values = information[kept].astype(np.float32)
    return sp.csr_matrix((values, (pairs.row[kept], pairs.col[kept])), shape=counts.shape)


def _chunks(input_ids: Iterable[Sequence[int]]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Tokens of many texts in one row, and the number of the text that each is of."""
    rows, held = [], 0
    for ids in input_ids:
        rows.append(ids)
        held += len(ids)
        if held >= CHUNK_TOKENS:
            yield np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(row) for row in rows])
            rows, held = [], 0
    if rows:
        yield np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(row) for row in rows])
