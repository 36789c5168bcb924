import pytest
import torch
from helpers import CELL_TYPES, TORCH_CELLS
from torch import nn
from torch.nn import functional as F

from hf_lstm.models.cells_lstm import CELLS


def test_table_has_all_cells():
    assert tuple(CELLS) == CELL_TYPES


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_run_is_plain_torch(cell_type):
    cell, rnn = CELLS[cell_type], TORCH_CELLS[cell_type](6, 5, batch_first=True)
    assert cell.module is TORCH_CELLS[cell_type]
    inputs = torch.randn(3, 4, 6)
    parts = [torch.randn(3, 5) for _ in cell.states]
    outputs, final = cell.run(inputs, parts, rnn.all_weights[0], training=False)
    expected, expected_final = rnn(inputs, cell.join([part[None] for part in parts]))
    torch.testing.assert_close(outputs, expected)
    for part, expected_part in zip(final, cell.split(expected_final), strict=True):
        torch.testing.assert_close(part, expected_part[0])


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_step_is_the_stock_cell(cell_type):
    stock = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}[cell_type](6, 5)
    cell, inputs = CELLS[cell_type], torch.randn(3, 6)
    parts = [torch.randn(3, 5) for _ in cell.states]
    from_input = F.linear(inputs, stock.weight_ih, stock.bias_ih)
    after = cell.step(from_input, F.linear(parts[0], stock.weight_hh, stock.bias_hh), parts)
    torch.testing.assert_close(after, cell.split(stock(inputs, cell.join(parts))))


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_state_has_the_format_of_torch(cell_type):
    cell = CELLS[cell_type]
    parts = tuple(torch.randn(1, 3, 5) for _ in cell.states)
    state = cell.join(parts)
    assert isinstance(state, tuple) == (cell_type == "lstm")
    assert all(one is other for one, other in zip(cell.split(state), parts, strict=True))


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_gates_are_the_rows_of_the_weights(cell_type):
    cell = CELLS[cell_type]
    assert len(cell.gates) * 5 == cell.module(6, 5).weight_hh_l0.shape[0]
    assert sorted(cell.gates) == sorted(cell.onnx_gates)
    assert {*cell.closed_at_padding, *cell.open_at_padding} <= set(cell.gates)
    # Only the first state is known at every step; the others have to be held at padding.
    assert bool(cell.closed_at_padding) == (len(cell.states) > 1)
