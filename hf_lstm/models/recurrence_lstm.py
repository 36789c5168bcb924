# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Recurrent layers and pooling over rows of different length: through the fused kernels, padded, and exact.

Rows run padded, never packed, and every result is still that of the row alone: a direction reads the real tokens of its
row first (an index per row), so that padding comes after all that counts, and gates held shut at the padding keep the
final cell state from moving on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from transformers.modeling_layers import GradientCheckpointingLayer

from .configuration_lstm import LstmConfig

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}

KERNELS = {"lstm": torch.lstm, "gru": torch.gru, "rnn": torch.rnn_tanh}

# A sigmoid gate at -GATE_SHUT is exactly 0 and at +GATE_SHUT exactly 1, in fp32, bf16 and fp16 alike.
GATE_SHUT = 8_192.0

# Input features that shut the gates at the padding. One would do, but an odd width halves the speed of bf16 kernels.
GATE_FEATURES = 8

# Rows times steps that are read at a time: the CPU's kernel refuses a million, and memory grows with them.
WINDOW_TOKENS = 65_536

# Steps after which a padded batch goes on without the rows that have ended, on a CPU.
DROP_STEPS = 256


def variational_dropout(inputs: torch.Tensor, p: float, training: bool) -> torch.Tensor:
    """Drops the same features at every step of a text (Gal and Ghahramani, https://huggingface.co/papers/1512.05287)."""
    if not training or p == 0:
        return inputs
    kept = F.dropout(inputs.new_ones(inputs.shape[0], 1, inputs.shape[2]), p)  # (batch, 1, features)
    return inputs * kept


def word_dropout(
    embeddings: torch.Tensor, input_ids: torch.Tensor, vocab_size: int, p: float, training: bool
) -> torch.Tensor:
    """Drop a word wherever it stands in the batch (AWD-LSTM, https://huggingface.co/papers/1708.02182)."""
    if not training or p == 0:
        return embeddings
    # One number per token of the vocabulary: reading the largest id of the batch would wait for a GPU.
    kept = F.dropout(embeddings.new_ones(vocab_size, 1), p)  # (vocab_size, 1)
    return embeddings * kept[input_ids]  # (batch, seq, embedding_size)


def take_steps(sequences: torch.Tensor, order: torch.Tensor | None) -> torch.Tensor:
    """Reorders the steps of each row: `result[b, t] = sequences[b, order[b, t]]`; `None` leaves them as they are."""
    if order is None:
        return sequences
    batch, seq, features = sequences.shape
    rows = order + seq * torch.arange(batch, device=order.device)[:, None]  # (batch, seq)
    # Copies whole vectors: three times as fast on a CPU as `gather` with an expanded index.
    return sequences.reshape(-1, features).index_select(0, rows.flatten()).view(batch, seq, features)


@dataclass
class ReadingOrder:
    """
    Where the real tokens of a batch are, and in which order each direction reads them.

    Args:
        mask: `(batch, seq)`, true at real tokens, wherever they are in their row; `None` when all are.
        lengths: `(batch,)`, number of real tokens of each row; `None` when there is no padding.
        read: For the forward and the backward direction, the positions in reading order, `(batch, seq)`: the real
            tokens, then the padding. `None` when that is how they lie.
        unread: The inverse of each.
    """

    mask: torch.Tensor | None
    lengths: torch.Tensor | None
    read: tuple[torch.Tensor | None, torch.Tensor]
    unread: tuple[torch.Tensor | None, torch.Tensor]

    @classmethod
    def of(cls, attention_mask: torch.Tensor | None, batch: int, seq: int, device: torch.device) -> "ReadingOrder":
        steps = torch.arange(seq, device=device).expand(batch, seq)
        # A compiled graph always takes the general way: which case a batch is would be read from its data.
        tracing = torch.compiler.is_compiling()
        if attention_mask is None or (not tracing and bool(attention_mask.all())):
            order = (None, steps.flip(1))
            return cls(None, None, order, order)
        mask = attention_mask.bool()
        lengths = mask.sum(1)  # (batch,)
        right_padded = steps < lengths[:, None]  # (batch, seq)
        reverse = torch.where(right_padded, lengths[:, None] - 1 - steps, steps)
        if not tracing and bool((mask == right_padded).all()):
            order = (None, reverse)
            return cls(mask, lengths, order, order)  # a reversal is its own inverse
        forward = torch.argsort((~mask).int(), dim=1, stable=True)  # (batch, seq)
        backward = forward.gather(1, reverse)
        return cls(mask, lengths, (forward, backward), (forward.argsort(1), backward.argsort(1)))


def final_hidden(outputs: torch.Tensor, initial: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Output of each row at its last real step, or its initial state where it has none: `(batch, hidden_size)`."""
    last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, outputs.shape[2])  # (batch, 1, hidden_size)
    return torch.where(lengths[:, None] > 0, outputs.gather(1, last).squeeze(1), initial.to(outputs.dtype))


def kernel_windows(inputs: torch.Tensor, lengths: torch.Tensor | None) -> list[tuple[int, int]]:
    """Steps from and to which each kernel call reads: few calls, each within its limit and with few rows that ended."""
    batch, seq = inputs.shape[:2]
    bounds = {seq, *range(0, seq, max(1, WINDOW_TOKENS // batch))}
    if lengths is not None and inputs.device.type == "cpu":  # a GPU would have to wait for the lengths
        first = -(-int(lengths.min()) // DROP_STEPS) * DROP_STEPS
        bounds.update(range(first, seq, DROP_STEPS))
    return list(pairwise(sorted(bounds)))


def hold_cell_state(
    inputs: torch.Tensor, weight_ih: torch.Tensor, lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Makes an LSTM keep its cell state at the padding, bit for bit.

    The kernel gives the cell state at the last step only, which is padding in a shorter row. A few more input features,
    1 at the padding, shut the input gate and open the forget gate there.

    Args:
        inputs: `(batch, seq, features)`.
        weight_ih: `(4 * hidden_size, features)`.
        lengths: `(batch,)`, real steps of each row.

    Returns:
        Inputs and weights with `GATE_FEATURES` more features.
    """
    padding = torch.arange(inputs.shape[1], device=inputs.device) >= lengths[:, None]  # (batch, seq)
    marks = padding[..., None].expand(-1, -1, GATE_FEATURES).to(inputs.dtype)
    shut = weight_ih.new_zeros(4, weight_ih.shape[0] // 4, GATE_FEATURES)  # gates as torch has them: input, forget, ...
    shut[0], shut[1] = -GATE_SHUT / GATE_FEATURES, GATE_SHUT / GATE_FEATURES
    return torch.cat([inputs, marks], dim=2), torch.cat([weight_ih, shut.flatten(0, 1)], dim=1)


@torch.compiler.disable  # a compiler would unroll the time steps; the fused kernel is the fast way
def run_direction(
    rnn: nn.RNNBase,
    cell_type: str,
    inputs: torch.Tensor,
    state: tuple[torch.Tensor, ...],
    lengths: torch.Tensor | None,
    weight_dropout: float,
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """
    Runs one direction of one layer over right-padded rows.

    Args:
        rnn: One-layer, one-direction `nn.LSTM`, `nn.GRU` or `nn.RNN`, whose weights are used.
        cell_type: Which of them.
        inputs: `(batch, seq, features)`, finite also at the padding.
        state: `(h,)` or `(h, c)`, each `(batch, hidden_size)`.
        lengths: `(batch,)`, or `None` when there is no padding.
        weight_dropout: Probability that a hidden-to-hidden weight is dropped.

    Returns:
        The outputs, `(batch, seq, hidden_size)`, and the state after each row's last real step.
    """
    if inputs.is_cpu and torch.is_autocast_enabled("cpu") and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        # The CPU's kernel refuses bf16 on a processor without AVX-512, where it would be no faster.
        with torch.autocast("cpu", enabled=False):
            return run_direction(rnn, cell_type, inputs.float(), state, lengths, weight_dropout)
    weight_ih, weight_hh, *biases = rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0
    if weight_dropout > 0:
        weight_hh = F.dropout(weight_hh, weight_dropout)
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    flags = (True, 1, 0.0, rnn.training, False, True)
    carried = [part.to(inputs.dtype) for part in state]  # each (batch, hidden_size)
    outputs = []
    for start, end in kernel_windows(inputs, lengths):
        window, before, left, weights = inputs[:, start:end], carried, lengths, weight_ih
        ended = lengths is not None and start > 0 and inputs.device.type == "cpu" and bool((lengths <= start).any())
        if ended:
            live = (lengths > start).nonzero().squeeze(1)  # (live,)
            if len(live) == 0:
                outputs.append(inputs.new_zeros(len(inputs), inputs.shape[1] - start, rnn.hidden_size))
                break
            window, before, left = window[live], [part[live] for part in carried], lengths[live]
        if lengths is not None and cell_type == "lstm":
            window, weights = hold_cell_state(window, weight_ih, left - start)
        hx = [part[None].contiguous() for part in before]  # each (1, live, hidden_size)
        hx = hx if cell_type == "lstm" else hx[0]
        output, *after = KERNELS[cell_type](window, hx, [weights, weight_hh, *biases], *flags)
        after = [part.squeeze(0) for part in after]  # each (live, hidden_size)
        if ended:
            output = output.new_zeros(len(inputs), *output.shape[1:]).index_copy(0, live, output)
            after = [part.index_copy(0, live, new) for part, new in zip(carried, after, strict=True)]
        outputs.append(output)
        carried = after
    outputs = torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]  # (batch, seq, hidden_size)
    if lengths is not None:
        carried[0] = final_hidden(outputs, state[0], lengths)
    return outputs, tuple(carried)


class LstmLayer(GradientCheckpointingLayer):
    """One recurrent layer, in one or both directions, over rows padded anywhere."""

    def __init__(self, config: LstmConfig, input_size: int):
        super().__init__()
        self.cell_type = config.cell_type
        self.weight_dropout = config.weight_dropout
        # Which reading orders the directions follow: 0 is forward, 1 backward.
        self.orders = (1,) if config.reverse else (0, 1)[: config.num_directions]
        cell = CELLS[config.cell_type]
        # Two one-direction modules rather than `bidirectional=True`: each direction then has its own reading order.
        self.directions = nn.ModuleList(
            cell(input_size, config.hidden_size, batch_first=True) for _ in range(config.num_directions)
        )

    def forward(
        self, hidden_states: torch.Tensor, order: ReadingOrder, *state: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """
        Args:
            hidden_states: `(batch, seq, input_size)`.
            order: Where the real tokens are.
            state: `h`, and `c` for an LSTM, each `(directions, batch, hidden_size)`.

        Returns:
            The outputs, `(batch, seq, hidden_size * directions)`, and the parts of the final state, in one flat tuple:
            reentrant checkpointing sees no gradient in a nested one.
        """
        outputs, final_states = [], []
        for direction, (rnn, way) in enumerate(zip(self.directions, self.orders, strict=True)):
            output, final = run_direction(
                rnn,
                self.cell_type,
                take_steps(hidden_states, order.read[way]),
                tuple(part[direction] for part in state),
                order.lengths,
                self.weight_dropout if self.training else 0.0,
            )
            outputs.append(take_steps(output, order.unread[way]))
            final_states.append(final)
        hidden_states = torch.cat(outputs, dim=2) if len(outputs) > 1 else outputs[0]
        if order.mask is not None:
            hidden_states = hidden_states.masked_fill(~order.mask[..., None], 0)
        return hidden_states, *(torch.stack(parts) for parts in zip(*final_states, strict=True))


class Pooled(NamedTuple):
    """
    What pooling keeps of the outputs so far, enough to go on with the text in a later call.

    Args:
        highest: `(batch, features)`, the maximum, the lowest number where there was no token; `None` where
            `config.pooling` does without.
        total: `(batch, features)`, the sum; `None` where `config.pooling` does without.
        count: `(batch, 1)`, number of real tokens.
    """

    highest: torch.Tensor | None
    total: torch.Tensor | None
    count: torch.Tensor

    @classmethod
    def of(cls, pooling: str, outputs: torch.Tensor, mask: torch.Tensor | None) -> "Pooled":
        """Of outputs `(batch, seq, features)` at the steps where the mask, `(batch, seq)` or `None`, is not 0."""
        real = outputs.new_ones(outputs.shape[:2], dtype=torch.bool) if mask is None else mask != 0
        count, padding = real.sum(1, keepdim=True), ~real[..., None]  # (batch, 1), (batch, seq, 1)
        highest = total = None
        if pooling in ("max", "concat"):
            lowest = torch.finfo(outputs.dtype).min
            highest = (outputs if mask is None else outputs.masked_fill(padding, lowest)).max(1).values
        if pooling in ("mean", "concat"):
            # Not in half precision, where a sum over a long text stops growing.
            dtype = torch.promote_types(outputs.dtype, torch.float32)
            total = (outputs if mask is None else outputs.masked_fill(padding, 0)).sum(1, dtype=dtype)
        return cls(highest, total, count)

    def then(self, later: "Pooled") -> "Pooled":
        """Of this and what follows it."""
        highest = None if self.highest is None else torch.maximum(self.highest, later.highest)
        return Pooled(highest, None if self.total is None else self.total + later.total, self.count + later.count)

    def vector(self, pooling: str, last: torch.Tensor) -> torch.Tensor:
        """
        Makes one vector of a text.

        Args:
            pooling: `"last"`, `"max"`, `"mean"` or `"concat"` (the three side by side).
            last: `(batch, features)`, the final hidden state of the last layer.

        Returns:
            `(batch, features)`, or `(batch, 3 * features)` for `"concat"`. Maximum and mean over no token are 0.
        """
        if pooling == "last":
            return last
        vectors = [last] if pooling == "concat" else []
        if self.highest is not None:
            vectors.append(self.highest.masked_fill(self.count == 0, 0))
        if self.total is not None:
            vectors.append((self.total / self.count.clamp(min=1)).to(last.dtype))
        return torch.cat(vectors, dim=-1)


def similar_rows(attention_mask: torch.Tensor) -> list[torch.Tensor]:
    """Row numbers `(rows,)` in groups; the shortest of a group has more than half as many tokens as its longest."""
    lengths = attention_mask.bool().sum(1).clamp(min=1)  # (batch,)
    halvings = torch.log2(lengths.max() / lengths).floor()
    return [(halvings == group).nonzero().squeeze(1) for group in halvings.unique()]


def join_rows(parts: Sequence, back: torch.Tensor, dim: int):
    """Puts parts of a batch together, tensors or tuples of them with rows along `dim`; `back` orders the rows."""
    if parts[0] is None:
        return None
    if isinstance(parts[0], torch.Tensor):
        return torch.cat(parts, dim).index_select(dim, back)
    return tuple(join_rows(same, back, dim) for same in zip(*parts, strict=True))
