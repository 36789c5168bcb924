"""Encode texts without truncation and padding, even if another thread uses the tokenizer with them."""

from collections.abc import Sequence
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerFast

# For each tokenizer the settings from which its copy was made, and the copy.
_copies: WeakKeyDictionary[PreTrainedTokenizerFast, tuple[tuple[Any, ...], Tokenizer]] = WeakKeyDictionary()
_lock = Lock()


def encode_texts(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], *, add_special_tokens: bool = True, offsets: bool = False
) -> list[Encoding]:
    """Encode whole texts.

    A tokenizer stores the truncation and padding of its last call, so that calls from several threads can truncate each
    other's texts. The texts are therefore encoded by a copy, which is made once for each tokenizer and again when its
    tokens or its processing of a text have changed. The tokenizer itself is not modified.

    Args:
        tokenizer: The tokenizer.
        texts: Texts without lone surrogates; see `clean_text`.
        add_special_tokens: Add the tokens that start a text.
        offsets: Compute the positions of the tokens in the text, which takes longer.

    Returns:
        One encoding per text, with `ids` and, if wanted, `offsets`.
    """
    backend = untruncated_copy(tokenizer)
    encode = backend.encode_batch if offsets else backend.encode_batch_fast
    return encode(list(texts), add_special_tokens=add_special_tokens)


def untruncated_copy(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """Return the copy of the tokenizer that [`encode_texts`] uses."""
    with _lock:
        original = tokenizer.backend_tokenizer
        parts = (original.normalizer, original.pre_tokenizer, original.post_processor)
        settings = (
            original.get_vocab_size(),
            bool(tokenizer.split_special_tokens),
            *(part and part.__getstate__() for part in parts),
        )
        known = _copies.get(tokenizer)
        if known is None or known[0] != settings:
            copy = Tokenizer.from_str(original.to_str())
            copy.no_truncation()
            copy.no_padding()
            copy.encode_special_tokens = bool(tokenizer.split_special_tokens)
            _copies[tokenizer] = known = (settings, copy)
        return known[1]
