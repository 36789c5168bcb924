"""Read text files of word vectors, in the formats of GloVe, word2vec and fastText."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, islice, takewhile

import numpy as np

from ..data import FileError, open_binary, reading_errors
from ..text import are_words

# Lines that are read before it is decided which of their vectors are needed: 25 MB of 300 dimensions.
BATCH_LINES = 10_000


class VectorFile:
    """
    Word vectors in a text file.

    Args:
        path: The file, in the format of GloVe, word2vec or fastText.
    """

    def __init__(self, path: str):
        self.path = path
        self.dimension = 0
        self._rows: dict[str, np.ndarray] = {}

    def read(self, wanted: Collection[str], others: int, lowercase: bool) -> tuple[list[str], int]:
        """
        Read the vectors that may be needed.

        Args:
            wanted: Words whose vectors are read wherever they are in the file.
            others: Number of other words whose vectors are read, the first ones of the file.
            lowercase: Whether texts are converted to lower case.

        Returns:
            These words in the order of the file, and how many of its entries no text can produce.
        """
        left_out, room = 0, others
        found: set[str] = set()
        parts = {part for word in wanted for part in split_contraction(word)}

        def select(words: list[str]) -> list[bool]:
            nonlocal left_out, room
            possible = are_words(words, lowercase)
            left_out += len(words) - int(possible.sum())
            chosen = []
            for word, is_possible in zip(words, possible, strict=True):
                is_word = bool(is_possible) and (word in wanted or room > 0)
                needed = word not in found and (is_word or word in parts)
                if needed:
                    found.add(word)
                    room -= is_word and word not in wanted
                chosen.append(needed)
            return chosen

        words, vectors = read_vector_file(self.path, select)
        self.dimension = vectors.shape[1]
        self._rows = dict(zip(words, vectors, strict=True))
        return [word for word, possible in zip(words, are_words(words, lowercase), strict=True) if possible], left_out

    def has(self, words: Sequence[str]) -> np.ndarray:
        """Return for each word whether it has a vector: `(words,)`, Boolean."""
        return np.array([bool(self._parts(word)) for word in words], dtype=bool)

    def embed(self, words: Sequence[str]) -> np.ndarray:
        """Return the vectors of words, zero for those without one: `(words, dimension)`."""
        vectors = np.zeros((len(words), self.dimension), dtype=np.float32)
        for i, word in enumerate(words):
            if parts := self._parts(word):
                vectors[i] = np.mean([self._rows[part] for part in parts], axis=0)
        return vectors

    def _parts(self, word: str) -> list[str]:
        """Return the entries whose mean is the vector of a word: the word itself, or all parts of a contraction."""
        parts = [word] if word in self._rows else split_contraction(word)
        return parts if all(part in self._rows for part in parts) else []


def split_contraction(word: str) -> list[str]:
    """
    Split a contraction as the Penn Treebank does, whose rules made the words of GloVe.

    Args:
        word: A word, such as "don't" or "it's".

    Returns:
        Its parts, such as "do" and "n't"; none if the word has no apostrophe between letters.
    """
    if word.endswith("n't") and len(word) > 3:
        return [word[:-3], "n't"]
    start, apostrophe, end = word.rpartition("'")
    return [start, apostrophe + end] if start and end else []


def read_vector_file(path: str, select: Callable[[list[str]], Sequence[bool]]) -> tuple[list[str], np.ndarray]:
    """
    Read the vectors of selected words in one pass. Only these are converted to numbers and held in memory.

    Each line has a word and its numbers, separated by spaces. The word itself may contain spaces, as in GloVe 840B. The
    first line may have the number of words and the dimension instead, as in the formats of word2vec and fastText.

    Args:
        path: The file, possibly compressed (.gz, .bz2, .xz, .zst, .zip).
        select: Returns for the words of some successive lines which of them are needed.

    Returns:
        The selected words in the order of the file, and their vectors: `(words, dimension)`, float32.

    Raises:
        ValueError: It is not a file of word vectors, or a line is broken; the message has its number.
        FileNotFoundError: There is no such file.
    """
    words: list[str] = []
    vectors: list[np.ndarray] = []
    with reading_errors(path), open_binary(path) as file:
        lines: Iterator[tuple[int, bytes]] = (pair for pair in enumerate(map(bytes.rstrip, file), start=1) if pair[1])
        dimension, lines = _find_dimension(path, lines)
        while batch := list(islice(lines, BATCH_LINES)):
            found = [_word_of(path, number, line, dimension) for number, line in batch]
            for word, (number, line), is_needed in zip(found, batch, select(found), strict=True):
                if is_needed:
                    words.append(word)
                    vectors.append(_vector_of(path, number, line, dimension))
    return words, np.array(vectors, dtype=np.float32).reshape(len(words), dimension)


def _find_dimension(path: str, lines: Iterator[tuple[int, bytes]]) -> tuple[int, Iterator[tuple[int, bytes]]]:
    """Return the dimension, and the lines that have a word."""
    first = next(lines, None)
    fields = [] if first is None else first[1].split(b" ")
    if first is None or not (numbers := list(takewhile(_is_number, reversed(fields[1:])))):
        raise FileError(f"{path} is not a text file of word vectors: its first line is not a word with numbers.")
    if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit():
        return int(fields[1]), lines
    return len(numbers), chain([first], lines)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _word_of(path: str, number: int, line: bytes, dimension: int) -> str:
    spaces = line.count(b" ")
    if spaces < dimension:
        raise _broken(path, number, dimension)
    # Splitting off all numbers takes much longer, and few words have spaces.
    word = line.split(b" ", 1)[0] if spaces == dimension else line.rsplit(b" ", dimension)[0]
    return word.decode("utf-8", "replace")


def _vector_of(path: str, number: int, line: bytes, dimension: int) -> np.ndarray:
    try:
        vector = np.array([float(field) for field in line.rsplit(b" ", dimension)[1:]], dtype=np.float32)
    except ValueError:
        raise _broken(path, number, dimension) from None
    if not np.isfinite(vector).all():
        raise _broken(path, number, dimension)
    return vector


def _broken(path: str, number: int, dimension: int) -> FileError:
    return FileError(
        f"{path}, line {number:,}: expected a word and {dimension:,} numbers. The file is damaged, or in a binary "
        "format: use a text format (.txt, .vec)."
    )
