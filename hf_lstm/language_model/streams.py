"""Continuous streams of tokens for truncated backpropagation through time."""

from collections.abc import Iterator

import numpy as np
import torch

from .tokenized import TokenTexts


class TokenStreams:
    """
    All texts joined and cut into parallel streams, which are read block by block.

    Row `b` of a block continues row `b` of the block before it, so that a recurrent state can be carried over (Merity
    et al., https://huggingface.co/papers/1708.02182). Every token but the first is predicted exactly once; at most
    `batch_size - 1` tokens at the end are left out.

    Args:
        texts: The texts, in the order in which they are joined.
        batch_size: Number of streams. It is reduced where there are fewer tokens.
        block_size: Number of tokens that a block predicts per stream; the last block may be shorter.
        reverse: Read the joined texts from the end, for a model with `config.reverse`.
        device: Where the tokens are kept.

    Raises:
        ValueError: There are fewer than two tokens.
    """

    def __init__(
        self,
        texts: TokenTexts,
        batch_size: int,
        block_size: int,
        reverse: bool = False,
        device: torch.device | str = "cpu",
    ):
        count = len(texts.tokens)
        if count < 2:
            raise ValueError(f"A language model needs at least two tokens, got {count}.")
        tokens = texts.tokens[::-1] if reverse else texts.tokens
        self.batch_size, self.block_size, self.reverse = min(batch_size, count - 1), block_size, reverse
        self.steps = (count - 1) // self.batch_size
        joined = torch.from_numpy(tokens[: self.steps * self.batch_size + 1].astype(np.int32)).to(device)
        # Each stream has one more token than steps: the first of the next stream is the last that it predicts.
        self.ids = joined.unfold(0, self.steps + 1, self.steps)  # (batch, steps + 1)

    def __len__(self) -> int:
        return -(-self.steps // self.block_size)

    @property
    def predicted_tokens(self) -> int:
        return self.steps * self.batch_size

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield inputs `(batch, block)` and labels `(batch, block + 1)`, as [`LstmForCausalLM`] takes them."""
        for start in range(0, self.steps, self.block_size):
            labels = self.ids[:, start : start + self.block_size + 1].long()
            if self.reverse:
                labels = labels.flip(1)
                yield labels[:, 1:], labels
            else:
                yield labels[:, :-1], labels
