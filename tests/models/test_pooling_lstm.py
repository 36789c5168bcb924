import pytest
import torch
from hypothesis import given, settings, strategies as st

from hf_lstm.models.pooling_lstm import POOLINGS

NAMES = ("last", "max", "mean", "concat")

OUTPUTS = torch.tensor(
    [[[1.0, -4.0], [3.0, -2.0], [50.0, 50.0]], [[-7.0, 2.0], [50.0, 50.0], [50.0, 50.0]], [[50.0, 50.0]] * 3]
)
MASK = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0]])  # padding of different lengths, and a row without tokens
LAST = torch.tensor([[3.0, -2.0], [-7.0, 2.0], [0.0, 0.0]])
VECTORS = {
    "last": [[3, -2], [-7, 2], [0, 0]],
    "max": [[3, -2], [-7, 2], [0, 0]],
    "mean": [[2, -3], [-7, 2], [0, 0]],
    "concat": [[3, -2, 3, -2, 2, -3], [-7, 2, -7, 2, -7, 2], [0, 0, 0, 0, 0, 0]],
}


def test_table_has_all_poolings():
    assert tuple(POOLINGS) == NAMES == tuple(VECTORS)


@pytest.mark.parametrize("name", NAMES)
def test_vector_by_hand(name):
    start = POOLINGS[name].start(OUTPUTS[:, 0])
    assert start.vector().tolist() == [[0] * len(row) for row in VECTORS[name]]
    assert start.update(OUTPUTS, MASK, LAST).vector().tolist() == VECTORS[name]
    parts, last = start, torch.zeros(3, 2)
    for i in range(3):
        last = torch.where(MASK[:, i : i + 1] == 1, OUTPUTS[:, i], last)
        parts = parts.update(OUTPUTS[:, i : i + 1], MASK[:, i : i + 1], last)
    assert parts.vector().tolist() == VECTORS[name]
    unpadded = POOLINGS[name].start(OUTPUTS[:1, 0]).update(OUTPUTS[:1, :2], None, LAST[:1])
    assert unpadded.vector().tolist() == VECTORS[name][:1]
    assert len(VECTORS[name][0]) == 2 * POOLINGS[name].multiple
    assert start.vector().tolist() == [[0] * len(row) for row in VECTORS[name]]  # a pooling is never modified


@settings(max_examples=30, deadline=None, derandomize=True)
@given(before=st.integers(0, 4), steps=st.integers(1, 6), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", NAMES)
def test_running_pooling_is_the_pooling_after_each_token(name, before, steps, seed):
    torch.manual_seed(seed)
    outputs = torch.randn(3, before + steps, 4)
    pooling = POOLINGS[name].start(outputs[:, 0])
    if before:
        pooling = pooling.update(outputs[:, :before], None, outputs[:, before - 1])
    running = pooling.running(outputs[:, before:]).vector()  # (batch, steps, multiple * features)
    for step in range(steps):
        end = before + step
        expected = {
            "last": outputs[:, end],
            "max": outputs[:, : end + 1].amax(1),
            "mean": outputs[:, : end + 1].mean(1),
        }
        expected["concat"] = torch.cat(list(expected.values()), dim=1)
        torch.testing.assert_close(running[:, step], expected[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mean_over_a_long_text_is_not_summed_in_half_precision(dtype):
    outputs = torch.full((1, 3_000, 2), 0.5, dtype=dtype)
    pooling = POOLINGS["mean"].start(outputs[:, 0])
    for mask in [None] + [torch.ones(1, 3_000)] * 100:
        pooling = pooling.update(outputs, mask, outputs[:, 0])
    assert pooling.vector().tolist() == [[0.5, 0.5]]


def test_totals_can_be_in_double_precision():
    pooling = POOLINGS["mean"].start(torch.zeros(1, 1), total_dtype=torch.float64)
    pooling = pooling.update(torch.full((1, 1, 1), 2.0**30), None, torch.zeros(1, 1))
    pooling = pooling.update(torch.full((1, 1, 1), 1.0), None, torch.zeros(1, 1))
    assert pooling.total.dtype == torch.float64 and pooling.total.item() == 2**30 + 1


@pytest.mark.parametrize("name", NAMES)
def test_tensors_restore_the_pooling(name):
    pooling = POOLINGS[name].start(OUTPUTS[:, 0]).update(OUTPUTS, MASK, LAST)
    tensors = pooling.tensors()
    assert all(tensor.shape[0] == 3 for tensor in tensors.values())
    restored = POOLINGS[name].from_tensors(tensors | {"h": LAST})
    assert torch.equal(restored.vector(), pooling.vector())
    assert restored.tensors().keys() == tensors.keys()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_real_tokens_only(name):
    outputs = OUTPUTS.clone().requires_grad_()
    last = outputs[range(3), [1, 0, 0]] * torch.tensor([[1.0], [1.0], [0.0]])
    POOLINGS[name].start(outputs[:, 0]).update(outputs, MASK, last).vector().sum().backward()
    assert outputs.grad.isfinite().all() and (outputs.grad[MASK == 0] == 0).all()
    assert (outputs.grad.abs().sum(2)[MASK == 1] > 0).any()
