"""Texts as token ids in one flat array."""

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

# Texts that are tokenised in one call.
BATCH_TEXTS = 1_000


class TokenTexts:
    """
    Many texts as token ids, without an object per text.

    Args:
        tokens: `(tokens,)`, the ids of all texts, one text after the other.
        lengths: `(texts,)`, number of tokens of each text.
    """

    def __init__(self, tokens: np.ndarray, lengths: np.ndarray):
        self.tokens, self.lengths = tokens, np.asarray(lengths, dtype=np.int64)
        self.ends = np.cumsum(self.lengths)
        if int(self.lengths.sum()) != len(tokens):
            raise ValueError(f"The lengths add up to {self.lengths.sum():,} tokens, but there are {len(tokens):,}.")

    @classmethod
    def of(cls, texts: Iterable[Sequence[int] | np.ndarray], dtype: type = np.int32) -> "TokenTexts":
        """Join one sequence of token ids per text."""
        arrays: list[np.ndarray] = [np.asarray(ids, dtype=dtype) for ids in texts]
        tokens = np.concatenate(arrays) if arrays else np.empty(0, dtype)
        return cls(tokens, np.array([len(ids) for ids in arrays], dtype=np.int64))

    @classmethod
    def tokenize(cls, texts: Iterable[str], tokenizer: PreTrainedTokenizerFast) -> "TokenTexts":
        """Tokenise texts without cutting them."""
        backend, iterator = tokenizer.backend_tokenizer, iter(texts)
        backend.no_truncation()
        backend.no_padding()
        batches = iter(lambda: list(islice(iterator, BATCH_TEXTS)), [])
        dtype = np.uint16 if len(tokenizer) <= 2**16 else np.int32
        return cls.of((encoding.ids for batch in batches for encoding in backend.encode_batch(batch)), dtype)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, text: int) -> np.ndarray:
        end = self.ends[text]
        return self.tokens[end - self.lengths[text] : end]

    def select(self, texts: Iterable[int] | np.ndarray) -> "TokenTexts":
        """Return the given texts, in the given order."""
        return TokenTexts.of((self[text] for text in texts), self.tokens.dtype.type)

    def pad(
        self, texts: Sequence[int] | np.ndarray, pad_token_id: int, max_length: int | None = None
    ) -> dict[str, torch.Tensor]:
        """
        Make a batch that is padded on the right.

        Args:
            texts: Indices of the texts.
            pad_token_id: Token id at the padding.
            max_length: Number of tokens after which a text is cut; `None` keeps all.

        Returns:
            `input_ids` and, where there is padding, `attention_mask`, each `(batch, seq)`.
        """
        lengths = np.minimum(self.lengths[texts], max_length or self.lengths.max(initial=0))
        ids = np.full((len(lengths), max(1, lengths.max())), pad_token_id, dtype=np.int64)
        for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
            ids[row, :length] = self[text][:length]
        batch = {"input_ids": torch.from_numpy(ids)}
        if (lengths < ids.shape[1]).any():
            mask = np.arange(ids.shape[1]) < lengths[:, None]  # (batch, seq)
            batch["attention_mask"] = torch.from_numpy(mask.astype(np.int64))
        return batch

    def length_batches(self, batch_tokens: int, generator: np.random.Generator | None = None) -> list[np.ndarray]:
        """
        Group texts of similar length, so that batches hold little padding.

        Args:
            batch_tokens: Number of tokens in a batch, padding included; a longer text is a batch of its own.
            generator: Shuffles the batches and, within a tenth of their length, the texts; `None` sorts by length.

        Returns:
            Indices of the texts of each batch.
        """
        lengths = np.maximum(self.lengths, 1)
        keys = lengths if generator is None else lengths * generator.uniform(0.9, 1.1, len(lengths))
        batches: list[np.ndarray] = []
        batch: list[int] = []
        longest = 0
        for text in np.argsort(keys, kind="stable"):
            longest = max(longest, int(lengths[text]))
            if batch and longest * (len(batch) + 1) > batch_tokens:
                batches.append(np.array(batch))
                batch, longest = [], int(lengths[text])
            batch.append(int(text))
        if batch:
            batches.append(np.array(batch))
        if generator is not None:
            generator.shuffle(batches)
        return batches
