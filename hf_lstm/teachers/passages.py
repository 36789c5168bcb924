"""
Cut texts into passages of whole sentences, and cut off their ends.

Texts without spaces between words cannot be cut by their number of words.
"""

import re
from collections.abc import Iterable

import numpy as np

# The end of a sentence, in scripts with and without spaces, or of a line.
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n|<br ?/?>", re.IGNORECASE)

# A word with its punctuation, or a line break of HTML, which must not be cut.
WORD = re.compile(r"<br ?/?>|[^\s<]+|<", re.IGNORECASE)


def cut_passages(texts: Iterable[str], words: int) -> list[str]:
    """
    Cut texts at the ends of sentences.

    Args:
        texts: Texts whose words are separated by spaces. Without spaces, a sentence counts as one word, so that a text
            is not cut at the number of words that was meant.
        words: A passage ends with the sentence in which it reaches this number of words.

    Returns:
        The passages in order, without duplicates. If the last passage of a text has less than half that many words, it
        is appended to the one before.
    """
    passages: list[str] = []
    for text in texts:
        of_text: list[list[str]] = [[]]
        for sentence in SENTENCE_END.split(text):
            if len(of_text[-1]) >= words:
                of_text.append([])
            of_text[-1] += sentence.split()
        if len(of_text) > 1 and len(of_text[-1]) < words / 2:
            rest = of_text.pop()
            of_text[-1] += rest
        passages += [" ".join(passage) for passage in of_text if passage]
    return list(dict.fromkeys(passages))


def cut_prefixes(texts: Iterable[str], seed: int) -> list[str]:
    """
    Cut off each text after a random number of its words, each number with the same probability.

    Args:
        texts: Texts whose words are separated by spaces. A text of one word has no prefix.
        seed: Seed of the random numbers.

    Returns:
        The prefixes in order, without duplicates.
    """
    rng = np.random.default_rng(seed)
    prefixes: list[str] = []
    for text in texts:
        ends = [word.end() for word in WORD.finditer(text)]
        if len(ends) > 1:
            prefixes.append(text[: ends[int(rng.integers(len(ends) - 1))]])
    return list(dict.fromkeys(prefixes))
