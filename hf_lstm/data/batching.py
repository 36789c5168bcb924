"""Tokenise texts, and collate rows into padded batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Sampler
from transformers import PreTrainedTokenizerFast

from ..messages import library_progress_bars

if TYPE_CHECKING:  # a prediction pads batches, but does not need `datasets`
    from datasets import DatasetDict, IterableDatasetDict


@library_progress_bars()
def tokenize_corpus(
    splits: DatasetDict,
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_length: int | None = None,
    num_proc: int | None = None,
) -> DatasetDict:
    """Tokenise the texts of every split. The result is cached on disk by `datasets`.

    Args:
        splits: Splits with the columns `text` and `labels`.
        tokenizer: A fast tokenizer; it uses several threads.
        max_length: Maximum number of tokens of a training text. Longer ones are truncated, which bounds the time and
            memory of a training step. Validation and test texts are not truncated, because the model reads any length.
        num_proc: Number of processes, for a corpus that is too large for the threads of the tokenizer.

    Returns:
        The same splits with `input_ids`, `length` (in tokens) and `labels`. The collator creates the attention mask.
    """
    tokenized = type(splits)()
    for split, rows in splits.items():
        # Each call stores its truncation and padding in the tokenizer, which is part of the cache key of `datasets`.
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


def _tokenize_batch(
    batch: dict[str, list], tokenizer: PreTrainedTokenizerFast, max_length: int | None
) -> dict[str, list]:
    encoding = tokenizer(
        batch["text"],
        truncation=max_length is not None,
        max_length=max_length,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return {"input_ids": encoding["input_ids"], "length": [len(ids) for ids in encoding["input_ids"]]}


# A larger share of unknown tokens is reported with advice.
MAX_UNKNOWN_SHARE = 0.05


def summarize_tokens(
    texts: DatasetDict,
    tokenized: DatasetDict,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int | None,
    kind_is_free: bool = True,
) -> list[str]:
    """Return sentences about the lengths of the training texts and the unknown tokens of the validation texts.

    Args:
        texts: The splits before [`tokenize_corpus`].
        tokenized: The splits after it.
        tokenizer: The tokenizer that was used.
        max_length: Number of tokens after which training texts were truncated.
        kind_is_free: The user may choose another kind of tokenizer. A saved model or vectors determine it.
    """
    lengths = np.array(tokenized["train"]["length"][:])  # (texts,)
    # Only a text of the maximum length can have been longer.
    candidates = np.flatnonzero(lengths == (max_length or 0))
    for batch in (candidates[start : start + JOINED_TEXTS] for start in range(0, len(candidates), JOINED_TEXTS)):
        rows = _tokenize_batch(texts["train"].select(batch)[:], tokenizer, None)
        lengths[batch] = rows["length"]
    median, high, longest = np.percentile(lengths, [50, 95, 100], method="higher").tolist()
    notes = [
        f"Length of the training texts in tokens: median {median:,}, 95th percentile {high:,}, maximum {longest:,}."
    ]
    if truncated := int((lengths > max_length).sum()) if max_length is not None else 0:
        notes[0] = notes[0][:-1] + (
            f"; {truncated:,} of {len(lengths):,} are truncated after {max_length:,} tokens, see max_length."
        )
    ids = np.array(list(chain.from_iterable(tokenized["validation"]["input_ids"])))
    unknown = ids == tokenizer.unk_token_id
    total = int((unknown | ~np.isin(ids, tokenizer.all_special_ids)).sum())
    share = unknown.sum() / max(total, 1)
    notes.append(f"Unknown tokens ([UNK]) in the validation texts: {unknown.sum():,} of {total:,} ({share:.1%}).")
    if share > MAX_UNKNOWN_SHARE and kind_is_free:
        notes[1] += " Train with `--tokenizer bpe`, which has no unknown tokens, or with more texts."
    return notes


def pad_batch(input_ids: Sequence[Sequence[int]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Pad token ids on the right.

    Args:
        input_ids: Token ids of each row.
        pad_token_id: Id of the padding token.

    Returns:
        `input_ids` and `attention_mask`, each `(batch, seq)`.
    """
    rows = [torch.as_tensor(ids, dtype=torch.long) for ids in input_ids]
    return {
        "input_ids": pad_sequence(rows, batch_first=True, padding_value=pad_token_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
    }


class ClassifierCollator:
    """Collate rows with `input_ids` and `labels` into a padded batch; other columns are ignored.

    Args:
        pad_token_id: Id of the padding token.
    """

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = pad_batch([row["input_ids"] for row in rows], self.pad_token_id)
        batch["labels"] = torch.as_tensor(np.array([row["labels"] for row in rows]))
        return batch


# Number of texts that are joined and cut into rows at a time.
JOINED_TEXTS = 1_000


@library_progress_bars()
def tokenize_blocks(
    splits: DatasetDict | IterableDatasetDict, tokenizer: PreTrainedTokenizerFast, block_size: int
) -> DatasetDict | IterableDatasetDict:
    """Tokenise the texts, join them, and cut them into rows of equal length without padding.

    Args:
        splits: Splits with the column `text`.
        tokenizer: Its first token, which it puts before each text, marks the border between two texts.
        block_size: Number of tokens in a row, at least 2. The last row of every thousand texts is shorter.

    Returns:
        The same splits with `input_ids` as the only column.

    Raises:
        ValueError: `block_size` is less than 2.
    """
    if block_size < 2:
        raise ValueError(f"block_size must be at least 2, so that each row has a token to predict; got {block_size}.")
    from datasets import Dataset

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


def _join_and_cut(batch: dict[str, list], tokenizer: PreTrainedTokenizerFast, block_size: int) -> dict[str, list]:
    encoding = tokenizer(batch["text"], return_attention_mask=False, return_token_type_ids=False, verbose=False)
    joined = list(chain.from_iterable(encoding["input_ids"]))
    rows = [joined[start : start + block_size] for start in range(0, len(joined), block_size)]
    return {"input_ids": [row for row in rows if len(row) > 1]}


class BlockCollator:
    """Collate rows with `input_ids` into a batch for language modelling, with `input_ids` as labels.

    Padding has the label -100, which the loss ignores. A batch without padding has no attention mask.

    Args:
        pad_token_id: Id of the padding token.
    """

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        batch = pad_batch([row["input_ids"] for row in rows], self.pad_token_id)
        batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        if batch["attention_mask"].all():
            del batch["attention_mask"]
        return batch


# Rows of similar length are grouped within this many batches. More of them reduce padding; fewer shuffle better.
WINDOW_BATCHES = 50


class SimilarLengthSampler(Sampler[int]):
    """Order rows so that the rows of a batch have similar lengths and the batches are in random order.

    The sampler of transformers sorts each group of batches from long to short, so that the length of the texts in a
    training step depends on its position in the epoch.

    Args:
        lengths: Number of tokens of each row.
        batch_size: Number of rows in a batch.
        seed: The seed and the epoch determine the order, so that a resumed training continues in the same order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int):
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which changes the order of the rows."""
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
        # A batch that is not full comes last; elsewhere it would shift the borders of the batches after it.
        full = [batch for batch in batches if len(batch) == self.batch_size]
        rest = [batch for batch in batches if len(batch) < self.batch_size]
        rng.shuffle(full)
        for batch in full + rest:
            yield from batch.tolist()
