import pytest
import torch
from torch import nn

from hf_lstm.benchmark.training import count_tokens, measure_limit, measure_training, training_batches, training_step


def test_batches_hold_texts_of_similar_length_with_their_labels(setting):
    vocab_size, (batch,), (random_batch,) = training_batches(setting)
    lengths = batch["attention_mask"].sum(1)
    random_lengths = random_batch["attention_mask"].sum(1)
    assert len(lengths) == len(random_lengths) == 64 and batch["input_ids"].max() < vocab_size
    assert lengths.float().std() < random_lengths.float().std()
    assert count_tokens([batch, random_batch]) == int(lengths.sum() + random_lengths.sum())
    # Labels alternate, and so do "good" and "bad", which differ in one token.
    good = {tuple(row.tolist()) for row in batch["input_ids"][batch["labels"] == 0]}
    assert not good & {tuple(row.tolist()) for row in batch["input_ids"][batch["labels"] == 1]}


def test_step_updates_the_weights_once_per_batch(setting):
    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(2.0))
            self.calls = 0

        def forward(self, factor):
            self.calls += 1
            return self.weight * factor

    model = Loss()
    training_step(model, [{"factor": torch.tensor(1.0)}] * 3, setting, "fp32")()
    # AdamW with its default rate of 1e-3 moves by this rate a step, plus a decay of 1e-5 of the weight.
    assert model.calls == 3 and model.weight.item() == pytest.approx(2 - 3 * (1e-3 + 2e-5), abs=1e-6)


def test_training_is_compared_with_the_textbook_loop(setting):
    rows = measure_training(setting)
    assert [row.name for row in rows[:2]] == ["unidirectional 8, fp32, hf_lstm", "unidirectional 8, fp32, textbook"]
    assert len(rows) == 2 * 2 * 2 and rows[0].ratio == pytest.approx(rows[0].value / rows[1].value)


def test_limit_is_the_share_of_a_matrix_product(setting):
    rows = {row.name: row for row in measure_limit(setting)}
    for precision in ("fp32", "bf16"):
        limit = rows[f"{precision}, matrix product 64³"].value
        for name in ("training step", "only nn.LSTM"):
            row = rows[f"{precision}, {name}, hidden 8"]
            assert row.ratio == pytest.approx(row.value / limit) and row.reference == "matrix product"
