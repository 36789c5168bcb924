"""Batches of similar length in random order."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

# Batches among whose texts the similar ones are sought: more carry less padding, fewer mix the texts better.
WINDOW_BATCHES = 50


class SimilarLengthSampler(Sampler[int]):
    """
    Orders rows so that every `batch_size` consecutive ones are of similar length, and short and long batches alternate.

    The library's own grouping goes from long to short again and again, so that a training step's texts depend on its
    place in the epoch.

    Args:
        lengths: Tokens of each row.
        batch_size: Rows in a batch.
        seed: Together with the epoch it fixes the order, so that an interrupted training resumes in it.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int):
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self.seed, self.epoch))
        shuffled = rng.permutation(len(self.lengths))
        batches = []
        for start in range(0, len(shuffled), WINDOW_BATCHES * self.batch_size):
            window = shuffled[start : start + WINDOW_BATCHES * self.batch_size]
            window = window[np.argsort(self.lengths[window], kind="stable")]
            batches += [window[i : i + self.batch_size] for i in range(0, len(window), self.batch_size)]
        # A batch that is not full stays last: anywhere else it would shift the bounds of those after it.
        full = [batch for batch in batches if len(batch) == self.batch_size]
        rest = [batch for batch in batches if len(batch) < self.batch_size]
        rng.shuffle(full)
        for batch in full + rest:
            yield from batch.tolist()
