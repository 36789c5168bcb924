"""The words of a text and their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding


@dataclass(frozen=True)
class Word:
    """
    A word of a text.

    Args:
        text: Its characters, `explanation.text[start:end]`.
        start: Position of its first character.
        end: Position after its last character.
        contribution: How much it adds to the score.
        score_after: Score of the text up to this word, if the model reads forward.
    """

    text: str
    start: int
    end: int
    contribution: float
    score_after: float | None = None


@dataclass
class WordTokens:
    """
    A word of a text and its tokens.

    Args:
        start: Position of its first character.
        end: Position after its last character.
        tokens: Positions of its tokens in the encoding.
    """

    start: int
    end: int
    tokens: list[int]


def find_words(encoding: Encoding) -> list[WordTokens]:
    """
    Return the words of a text in order: what the tokenizer splits a text into before it looks up the vocabulary.

    Punctuation marks are words of their own. Pieces of the same characters are one word, such as the three pieces of
    "½", which the tokenizer reads as "1⁄2".

    Args:
        encoding: Encoding of the text with offsets. The special tokens that the tokenizer adds belong to no word.
    """
    words: list[WordTokens] = []
    last_piece = None
    pieces: Sequence[int | None] = encoding.word_ids
    for token, (start, end) in enumerate(encoding.offsets):
        if encoding.special_tokens_mask[token]:
            continue
        same_piece = pieces[token] is not None and pieces[token] == last_piece
        if words and (same_piece or start < words[-1].end):
            words[-1].end = max(words[-1].end, end)
            words[-1].tokens.append(token)
        else:
            words.append(WordTokens(start, end, [token]))
        last_piece = pieces[token]
    return words
