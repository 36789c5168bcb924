"""Decode the tokens of a language model while they are generated."""

from collections.abc import Sequence
from typing import cast

from transformers import PreTrainedTokenizerBase

# Tokens that are decoded again with the next ones, at least: the decoding of a token depends on its neighbours only.
CONTEXT_TOKENS = 8

# Tokens after which earlier ones are dropped, and after which bytes that are no character are returned as they are.
MAX_TOKENS = 64

# What decoders return for a character whose bytes are not complete.
INCOMPLETE = "\ufffd"


class Detokenizer:
    """
    Decode one text, token by token, for any tokenizer. The pieces, joined, are the decoded text.

    A character that is divided between tokens waits for its last byte. With a tokenizer that removes spaces after
    decoding (`clean_up_tokenization_spaces`), the last word waits for the next one. The method is that of vLLM and
    text-generation-inference: decode the last tokens with and without the new one, and take the difference.

    With a sentencepiece tokenizer that falls back to bytes, bytes that are not valid UTF-8 may be decoded differently
    than in the whole text, where they also change the characters before them.

    Args:
        tokenizer: Tokenizer of the language model.
        skip_special_tokens: Do not decode special tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, skip_special_tokens: bool = True):
        self.tokenizer, self.skip_special_tokens = tokenizer, skip_special_tokens
        self._ids: list[int] = []
        self._emitted = 0  # characters of their decoded text
        self._waiting = 0  # tokens since the last text

    def put(self, ids: Sequence[int]) -> str:
        """Return the text that the next tokens add, without what may still change."""
        pieces = []
        for token in ids:
            self._ids.append(token)
            text = self._decode()
            end = self._stable_length(text)
            self._waiting = 0 if end > self._emitted else self._waiting + 1
            if self._waiting > MAX_TOKENS:
                end, self._waiting = len(text) - 3, 0  # a character has at most four bytes
            end = max(self._emitted, end)
            pieces.append(text[self._emitted : end])
            self._emitted = end
            if len(self._ids) > MAX_TOKENS:
                self._drop_tokens(text)
        return "".join(pieces)

    def _drop_tokens(self, text: str) -> None:
        """Keep the last tokens, from one on whose text is the end of `text`, the text of all."""
        waiting = len(text) - self._emitted
        forced = len(self._ids) > 4 * MAX_TOKENS
        if text.endswith(INCOMPLETE) and not forced:
            return
        for start in range(len(self._ids) - CONTEXT_TOKENS, 0, -1):
            rest = self._decode(start)
            if len(rest) >= waiting and (forced or text.endswith(rest)):
                self._ids, self._emitted = self._ids[start:], len(rest) - waiting
                return

    def finish(self) -> str:
        """Return the rest of the text."""
        text = self._decode()[self._emitted :]
        self._emitted += len(text)
        return text

    def _stable_length(self, text: str) -> int:
        end = len(text.rstrip(INCOMPLETE))
        if getattr(self.tokenizer, "clean_up_tokenization_spaces", False):
            end = max(0, text.rfind(" ", 0, end))
        return end

    def _decode(self, start: int = 0) -> str:
        ids = self._ids[start:]
        return cast(str, self.tokenizer.decode(ids, skip_special_tokens=self.skip_special_tokens))
