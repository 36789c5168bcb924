"""Find texts with nearly the same words but different labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer

# Texts are near-duplicates from this Jaccard similarity of their words: of 9 different words in two texts, 8 are shared
# if one word was added to a text of 8.
MIN_SIMILARITY = 0.8

# Texts that are compared with all others at a time, which bounds the memory.
BLOCK_TEXTS = 1_000

# Words, symbols and punctuation that change the meaning, and single characters of scripts without spaces.
WORD = (
    r"(?u)[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+"
    r"|[!?]|[^\w\s\u0000-\u00ff\u2000-\u206f\u3000-\u303f]"
)

COLUMNS = ["row_a", "row_b", "similarity", "label_a", "label_b", "text_a", "text_b"]


def find_near_duplicates(texts: Sequence[str], labels: Sequence[str], row_numbers: np.ndarray) -> pd.DataFrame:
    """
    Find all pairs of texts with a Jaccard similarity of their words of at least 0.8 and different labels.

    The similarity is the number of words in both texts divided by the number of words in either. No pair is missed: the
    words of each text are sorted from rare to frequent, and two texts with the similarity `s` have a word in common
    among the first `n - ceil(s * n) + 1` of their `n` words (prefix filtering; Chaudhuri et al., 2006,
    https://doi.org/10.1109/ICDE.2006.9; Xiao et al., 2008, https://doi.org/10.1145/1367497.1367516).

    Args:
        texts: The texts. Case, white space, order and repetition of words are ignored.
        labels: Name of the label of each text.
        row_numbers: `(texts,)`, position of each text in the data.

    Returns:
        One row per pair, the most similar first, with the columns `row_a`, `row_b` (1 for the first row of the data),
        `similarity`, `label_a`, `label_b`, `text_a` and `text_b`.
    """
    try:
        words = CountVectorizer(binary=True, token_pattern=WORD, dtype=np.int32).fit_transform(texts)
    except ValueError:  # no text has a word
        return pd.DataFrame(columns=COLUMNS)
    sizes = np.diff(words.indptr)  # (texts,)
    prefixes = _rarest_words(words)
    _, classes = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    pairs = []
    for start in range(0, len(texts), BLOCK_TEXTS):
        shared = sp.coo_matrix(prefixes[start : start + BLOCK_TEXTS] @ prefixes.T)
        first, second = shared.row + start, shared.col
        wanted = (first < second) & (classes[first] != classes[second])
        # A similarity s requires that the smaller text has at least s times the words of the larger one.
        smaller, larger = np.minimum(sizes[first], sizes[second]), np.maximum(sizes[first], sizes[second])
        wanted &= smaller >= MIN_SIMILARITY * larger
        pairs.append(np.stack([first[wanted], second[wanted]], axis=1))  # (candidates, 2)
    first, second = np.concatenate(pairs).T
    similarity = np.concatenate([np.zeros(0), *_similarities(words, sizes, first, second)])
    kept = similarity >= MIN_SIMILARITY
    first, second, similarity = first[kept], second[kept], similarity[kept]
    order = np.lexsort((second, first, -similarity))
    first, second = first[order], second[order]
    columns: dict[str, object] = {"similarity": similarity[order]}
    for side, rows in (("a", first), ("b", second)):
        columns[f"row_{side}"] = row_numbers[rows] + 1
        columns[f"label_{side}"] = [labels[row] for row in rows]
        columns[f"text_{side}"] = [texts[row] for row in rows]
    return pd.DataFrame(columns)[COLUMNS]


def _rarest_words(words: sp.csr_matrix) -> sp.csr_matrix:
    """Return only those words of each text that a near-duplicate must share one of, `(texts, words)`."""
    frequency = np.asarray(words.sum(0)).ravel()
    rank = np.empty(len(frequency), dtype=np.int64)  # 0 for the rarest word
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    entries = words.tocoo()
    order = np.lexsort((rank[entries.col], entries.row))
    text, word = entries.row[order], entries.col[order]
    sizes, starts = np.diff(words.indptr), words.indptr[:-1]
    prefix = sizes - np.ceil(MIN_SIMILARITY * sizes - 1e-9).astype(np.int64) + 1
    kept = np.arange(len(text)) - starts[text] < prefix[text]
    values = np.ones(int(kept.sum()), dtype=np.int32)
    return sp.csr_matrix((values, (text[kept], word[kept])), shape=words.shape)


def _similarities(words: sp.csr_matrix, sizes: np.ndarray, first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
    """Return the Jaccard similarity of pairs of texts, in blocks."""
    blocks = []
    for start in range(0, len(first), 100 * BLOCK_TEXTS):
        a, b = first[start : start + 100 * BLOCK_TEXTS], second[start : start + 100 * BLOCK_TEXTS]
        shared = np.asarray(words[a].multiply(words[b]).sum(1)).ravel()
        blocks.append(shared / (sizes[a] + sizes[b] - shared))
    return blocks
