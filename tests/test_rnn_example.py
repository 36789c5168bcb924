import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_lstm import LstmForSequenceClassification
from hf_lstm.data import build_sample_reviews

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "rnn_example.py"
GROUPS = ["0-4", "5-14", "15-29", "30-59", "60+"]


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("rnn_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def splits():
    return build_sample_reviews(num_train=120, num_validation=2, num_test=400)


def test_steps_by_hand_equal_the_modules(example, capsys):
    example.explain_hidden_state()
    assert capsys.readouterr().out.count("by hand as in nn.") == 3


def test_wrong_statement_stops_the_script(example, monkeypatch):
    monkeypatch.setattr(torch, "tanh", torch.sigmoid)
    with pytest.raises(AssertionError):
        example.explain_hidden_state()


def test_shapes_cover_each_cell_and_follow_the_documentation(example, capsys):
    rows = {(row["cell"], row["layers"], row["directions"]): row for row in example.explain_shapes()}
    assert set(rows) == {(cell, k, d) for cell in ("rnn", "gru", "lstm") for k in (1, 2) for d in (1, 2)}
    stacked = rows["lstm", 2, 2]
    assert stacked["input"] == (3, 5, 4)
    assert stacked["h_0"] == stacked["h_n"] == stacked["c_n"] == (4, 3, 6)
    assert stacked["output"] == (3, 5, 12)
    assert rows["gru", 2, 1]["output"] == (3, 5, 6)
    assert rows["gru", 2, 1]["c_n"] is None
    assert "nn.LSTM       2          2 (3, 5, 4)  (4, 3, 6)  (3, 5, 12) (4, 3, 6)  (4, 3, 6)" in capsys.readouterr().out


def test_plain_and_library_classifier_share_weights_and_logits(example, capsys):
    plain = example.explain_last_time_step()
    model = example.explain_same_model(plain)
    assert isinstance(model, LstmForSequenceClassification)
    ids = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    torch.testing.assert_close(model(ids).logits, plain(ids))
    out = capsys.readouterr().out
    assert "different" in out and "equal" in out
    assert out.count("in a padded batch") == 3


def test_each_epoch_contains_every_text_once_and_the_first_ones_only_short_texts(example):
    lengths = np.random.default_rng(1).integers(5, 90, 100).tolist()
    batches = example.plan_batches(lengths, epochs=10, batch_size=8)
    # 7 epochs of the 30 shortest texts in 4 batches, one of the 60 shortest in 8, two of all in 13.
    first, middle, last = batches[: 7 * 4], batches[7 * 4 : 7 * 4 + 8], batches[7 * 4 + 8 :]
    assert len(last) == 2 * 13
    assert sorted(sum(last[:13], [])) == list(range(100))
    assert sorted(sum(last[13:], [])) == list(range(100))
    assert sorted(lengths[row] for batch in middle for row in batch) == sorted(lengths)[:60]
    assert sorted(lengths[row] for batch in first[:4] for row in batch) == sorted(lengths)[:30]
    padding = sum(max(lengths[row] for row in batch) - lengths[other] for batch in last for other in batch)
    assert padding < 0.1 * 2 * sum(lengths)


def test_accuracy_by_group_agrees_with_the_total(example, splits, capsys):
    accuracy = example.compare_memory(splits, epochs=1)
    assert list(accuracy) == ["rnn", "gru", "lstm"]
    distance = np.array(splits["test"]["distance"])
    edges = [0, 5, 15, 30, 60, 10**6]
    shares = [np.mean((low <= distance) & (distance < high)) for low, high in zip(edges, edges[1:], strict=False)]
    table = capsys.readouterr().out.split("(chance: 0.5)")[1]
    for cell, figures in accuracy.items():
        assert list(figures) == [*GROUPS, "all"]
        total = sum(share * figures[group] for share, group in zip(shares, GROUPS, strict=True))
        assert total == pytest.approx(figures["all"])
        assert [f"{figure:.3f}" for figure in figures.values()] == table.split(cell.upper())[1].split()[:6]


def test_training_loop_learns(example):
    # The first token determines the label, so the model must classify all texts correctly.
    torch.manual_seed(0)
    ids = torch.randint(10, 40, (64, 6)).tolist()
    labels = torch.arange(64) % 2
    for row, label in zip(ids, labels.tolist(), strict=True):
        row[0] = 5 + label
    model = example.train("gru", 40, ids, labels, example.plan_batches([6] * 64, epochs=60))
    assert model.eval()(torch.tensor(ids)).logits.argmax(1).tolist() == labels.tolist()


def test_zero_epochs_are_rejected(example, splits):
    with pytest.raises(ValueError, match="`epochs` must be at least 1, got 0"):
        example.compare_memory(splits, epochs=0)


@pytest.mark.slow
def test_script_runs_from_top_to_bottom(tmp_path):
    command = [sys.executable, str(SCRIPT), "--epochs", "1", "--train_texts", "100"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)
    assert result.returncode == 0, result.stderr
    assert [line[0] for line in result.stdout.splitlines() if line[1:3] == ". "] == list("12345")
