# Copyright 2026 the hf_lstm authors. Licensed under the Apache License, Version 2.0.
"""The recurrent cells: everything that differs between LSTM, GRU and plain RNN is in the table `CELLS`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

# State in the format of torch.nn: a tuple (h, c) for an LSTM, a tensor h for a GRU or RNN,
# each (num_layers * directions, batch, hidden_size).
State = tuple[torch.Tensor, ...] | torch.Tensor


@dataclass(frozen=True)
class Cell:
    """
    Description of a recurrent cell.

    Args:
        module: Class of the module that holds the weights of one layer in one direction.
        kernel: Fused function that runs the layer over a batch. It takes the arguments of `torch.lstm`, where the state
            is a list of tensors if the cell has several of them and a tensor otherwise.
        step: Formula of one step, for `torch.export`, which cannot record a kernel for any number of steps. It takes
            the products of the input and of the previous output with their weights, plus bias, each `(batch, gates *
            hidden_size)`, and the tensors of the state, and returns those of the next state.
        states: Names of the state tensors. The first one is the output of the cell.
        gates: Names of the gates, in the order in which `module` stacks their rows in a weight matrix.
        closed_at_padding: Gates that are held at 0 at padding, so that the states after the first keep their values and
            the outputs are 0.
        open_at_padding: Gates that are held at 1 at padding, for the same reason.
        onnx_operator: ONNX operator that computes the cell.
        onnx_gates: Names of the gates in the order of the ONNX operator.
        onnx_attributes: Attributes of the ONNX operator, in addition to the size and the direction.
    """

    module: Callable[..., nn.RNNBase]
    kernel: Callable[..., Sequence[torch.Tensor]]
    step: Callable[[torch.Tensor, torch.Tensor, Sequence[torch.Tensor]], tuple[torch.Tensor, ...]]
    states: tuple[str, ...]
    gates: tuple[str, ...]
    onnx_operator: str
    onnx_gates: tuple[str, ...]
    onnx_attributes: Mapping[str, Any] = field(default_factory=dict)
    closed_at_padding: tuple[str, ...] = ()
    open_at_padding: tuple[str, ...] = ()

    @property
    def is_zero_at_padding(self) -> bool:
        """Whether the outputs at padding are 0 already, because the output gate is closed."""
        return "output" in self.closed_at_padding

    def split(self, state: State) -> tuple[torch.Tensor, ...]:
        """Return the tensors of a state, in the order of `states`."""
        return (state,) if isinstance(state, torch.Tensor) else tuple(state)

    def join(self, parts: Sequence[torch.Tensor]) -> State:
        """Return the state that consists of the given tensors; the inverse of `split`."""
        return tuple(parts) if len(self.states) > 1 else parts[0]

    def run(
        self,
        inputs: torch.Tensor,
        parts: Sequence[torch.Tensor],
        weights: Sequence[torch.Tensor],
        training: bool,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """
        Run one layer in one direction over every step of a batch.

        Args:
            inputs: `(batch, seq, features)`.
            parts: The tensors of the initial state, each `(batch, hidden_size)`.
            weights: Input weights, recurrent weights and the two biases.
            training: Whether gradients may be needed.

        Returns:
            The outputs, `(batch, seq, hidden_size)`, and the tensors of the state after the last step.
        """
        if torch.compiler.is_compiling():
            return self._scan(inputs, parts, weights)
        layers = [part[None].contiguous() for part in parts]  # each (1, batch, hidden_size)
        initial = layers if len(self.states) > 1 else layers[0]
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        outputs, *final = self.kernel(inputs, initial, list(weights), True, 1, 0.0, training, False, True)
        return outputs, [part.squeeze(0) for part in final]

    def _scan(
        self, inputs: torch.Tensor, parts: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Compute the same as `run` with a loop that `torch.export` records for any number of steps."""
        from torch._higher_order_ops.scan import scan

        weight_ih, weight_hh, bias_ih, bias_hh = weights

        def advance(carried: list[torch.Tensor], from_input: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
            after = self.step(from_input, F.linear(carried[0], weight_hh, bias_hh), carried)
            return list(after), after[0].clone()  # a loop may not return the same tensor twice

        from_inputs = F.linear(inputs, weight_ih, bias_ih)  # (batch, seq, gates * hidden_size)
        final, outputs = scan(advance, [part.clone() for part in parts], from_inputs, dim=1)
        return outputs, list(final)


def _lstm_step(
    from_input: torch.Tensor, from_output: torch.Tensor, state: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    input_gate, forget_gate, candidate, output_gate = (from_input + from_output).chunk(
        4, dim=1
    )  # each (batch, hidden_size)
    cell = forget_gate.sigmoid() * state[1] + input_gate.sigmoid() * candidate.tanh()
    return output_gate.sigmoid() * cell.tanh(), cell


def _gru_step(
    from_input: torch.Tensor, from_output: torch.Tensor, state: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    reset, update, new = from_input.chunk(3, dim=1)  # each (batch, hidden_size)
    reset_output, update_output, new_output = from_output.chunk(3, dim=1)
    update = (update + update_output).sigmoid()
    candidate = (new + (reset + reset_output).sigmoid() * new_output).tanh()
    return ((1 - update) * candidate + update * state[0],)


def _rnn_step(
    from_input: torch.Tensor, from_output: torch.Tensor, state: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    return ((from_input + from_output).tanh(),)


CELLS: dict[str, Cell] = {
    "lstm": Cell(
        module=nn.LSTM,
        kernel=torch.lstm,
        step=_lstm_step,
        states=("h", "c"),
        gates=("input", "forget", "cell", "output"),
        closed_at_padding=("input", "output"),
        open_at_padding=("forget",),
        onnx_operator="LSTM",
        onnx_gates=("input", "output", "forget", "cell"),
    ),
    "gru": Cell(
        module=nn.GRU,
        kernel=torch.gru,
        step=_gru_step,
        states=("h",),
        gates=("reset", "update", "new"),
        onnx_operator="GRU",
        onnx_gates=("update", "reset", "new"),
        onnx_attributes={"linear_before_reset": 1},
    ),
    "rnn": Cell(
        module=nn.RNN,
        kernel=torch.rnn_tanh,
        step=_rnn_step,
        states=("h",),
        gates=("hidden",),
        onnx_operator="RNN",
        onnx_gates=("hidden",),
    ),
}
