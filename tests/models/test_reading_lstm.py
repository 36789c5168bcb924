import pytest
import torch
from hypothesis import given, settings, strategies as st

from hf_lstm.models.reading_lstm import (
    ReadingOrder,
    is_recorded,
    kernel_windows,
    similar_rows,
    take_rows,
    take_steps,
    unfinished_rows,
    window_slices,
)


def test_recorded_operations_do_not_depend_on_the_example():
    seen = []

    def record(inputs, mask):
        order = ReadingOrder.of(mask, *mask.shape, mask.device)
        seen.append((is_recorded(), kernel_windows(inputs, order.lengths)))
        return take_steps(inputs, order.read[0])

    inputs, mask = torch.arange(4.0)[None, :, None], torch.ones(1, 4)
    traced = torch.jit.trace(record, (inputs, mask), check_trace=False)
    assert [(flag, len(windows)) for flag, windows in seen] == [(True, 1)] and not is_recorded()
    # Padding is moved to the end, although the example has none.
    moved = traced(torch.arange(5.0)[None, :, None], torch.tensor([[0.0, 1, 0, 1, 1]]))
    assert moved.flatten().tolist() == [1, 3, 4, 0, 2]


def test_kernel_windows(monkeypatch):
    inputs = torch.zeros(3, 1_000, 1)
    assert kernel_windows(inputs, None) == [(0, 1_000)]
    assert kernel_windows(inputs, torch.tensor([900, 1_000, 950])) == [(0, 1_000)]  # none ended before step 900
    assert kernel_windows(inputs, torch.tensor([300, 20, 1_000])) == [(0, 256), (256, 512), (512, 768), (768, 1_000)]
    monkeypatch.setattr("hf_lstm.models.reading_lstm.WINDOW_TOKENS", 1_200)
    assert kernel_windows(inputs, None) == [(0, 400), (400, 800), (800, 1_000)]


def test_rows_are_grouped_so_that_a_group_has_little_padding(monkeypatch):
    monkeypatch.setattr("hf_lstm.models.reading_lstm.GROUP_PADDING", 50)
    lengths = [100, 3, 51, 50, 26, 0, 100]
    mask = torch.tensor([[0] * (100 - length) + [1] * length for length in lengths])
    # From the longest row: 100, 100, 51 have 49 steps of padding; 50, 26 have 24, and 47 more with 3.
    assert [group.tolist() for group in similar_rows(mask)] == [[0, 6, 2], [3, 4], [1, 5]]


@given(lengths=st.lists(st.integers(0, 30), min_size=1, max_size=12), limit=st.integers(0, 60))
def test_groups_hold_every_row_once_within_the_limit(lengths, limit):
    mask = torch.arange(30) < torch.tensor(lengths)[:, None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hf_lstm.models.reading_lstm.GROUP_PADDING", limit)
        groups = [group.tolist() for group in similar_rows(mask)] or [list(range(len(lengths)))]
    assert sorted(sum(groups, [])) == list(range(len(lengths)))
    for group in groups:
        read = [max(1, lengths[row]) for row in group]
        assert len(read) * max(read) - sum(read) <= limit


def test_batch_without_much_padding_is_not_divided():
    few = torch.arange(500) < torch.tensor([[500], [1], [487]])
    assert len(similar_rows(torch.cat([few, few]))) == 2
    for mask in (None, torch.zeros(2, 3), torch.ones(2, 3), torch.tensor([[1, 1, 1], [0, 1, 1]]), few):
        assert similar_rows(mask) == []


def test_group_has_only_the_steps_at_which_a_row_has_a_token():
    mask = torch.tensor([[0, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]])
    ids = torch.arange(20).view(4, 5)
    part = take_rows({"input_ids": ids, "attention_mask": mask}, torch.tensor([0, 2]))
    assert part["input_ids"].tolist() == [[0, 2, 3], [10, 12, 13]]  # the first step stays for rows without tokens
    assert part["attention_mask"].tolist() == [[0, 1, 1], [0, 0, 1]]
    empty = take_rows({"attention_mask": mask, "inputs_embeds": torch.ones(4, 5, 2)}, torch.tensor([3]))
    assert empty["inputs_embeds"].shape == (1, 1, 2)


def test_windows_cover_all_steps_once_within_both_limits(monkeypatch):
    monkeypatch.setattr("hf_lstm.models.reading_lstm.WINDOW_TOKENS", 30)
    monkeypatch.setattr("hf_lstm.models.reading_lstm.WINDOW_STEPS", 8)
    for batch, steps in ((1, 8), (3, 8), (5, 6), (31, 1)):
        slices = window_slices(batch, 20)
        assert [step for window in slices for step in range(20)[window]] == list(range(20))
        assert slices[0] == slice(0, steps)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(data=st.data())
def test_each_direction_reads_the_real_tokens_first(data):
    batch, seq = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    mask = torch.tensor([[data.draw(st.integers(0, 1)) for _ in range(seq)] for _ in range(batch)])
    if data.draw(st.booleans()):
        mask = mask.sort(1, descending=True).values  # padding on the right
    positions = torch.arange(batch * seq, dtype=torch.float).view(batch, seq, 1)
    order = ReadingOrder.of(mask, batch, seq, mask.device)
    for direction in (0, 1):
        read = take_steps(positions, order.read[direction])
        torch.testing.assert_close(take_steps(read, order.unread[direction]), positions)
        for row in range(batch):
            real = positions[row, mask[row] == 1, 0].tolist()
            expected = real[::-1] if direction == 1 else real
            assert read[row, : len(real), 0].tolist() == expected


def test_unfinished_rows():
    lengths = torch.tensor([3, 0, 7])
    assert unfinished_rows(None, 4) is None
    assert unfinished_rows(lengths, 0) is None  # the first window reads all rows
    assert unfinished_rows(lengths, 2).tolist() == [0, 2]
    assert unfinished_rows(lengths, 7).tolist() == []
    assert unfinished_rows(torch.tensor([5, 6]), 4) is None
