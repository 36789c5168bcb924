"""The vocabulary of training texts and a source of vectors, with the vectors of its tokens."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from transformers import PreTrainedTokenizerFast

from ..messages import format_count
from ..text import SPECIAL_TOKENS, build_given_tokenizer, count_words
from .vector_sources import CONTINUES, SubwordVectors, VectorSource, open_source

# The default number of dimensions, unless the source has fewer.
DEFAULT_DIMENSION = 128

# Fewest occurrences of a word without a vector. The model learns the unknown token from the words that are rarer.
MIN_FREQUENCY = 2


@dataclass(frozen=True)
class VectorVocabulary:
    """
    A tokenizer and the vectors of its tokens.

    Args:
        tokenizer: The tokenizer, which can be streamed.
        vectors: `(tokens, dimension)`, float32, with a mean square of 1; zero for tokens without a vector.
        notes: Sentences on the source, on words without a vector and on entries that were left out.
    """

    tokenizer: PreTrainedTokenizerFast
    vectors: np.ndarray
    notes: list[str]


def read_vocabulary(
    source: str,
    texts: Iterable[str],
    kind: Literal["word", "wordpiece"] | None = None,
    vocab_size: int = 30_000,
    lowercase: bool = True,
    dimension: int | None = None,
    trust_remote_code: bool = False,
) -> VectorVocabulary:
    """
    Build a vocabulary of the words of texts and of a source of vectors, so that words of new texts have vectors, too.

    The normaliser and the pre-tokenizer are those of [`train_tokenizer`]. Entries of the source that they can never
    produce are left out. The outputs of an encoder for single words are reduced by principal component analysis as in
    model2vec (https://github.com/MinishLab/model2vec), but not weighted by frequency: an LSTM, unlike a mean of
    vectors, can read "not" only if its vector is not close to zero.

    Args:
        source: File, folder or Hub id, see [`open_source`].
        texts: The training texts.
        kind: `"word"`, or `"wordpiece"` for the words and subwords of the WordPiece tokenizer of the source.
        vocab_size: Upper limit of the vocabulary, including the special tokens. The words of the texts are first, by
            frequency, and those of the source follow in its order.
        lowercase: Convert to lower case.
        dimension: Dimensions of the vectors, which are reduced by principal component analysis. The default is that of
            the source, at most 128.
        trust_remote_code: Run the code of an encoder that has its own model class.

    Returns:
        The tokenizer, and the vectors of its tokens.

    Raises:
        ValueError: The source is damaged, has no WordPiece tokenizer, no vector of a word of the texts, or fewer
            dimensions than `dimension`.
        OSError: There is no such file, folder or Hub id, or the Hub cannot be reached.
    """
    opened = open_source(source, trust_remote_code)
    has_pieces = isinstance(opened, SubwordVectors) and opened.is_wordpiece
    if kind == "wordpiece" and not has_pieces:
        raise ValueError(f"{source} has no WordPiece tokenizer: remove `tokenizer`.")
    if vocab_size < 2 * len(SPECIAL_TOKENS):
        raise ValueError(f"vocab_size={vocab_size} is too small: it must be at least {2 * len(SPECIAL_TOKENS)}.")
    counts = count_words(texts, lowercase)
    room = vocab_size - len(SPECIAL_TOKENS)
    chosen: _Choice
    if isinstance(opened, SubwordVectors) and has_pieces and kind == "wordpiece":
        chosen = _choose_pieces(opened, counts, room, lowercase)
    else:
        chosen = _choose_words(opened, counts, room, lowercase)
    if not chosen.known.any():
        raise ValueError(f"No word of the training texts has a vector in {source}: check its language and `lowercase`.")
    vectors = chosen.vectors  # (tokens, dimension of the source)
    if dimension is not None and dimension > vectors.shape[1]:
        raise ValueError(
            f"`embedding_size` is {dimension:,}, but the vectors of {source} have only {vectors.shape[1]:,} dimensions."
        )
    size = dimension or min(DEFAULT_DIMENSION, vectors.shape[1])
    notes = _describe(source, counts, chosen, size)
    has_vector = vectors.any(axis=1)  # (tokens,)
    if size < vectors.shape[1]:
        reduced = np.zeros((len(vectors), size), dtype=np.float32)
        reduced[has_vector], explained = reduce_dimensions(vectors[has_vector], size)
        notes.append(f"PCA from {vectors.shape[1]:,} to {size:,} dimensions keeps {explained:.1%} of the variance.")
        vectors = reduced
    scaled = vectors / np.sqrt(np.square(vectors[has_vector]).mean())
    tokenizer = build_given_tokenizer(chosen.tokens, chosen.kind, lowercase)
    special = np.zeros((len(SPECIAL_TOKENS), size))
    return VectorVocabulary(tokenizer, np.concatenate([special, scaled]).astype(np.float32), notes)


@dataclass(frozen=True)
class _Choice:
    """The tokens of a vocabulary after the special ones, their vectors, and what is known and left out."""

    kind: Literal["word", "wordpiece"]
    tokens: list[str]
    vectors: np.ndarray  # (tokens, dimension of the source)
    known: np.ndarray  # (words of the texts,), whether a word has a vector
    unknown: int  # words of the texts that the vocabulary lacks
    added: int  # tokens that no text has
    left_out: int  # entries of the source that no text can produce


def _choose_words(source: VectorSource, counts: Counter[str], room: int, lowercase: bool) -> _Choice:
    """Choose the words of the texts that have a vector or are frequent enough, and fill up with those of the source."""
    candidates, left_out = source.read(counts, room, lowercase)
    words = list(counts)
    known = source.has(words)
    tokens = [word for word, has in zip(words, known, strict=True) if has or counts[word] >= MIN_FREQUENCY][:room]
    others = [word for word in candidates if word not in counts][: room - len(tokens)]
    tokens += others
    unknown = len(words) + len(others) - len(tokens)
    return _Choice("word", tokens, source.embed(tokens), known, unknown, len(others), left_out)


def _choose_pieces(source: SubwordVectors, counts: Counter[str], room: int, lowercase: bool) -> _Choice:
    """Choose single characters, then subwords by their frequency in the texts, then those of the source."""
    pieces, left_out = source.read_pieces(lowercase)
    # Characters of the texts that the source does not have, such as accented ones.
    characters = Counter[str]()
    for word, count in counts.items():
        characters.update(dict.fromkeys(word, count))
    frequent = [character for character, count in characters.most_common() if count >= MIN_FREQUENCY]
    entries = set(pieces)
    new = [p for c in frequent for p in (c, CONTINUES + c) if p not in entries]
    has_vector = source.has([piece.removeprefix(CONTINUES) for piece in new])
    pieces += new
    words = list(counts)
    tokenizer = build_given_tokenizer(pieces, "wordpiece", lowercase)
    used = np.zeros(len(tokenizer), dtype=np.int64)
    known, unknown = np.zeros(len(words), dtype=bool), 0
    ids_of = tokenizer.get_vocab()
    random = {ids_of[piece] for piece, has in zip(new, has_vector, strict=True) if not has}
    for i, ids in enumerate(tokenizer(words, add_special_tokens=False)["input_ids"]):
        unknown += tokenizer.unk_token_id in ids
        known[i] = tokenizer.unk_token_id not in ids and random.isdisjoint(ids)
        used += np.bincount(ids, minlength=len(used)) * counts[words[i]]
    frequencies = dict(zip(pieces, used[len(SPECIAL_TOKENS) :].tolist(), strict=True))
    order = sorted(pieces, key=lambda piece: -frequencies[piece])  # stable: pieces that no text has keep their order
    # Any text without rare characters has tokens if all characters have. Half of the room is left for longer pieces.
    singles = [piece for piece in order if len(piece.removeprefix(CONTINUES)) == 1][: room // 2]
    kept = set(singles)
    kept.update([piece for piece in order if piece not in kept][: room - len(singles)])
    tokens = [piece for piece in order if piece in kept]
    added = sum(frequencies[piece] == 0 for piece in tokens)
    return _Choice("wordpiece", tokens, source.embed_pieces(tokens), known, unknown, added, left_out)


def _describe(source: str, counts: Counter[str], chosen: _Choice, size: int) -> list[str]:
    """Return sentences on the source and on what was left out."""
    tokens = np.array(list(counts.values()))  # (words,)
    unit = "word" if chosen.kind == "word" else "subword"
    notes = [
        f"Vectors from {source} ({size:,} dimensions): {chosen.known.sum():,} of {len(counts):,} training words have "
        f"one ({tokens[chosen.known].sum() / tokens.sum():.1%} of the tokens); added "
        f"{format_count(chosen.added, unit)} of the source that no training text has; left out "
        f"{chosen.left_out:,} entries that the tokenizer never produces."
    ]
    random = int((~chosen.vectors.any(axis=1)).sum())
    if random or chosen.unknown:
        notes.append(
            f"Random initial vectors: {format_count(random, unit)}. Unknown ([UNK]): "
            f"{format_count(chosen.unknown, 'training word')}."
        )
    return [*notes, f"The model contains external knowledge from {source}, which may have a licence of its own."]


def reduce_dimensions(vectors: np.ndarray, dimension: int) -> tuple[np.ndarray, float]:
    """
    Reduce vectors by principal component analysis.

    Args:
        vectors: `(words, dimension of the source)`.
        dimension: Number of principal components.

    Returns:
        `(words, dimension)`, and the share of the variance that is kept.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)  # (words, dimension of the source)
    variances, axes = np.linalg.eigh(centred.T @ centred)  # in increasing order
    kept = float(variances[-dimension:].sum() / variances.sum()) if variances.sum() > 0 else 1.0
    return (centred @ axes[:, ::-1][:, :dimension]).astype(np.float32), kept
