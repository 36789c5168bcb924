# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""Recurrent layers over rows of different lengths, with the fused kernels of torch.

The rows of a batch are padded, not packed, because the kernels for packed sequences are many times slower on a CPU. The
result for each row is still exactly that of the row alone: a direction reads the real tokens of a row before its
padding (see [`ReadingOrder`]), so that padding cannot influence an output, and the cell state of an LSTM is held at
padding.
"""

import torch
from torch import nn
from torch.nn import functional as F
from transformers.modeling_layers import GradientCheckpointingLayer

from .cells_lstm import CELLS, Cell
from .configuration_lstm import LstmConfig
from .reading_lstm import ReadingOrder, kernel_windows, take_steps, unfinished_rows

# The sigmoid of -GATE_SHUT is exactly 0 and that of +GATE_SHUT exactly 1, in fp32, bf16 and fp16.
GATE_SHUT = 8_192.0

# Input features that hold the gates at padding. One would be enough, but an odd width halves the speed of bf16 kernels.
GATE_FEATURES = 8


def variational_dropout(inputs: torch.Tensor, p: float, training: bool) -> torch.Tensor:
    """Drop the same features at every step of a text (Gal and Ghahramani, https://huggingface.co/papers/1512.05287)."""
    if not training or p == 0:
        return inputs
    kept = F.dropout(inputs.new_ones(inputs.shape[0], 1, inputs.shape[2]), p)  # (batch, 1, features)
    return inputs * kept


def word_dropout(
    embeddings: torch.Tensor, input_ids: torch.Tensor, vocab_size: int, p: float, training: bool
) -> torch.Tensor:
    """Drop a word at all its positions in the batch (AWD-LSTM, https://huggingface.co/papers/1708.02182)."""
    if not training or p == 0:
        return embeddings
    # One number per token of the vocabulary: reading the largest id of the batch would wait for a GPU.
    kept = F.dropout(embeddings.new_ones(vocab_size, 1), p)  # (vocab_size, 1)
    return embeddings * kept[input_ids]  # (batch, seq, embedding_size)


def final_hidden(outputs: torch.Tensor, initial: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the output of each row at its last real step, or its initial state if there is none: `(batch, size)`."""
    last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, outputs.shape[2])  # (batch, 1, hidden_size)
    return torch.where(lengths[:, None] > 0, outputs.gather(1, last).squeeze(1), initial.to(outputs.dtype))


def hold_states(
    cell: Cell, inputs: torch.Tensor, weight_ih: torch.Tensor, lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Make a cell keep its states at padding, bit for bit.

    The kernel returns the cell state of an LSTM only at the last step, which is padding in a shorter row. A few
    additional input features, which are 1 at padding, close the input gate and open the forget gate there. They also
    close the output gate, which is faster than setting the outputs to 0 afterwards.

    Args:
        cell: The cell; inputs and weights stay as they are if it has no gates to hold.
        inputs: `(batch, seq, features)`.
        weight_ih: `(gates * hidden_size, features)`.
        lengths: `(batch,)`, number of real steps of each row.

    Returns:
        Inputs and weights with `GATE_FEATURES` more features.
    """
    if not cell.closed_at_padding + cell.open_at_padding:
        return inputs, weight_ih
    padding = torch.arange(inputs.shape[1], device=inputs.device) >= lengths[:, None]  # (batch, seq)
    marks = padding[..., None].expand(-1, -1, GATE_FEATURES).to(inputs.dtype)
    held = weight_ih.new_zeros(len(cell.gates), weight_ih.shape[0] // len(cell.gates), GATE_FEATURES)
    for number, gate in enumerate(cell.gates):
        if gate in cell.closed_at_padding:
            held[number] = -GATE_SHUT / GATE_FEATURES
        elif gate in cell.open_at_padding:
            held[number] = GATE_SHUT / GATE_FEATURES
    return torch.cat([inputs, marks], dim=2), torch.cat([weight_ih, held.flatten(0, 1)], dim=1)


@torch.compiler.disable  # a compiler would unroll the time steps, which is slower than the fused kernel
def run_direction(
    rnn: nn.RNNBase,
    cell_type: str,
    inputs: torch.Tensor,
    state: tuple[torch.Tensor, ...],
    lengths: torch.Tensor | None,
    weight_dropout: float,
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """
    Run one direction of one layer over right-padded rows.

    Args:
        rnn: Module with the weights of one layer in one direction.
        cell_type: Key of its cell in `CELLS`.
        inputs: `(batch, seq, features)`, finite also at padding.
        state: The tensors of the initial state, each `(batch, hidden_size)`.
        lengths: `(batch,)`, number of real steps of each row, or `None` if there is no padding.
        weight_dropout: Probability that a hidden-to-hidden weight is dropped.

    Returns:
        The outputs, `(batch, seq, hidden_size)`, with any values at padding, and the state after the last real step of
        each row.
    """
    if inputs.is_cpu and torch.is_autocast_enabled("cpu") and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        # Without AVX-512, the CPU kernel does not support bf16, which would not be faster either.
        with torch.autocast("cpu", enabled=False):
            return run_direction(rnn, cell_type, inputs.float(), state, lengths, weight_dropout)
    if inputs.is_cuda and torch.is_autocast_enabled("cuda"):
        # Autocast runs a recurrent layer in float16 even if bfloat16 was requested, which overflows less.
        dtype = torch.get_autocast_dtype("cuda")
        with torch.autocast("cuda", enabled=False):
            return run_direction(rnn, cell_type, inputs.to(dtype), state, lengths, weight_dropout)
    cell = CELLS[cell_type]
    weights: list[torch.Tensor] = list(rnn.all_weights[0])
    if inputs.is_cuda:
        weights = [weight.to(inputs.dtype) for weight in weights]
    weight_ih, weight_hh, *biases = weights
    if weight_dropout > 0:
        weight_hh = F.dropout(weight_hh, weight_dropout)
    carried = [part.to(inputs.dtype) for part in state]  # each (batch, hidden_size)
    outputs = []
    for start, end in kernel_windows(inputs, lengths):
        rows = unfinished_rows(lengths, start)  # `None`: all
        window, window_lengths, before = inputs[:, start:end], lengths, carried
        if rows is not None and lengths is not None:
            window, window_lengths, before = window[rows], lengths[rows], [part[rows] for part in carried]
        if window.shape[0] == 0:
            outputs.append(inputs.new_zeros(len(inputs), inputs.shape[1] - start, rnn.hidden_size))
            break
        window_weight_ih = weight_ih
        if window_lengths is not None:
            window, window_weight_ih = hold_states(cell, window, weight_ih, window_lengths - start)
        output, after = cell.run(window, before, [window_weight_ih, weight_hh, *biases], rnn.training)
        if rows is not None:
            output = output.new_zeros(len(inputs), *output.shape[1:]).index_copy(0, rows, output)
            after = [part.index_copy(0, rows, new) for part, new in zip(carried, after, strict=True)]
        outputs.append(output)
        carried = after
    output = torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]  # (batch, seq, hidden_size)
    if lengths is not None:
        carried[0] = final_hidden(output, state[0], lengths)
    return output, tuple(carried)


class LstmLayer(GradientCheckpointingLayer):
    """One recurrent layer, in one or both directions, over rows with padding anywhere."""

    def __init__(self, config: LstmConfig, input_size: int):
        super().__init__()
        self.cell_type = config.cell_type
        self.weight_dropout = config.weight_dropout
        # Index of each direction in a `ReadingOrder`: 0 is forward, 1 is backward.
        self.orders = (1,) if config.reverse else (0, 1)[: config.num_directions]
        module = CELLS[config.cell_type].module
        # Two modules with one direction instead of `bidirectional=True`, because each has its own reading order.
        self.directions = nn.ModuleList(
            module(input_size, config.hidden_size, batch_first=True) for _ in range(config.num_directions)
        )

    def forward(
        self, hidden_states: torch.Tensor, order: ReadingOrder, *state: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """
        Run the layer over a batch.

        Args:
            hidden_states: `(batch, seq, input_size)`.
            order: Reading order of the batch.
            state: The tensors of the initial state, each `(directions, batch, hidden_size)`.

        Returns:
            The outputs, `(batch, seq, hidden_size * directions)`, 0 at padding, and the tensors of the final state. The
            tuple is flat because reentrant checkpointing finds no gradients in a nested one.
        """
        outputs, final_states = [], []
        for direction, (rnn, order_index) in enumerate(zip(self.directions, self.orders, strict=True)):
            output, final = run_direction(
                rnn,
                self.cell_type,
                take_steps(hidden_states, order.read[order_index]),
                tuple(part[direction] for part in state),
                order.lengths,
                self.weight_dropout if self.training else 0.0,
            )
            outputs.append(take_steps(output, order.unread[order_index]))  # (batch, seq, hidden_size)
            final_states.append(final)
        hidden_states = torch.cat(outputs, dim=2) if len(outputs) > 1 else outputs[0]
        if order.mask is not None and not CELLS[self.cell_type].is_zero_at_padding:
            hidden_states = hidden_states.masked_fill(~order.mask[..., None], 0)
        return hidden_states, *(torch.stack(parts) for parts in zip(*final_states, strict=True))
