"""Turn texts into token ids, and rows of them into padded batches of similar length."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from datasets import (
    Dataset,
    DatasetDict,
    IterableDatasetDict,
)
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Sampler
from transformers import (
    PreTrainedTokenizerFast,
)


def tokenize_corpus(
    splits: DatasetDict, tokenizer, *, max_length: int | None = None, num_proc: int | None = None
) -> DatasetDict:
    """Turns the text of every split into `input_ids`, cached on disk by `datasets`.

    Args:
        splits: Splits with the columns `text` and `labels`.
        tokenizer: A fast tokenizer; it uses several threads by itself.
        max_length: Longest training example in tokens; the rest is cut off, which bounds the time and memory of a step.
            Validation and test texts are read whole, as the model reads any length.
        num_proc: Processes, for a corpus so large that the threads of the tokenizer are not enough.

    Returns:
        The same splits with `input_ids`, `length` (tokens) and `labels`. There is no attention mask: padding a batch
        makes it.
    """
    tokenized = DatasetDict()
    for split, rows in splits.items():
        # A call leaves its truncation and padding in the tokenizer, which is part of the cache key.
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        tokenized[split] = rows.map(
            _tokenize_batch,
            batched=True,
            num_proc=num_proc,
            remove_columns=[column for column in rows.column_names if column != "labels"],
            fn_kwargs={"tokenizer": tokenizer, "max_length": max_length if split == "train" else None},
            desc=f"Tokenizing {split}",
        )
    return tokenized


def _tokenize_batch(batch: dict[str, list], tokenizer, max_length: int | None) -> dict[str, list]:
    encoding = tokenizer(
        batch["text"],
        truncation=max_length is not None,
        max_length=max_length,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return {"input_ids": encoding["input_ids"], "length": [len(ids) for ids in encoding["input_ids"]]}


def pad_batch(input_ids: Sequence[Sequence[int]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Pads token ids on the right: `input_ids` and `attention_mask`, each `(batch, seq)`."""
    rows = [torch.as_tensor(ids, dtype=torch.long) for ids in input_ids]
    return {
        "input_ids": pad_sequence(rows, batch_first=True, padding_value=pad_token_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
    }


class ClassifierCollator:
    """
    Makes a padded batch of rows with `input_ids` and `labels`, whatever else the rows hold.

    Args:
        pad_token_id: What to pad with.
    """

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = pad_batch([row["input_ids"] for row in rows], self.pad_token_id)
        batch["labels"] = torch.as_tensor(np.array([row["labels"] for row in rows]))
        return batch


# Texts that are joined and cut into rows at a time.
JOINED_TEXTS = 1_000


def tokenize_blocks(
    splits: DatasetDict | IterableDatasetDict, tokenizer: PreTrainedTokenizerFast, block_size: int
) -> DatasetDict | IterableDatasetDict:
    """
    Joins the texts and cuts them into rows of equal length, so that no step is spent on padding.

    Args:
        splits: With the column `text`.
        tokenizer: Puts its first token before each text; that is where one text ends and the next begins.
        block_size: Tokens in a row. The last row of every thousand texts is shorter.

    Returns:
        The same splits with the column `input_ids` alone.
    """
    if block_size < 2:
        raise ValueError(f"block_size must be at least 2, or there is nothing to predict; got {block_size}.")
    blocks = {}
    for split, rows in splits.items():
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        options = {"desc": f"Tokenizing {split}"} if isinstance(rows, Dataset) else {}
        blocks[split] = rows.map(
            _join_and_cut,
            batched=True,
            batch_size=JOINED_TEXTS,
            remove_columns=["text"],
            fn_kwargs={"tokenizer": tokenizer, "block_size": block_size},
            **options,
        )
    return type(splits)(blocks)


def _join_and_cut(batch: dict[str, list], tokenizer, block_size: int) -> dict[str, list]:
    encoding = tokenizer(batch["text"], return_attention_mask=False, return_token_type_ids=False, verbose=False)
    joined = list(chain.from_iterable(encoding["input_ids"]))
    rows = [joined[start : start + block_size] for start in range(0, len(joined), block_size)]
    return {"input_ids": [row for row in rows if len(row) > 1]}


class BlockCollator:
    """
    Makes a batch of rows with `input_ids`, which are their own labels.

    Args:
        pad_token_id: What to pad with.
    """

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        batch = pad_batch([row["input_ids"] for row in rows], self.pad_token_id)
        batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        if batch["attention_mask"].all():
            del batch["attention_mask"]
        return batch


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
