# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Which tokens of a batch are read together, and in which order.

None of these choices changes a result. They decide how much time and memory reading a batch takes. All places that
depend on the lengths of the texts, from the outside to the inside:

    predict_logits     texts of similar length in one batch of at most BATCH_TOKENS (`hf_lstm/inference/prediction.py`)
    similar_rows       rows of a batch that the whole model reads together
    window_slices      steps of these rows that the whole model reads together, if it reads forward
    ReadingOrder       order in which a layer reads the tokens of each row, so that padding comes last
    kernel_windows     steps that the kernel of a layer reads in one call
    unfinished_rows    rows that have not ended before these steps, which are the only ones that the kernel reads
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch

# Rows times steps that are read in one call. The CPU kernel fails at a million, and memory grows with the product.
WINDOW_TOKENS = 65_536

# Steps of a long text that a model reads at a time if it reads forward: their tensors fit into the cache of a CPU.
WINDOW_STEPS = 4_096

# Padding of a group of rows. Reading it takes about as long as reading another group separately, on a CPU.
GROUP_PADDING = 512

# Number of steps after which a layer drops the rows that have ended, on a CPU.
DROP_STEPS = 256


def is_recorded() -> bool:
    """
    Return whether the operations are recorded by `torch.compile`, `torch.export` or `torch.jit.trace`.

    They will then run on other batches, so that no choice may depend on the values, lengths and sizes of this one.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]  # not exported by it


def similar_rows(attention_mask: torch.Tensor | None) -> list[torch.Tensor]:
    """
    Group the rows of a padded batch by length, to save reading padding.

    Args:
        attention_mask: `(batch, seq)`, 0 at padding, or `None`.

    Returns:
        Row numbers of each group, `(rows,)`, the longest rows first. A group has at most `GROUP_PADDING` steps of
        padding. The list is empty if the batch should not be divided: with less padding than that, or on a GPU, which
        would have to wait for the lengths and processes rows in parallel anyway.
    """
    if attention_mask is None or not attention_mask.is_cpu:
        return []
    lengths, order = attention_mask.bool().sum(1).clamp(min=1).sort(descending=True, stable=True)  # (batch,) each
    starts, padding, longest = [], 0, int(lengths[0])
    for row, length in enumerate(lengths.tolist()):
        padding += longest - length
        if padding > GROUP_PADDING:
            starts.append(row)
            padding, longest = 0, length
    return list(order.tensor_split(starts)) if starts else []


def take_rows(inputs: Mapping[str, torch.Tensor], rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return some rows of a batch, without the steps at which all of them have padding."""
    used = inputs["attention_mask"][rows].any(0)  # (seq,)
    used[0] = True  # a text without tokens needs a step, too
    return {name: value[rows][:, used] for name, value in inputs.items()}


def window_slices(batch: int, seq: int) -> list[slice]:
    """Divide the steps of a batch into parts that a forward model reads one after the other in bounded memory."""
    steps = min(WINDOW_STEPS, max(1, WINDOW_TOKENS // batch))
    return [slice(start, start + steps) for start in range(0, seq, steps)]


@dataclass
class ReadingOrder:
    """
    Where the real tokens of a batch are, and in which order each direction reads them.

    Args:
        mask: `(batch, seq)`, true at real tokens, which may be anywhere in a row; `None` if there is no padding.
        lengths: `(batch,)`, number of real tokens of each row; `None` if there is no padding.
        read: For the forward and the backward direction, the positions in reading order, `(batch, seq)`: first the real
            tokens, then the padding. `None` if the positions are in this order already.
        unread: The inverse permutation of each.
    """

    mask: torch.Tensor | None
    lengths: torch.Tensor | None
    read: tuple[torch.Tensor | None, torch.Tensor]
    unread: tuple[torch.Tensor | None, torch.Tensor]

    @classmethod
    def of(cls, attention_mask: torch.Tensor | None, batch: int, seq: int, device: torch.device) -> "ReadingOrder":
        """Return the order for a mask of shape `(batch, seq)`, or for a batch without padding if it is `None`."""
        steps = torch.arange(seq, device=device).expand(batch, seq)
        # The special cases depend on the values of the mask; a recorded graph uses the general case.
        general = is_recorded()
        if attention_mask is None or (not general and bool(attention_mask.all())):
            no_padding = (None, steps.flip(1))
            return cls(None, None, no_padding, no_padding)
        mask = attention_mask.bool()
        lengths = mask.sum(1)  # (batch,)
        right_padded = steps < lengths[:, None]  # (batch, seq)
        reverse = torch.where(right_padded, lengths[:, None] - 1 - steps, steps)
        if not general and bool((mask == right_padded).all()):
            order = (None, reverse)
            return cls(mask, lengths, order, order)  # a reversal is its own inverse
        forward = torch.argsort((~mask).int(), dim=1, stable=True)  # (batch, seq)
        backward = forward.gather(1, reverse)
        return cls(mask, lengths, (forward, backward), (forward.argsort(1), backward.argsort(1)))


def take_steps(sequences: torch.Tensor, order: torch.Tensor | None) -> torch.Tensor:
    """Reorder the steps of each row: `result[b, t] = sequences[b, order[b, t]]`. `None` keeps the order."""
    if order is None:
        return sequences
    batch, seq, features = sequences.shape
    rows = order + seq * torch.arange(batch, device=order.device)[:, None]  # (batch, seq)
    # Copies whole vectors, which is three times as fast on a CPU as `gather` with an expanded index.
    return sequences.reshape(-1, features).index_select(0, rows.flatten()).view(batch, seq, features)


def kernel_windows(inputs: torch.Tensor, lengths: torch.Tensor | None) -> list[tuple[int, int]]:
    """
    Divide the steps of a layer into windows, one per call of the kernel.

    A window is within the limits of the kernel. Where rows end, windows are short enough to drop these rows soon, and
    long enough to need few calls.

    Args:
        inputs: `(batch, seq, features)`.
        lengths: `(batch,)`, number of real steps of each row; `None` if there is no padding.

    Returns:
        First step and end of each window. There is only one while operations are recorded; a recorded graph is
        therefore limited to batches that the kernel can read in one call.
    """
    batch, seq = inputs.shape[:2]
    if is_recorded():
        return [(0, seq)]
    bounds = {seq, *range(0, seq, max(1, WINDOW_TOKENS // batch))}
    if lengths is not None and inputs.is_cpu:  # a GPU would have to wait for the lengths
        first = -(-int(lengths.min()) // DROP_STEPS) * DROP_STEPS
        bounds.update(range(first, seq, DROP_STEPS))
    return list(pairwise(sorted(bounds)))


def unfinished_rows(lengths: torch.Tensor | None, start: int) -> torch.Tensor | None:
    """Return the numbers of the rows that have steps from `start` on, `(rows,)`, or `None` to keep all rows."""
    if lengths is None or start == 0 or not lengths.is_cpu:  # a GPU would have to wait for the lengths
        return None
    unfinished = lengths > start  # (batch,)
    return None if bool(unfinished.all()) else unfinished.nonzero().squeeze(1)
