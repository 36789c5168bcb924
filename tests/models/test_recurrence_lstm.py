import pytest
import torch
from helpers import CELL_TYPES, TORCH_CELLS, padded

from hf_lstm import LstmForSequenceClassification, LstmModel
from hf_lstm.models.recurrence_lstm import run_direction


@pytest.mark.parametrize("drop_steps", [2, 256])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_direction_is_that_of_torch_row_by_row(cell_type, dtype, drop_steps, monkeypatch):
    monkeypatch.setattr("hf_lstm.models.reading_lstm.DROP_STEPS", drop_steps)  # with 2, rows are dropped where they end
    rnn = TORCH_CELLS[cell_type](6, 5, batch_first=True)
    inputs, lengths = torch.randn(4, 9, 6), torch.tensor([3, 9, 0, 5])
    state = tuple(torch.randn(4, 5) for _ in range(2 if cell_type == "lstm" else 1))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        outputs, final = run_direction(rnn, cell_type, inputs, state, lengths, weight_dropout=0.0)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for row, length in enumerate(lengths.tolist()):
        expected_final = [part[row] for part in state]
        if length:
            hx = [part[None, row : row + 1] for part in state]
            expected, after = rnn(inputs[row : row + 1, :length], tuple(hx) if cell_type == "lstm" else hx[0])
            torch.testing.assert_close(outputs[row, :length].float(), expected[0], atol=tolerance, rtol=0)
            expected_final = [part[0, 0] for part in (after if cell_type == "lstm" else (after,))]
        for part, expected in zip(final, expected_final, strict=True):
            torch.testing.assert_close(part[row].float(), expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("drop_steps", [2, 256])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_gradients_of_a_padded_batch_equal_those_of_its_rows(tiny_config, cell_type, drop_steps, monkeypatch):
    monkeypatch.setattr("hf_lstm.models.reading_lstm.DROP_STEPS", drop_steps)  # with 2, rows are dropped where they end
    model = LstmForSequenceClassification(tiny_config(cell_type=cell_type)).train()
    rows = [torch.randint(4, 40, (length,)) for length in (5, 2, 7)]
    labels = torch.tensor([0, 1, 1])
    model(*padded(rows, "left", extra=3), labels=labels).loss.backward()
    batched = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    for row, label in zip(rows, labels, strict=True):
        (model(row[None], labels=label[None]).loss / len(rows)).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(batched[name], parameter.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_dropouts(tiny_config, cell_type):
    ids = torch.randint(4, 40, (2, 6))

    def differs_in_training(**dropout) -> bool:
        model = LstmForSequenceClassification(tiny_config(cell_type=cell_type, num_hidden_layers=2, **dropout))
        evaluated = [model.eval()(ids).logits for _ in range(2)]
        torch.testing.assert_close(*evaluated, atol=0, rtol=0)
        return not torch.equal(*(model.train()(ids).logits for _ in range(2)))

    assert not differs_in_training()
    for name in ("embedding_dropout", "input_dropout", "hidden_dropout", "weight_dropout", "classifier_dropout"):
        assert differs_in_training(**{name: 0.5}), name


def test_input_dropout_is_the_same_at_every_step_and_word_dropout_at_every_occurrence(tiny_config):
    seen = []
    model = LstmModel(tiny_config(input_dropout=0.5)).train()
    model.layers[0].register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    model(inputs_embeds=torch.ones(2, 5, 6))
    assert ((seen[-1] == seen[-1][:, :1]).all()) and set(seen[-1].unique().tolist()) == {0.0, 2.0}

    model = LstmModel(tiny_config(embedding_dropout=0.5)).train()
    model.layers[0].register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    ids = torch.arange(4, 20).repeat(2, 2)
    model(ids)
    dropped = (seen[-1] == 0).all(2)  # (batch, seq)
    assert 0 < dropped.sum() < dropped.numel()
    for word in range(4, 20):
        assert dropped[ids == word].unique().numel() == 1


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_gradients_of_a_reverse_layer_equal_those_of_the_reversed_row(tiny_config, cell_type):
    fields = {"cell_type": cell_type, "bidirectional": False, "num_hidden_layers": 2}
    reverse, forward = (LstmModel(tiny_config(**fields, reverse=way)).train() for way in (True, False))
    forward.load_state_dict(reverse.state_dict())
    rows = [torch.randint(4, 40, (length,)) for length in (5, 2, 7)]
    ids, mask = padded(rows, "right", extra=2)
    factors = torch.randn(3, 5)
    (reverse(ids, mask).last_hidden_state.sum(1) * factors).sum().backward()
    for row, factor in zip(rows, factors, strict=True):
        (forward(row.flip(0)[None]).last_hidden_state.sum(1) * factor).sum().backward()
    for parameter, expected in zip(reverse.parameters(), forward.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_reverse_layer_is_the_second_direction_of_a_bidirectional_one(tiny_config, bidirectional):
    both = LstmModel(tiny_config(bidirectional=True))
    one = LstmModel(tiny_config(bidirectional=False, reverse=bidirectional))
    one.embed_tokens.load_state_dict(both.embed_tokens.state_dict())
    one.layers[0].directions[0].load_state_dict(both.layers[0].directions[int(bidirectional)].state_dict())
    ids, mask = padded([torch.randint(4, 40, (length,)) for length in (5, 2, 7)], "left")
    half = both(ids, mask).last_hidden_state[..., 5:] if bidirectional else both(ids, mask).last_hidden_state[..., :5]
    torch.testing.assert_close(one(ids, mask).last_hidden_state, half)
