"""Tokenize ASCII texts with a tokenizer of the kind `word`, about three times as fast as with `tokenizers`.

This module uses only the standard library, because exported models include a copy of it.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

# This file is also copied to exported folders, which are not packages.
if TYPE_CHECKING or __package__:
    from .boundaries import MAX_RUN_LENGTH, SEPARATOR, SPECIAL_TOKENS
else:
    from boundaries import MAX_RUN_LENGTH, SEPARATOR, SPECIAL_TOKENS

# Contractions such as "don't" stay whole, because a classifier needs their negation. The joiners U+200C and U+200D are
# part of Persian and Indic words. At most three equal symbols form one piece, so that "!!!!!!!" needs no entry in
# the vocabulary.
PIECE = r"[\p{L}\p{M}\u200c\u200d]+(?:'[\p{L}\p{M}\u200c\u200d]+)*|\p{N}+|([^ \p{L}\p{M}\p{N}])\1{0,2}[\p{M}\u200d]*"

# Vowel signs and the stretching of a word (tatweel).
ARABIC_MARKS = r"[\u0640\u064b-\u0652\u0670]"

# The end of a run of characters that has the maximum length, if it goes on.
LONG_RUN = rf"[^ ]{{{MAX_RUN_LENGTH}}}\K(?=[^ ])"

# The same patterns for ASCII. `SEPARATOR` without the space, which need not be replaced by itself.
_ASCII_SEPARATOR = re.compile(r"(?i:<br[\x00-\x20\x7f]?/?>)|[\x00-\x1f\x7f]")
_ASCII_LONG_RUN = re.compile(rf"[^ ]{{{MAX_RUN_LENGTH}}}(?=[^ ])")
_ASCII_PIECE = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*|[0-9]+|([^\x00-\x20\x7fA-Za-z0-9])\1{0,2}")


class AsciiWords:
    """
    Tokenizer for ASCII texts.

    Args:
        rules: Content of `tokenizer.json` for which [`is_word_tokenizer`] is true.
    """

    def __init__(self, rules: Mapping[str, Any]):
        self._vocabulary: dict[str, int] = rules["model"]["vocab"]
        self._unknown = self._vocabulary[rules["model"]["unk_token"]]
        self._start = self._vocabulary["[CLS]"]
        self._lowercase = {"type": "Lowercase"} in rules["normalizer"]["normalizers"]

    def encode(self, text: str) -> list[int] | None:
        """
        Tokenize a text.

        Args:
            text: Text after `clean_text`.

        Returns:
            The token ids, which start with that of `[CLS]`; `None` if the text has other characters than ASCII or may
            contain a special token, so that it requires the tokenizer itself.
        """
        if "[" in text or not text.isascii():
            return None
        text = _ASCII_LONG_RUN.sub(r"\g<0> ", _ASCII_SEPARATOR.sub(" ", text))
        if self._lowercase:
            text = text.lower()
        find, unknown = self._vocabulary.get, self._unknown
        return [self._start, *[find(piece[0], unknown) for piece in _ASCII_PIECE.finditer(text)]]

    def encode_piece(self, text: str) -> tuple[list[int], list[tuple[int, int]]] | None:
        """
        Tokenize a part of a text.

        Args:
            text: Part of a text that ends where `take_stable_text` allows it.

        Returns:
            The token ids, without that of `[CLS]`, and the start and end of each token in `text`; `None` if the text
            requires the tokenizer itself.
        """
        if "[" in text or "<" in text or not text.isascii() or _ASCII_LONG_RUN.search(text):
            return None
        find, unknown = self._vocabulary.get, self._unknown
        pieces = list(_ASCII_PIECE.finditer(text.lower() if self._lowercase else text))
        return [find(piece[0], unknown) for piece in pieces], [piece.span() for piece in pieces]


def is_word_tokenizer(rules: Mapping[str, Any]) -> bool:
    """Return whether the content of `tokenizer.json` has the rules of a tokenizer of the kind `word`."""
    steps = (rules["normalizer"] or {}).get("normalizers", [])
    split = {"type": "Split", "pattern": {"Regex": PIECE}, "behavior": "Removed", "invert": True}
    start = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
    return (
        rules["model"].get("type") == "WordLevel"
        and rules["pre_tokenizer"] == split
        and steps[:2] == [_replace(Regex=SEPARATOR), _replace(Regex=LONG_RUN)]
        and all(step == {"type": "Lowercase"} or _keeps_ascii(step) for step in steps[2:])
        and [token["content"] for token in rules["added_tokens"]] == SPECIAL_TOKENS
        and (rules["post_processor"] or {}).get("single") == [start, {"Sequence": {"id": "A", "type_id": 0}}]
    )


def _keeps_ascii(step: Mapping[str, Any]) -> bool:
    """Return whether a step of the normaliser is known to change no ASCII text."""
    if step["type"] in ("NFC", "NFKC"):
        return True
    pattern = step.get("pattern", {})
    return step["type"] == "Replace" and (pattern == {"Regex": ARABIC_MARKS} or not pattern.get("String", "").isascii())


def _replace(**pattern: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": " "}
