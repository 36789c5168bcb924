import pytest
import torch
from helpers import make_classifier

from hf_lstm import LstmConfig
from hf_lstm.early.prefix_loss import check_reads_forward, prefix_loss, random_prefixes
from hf_lstm.models import CELLS, POOLINGS

ROWS = [[2, 7, 9, 11, 5, 6], [2, 4, 8], [2, 3, 9, 5], [2]]
LABELS = torch.tensor([2, 0, 1, 1])


def padded_batch() -> dict[str, torch.Tensor]:
    width = max(map(len, ROWS))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in ROWS])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ROWS])
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell_type", CELLS)
def test_loss_is_that_of_the_truncated_texts(pooling, cell_type):
    model = make_classifier(bidirectional=False, pooling=pooling, cell_type=cell_type, num_hidden_layers=2)
    batch, kept = padded_batch(), [3, 2, 4, 1]
    prefixes = torch.tensor([[1] * length + [0] * (6 - length) for length in kept])
    outputs = model(**batch, output_hidden_states=True).hidden_states[-1]
    single = [
        model(torch.tensor([row[:length]]), labels=label[None]).loss
        for row, length, label in zip(ROWS, kept, LABELS, strict=True)
    ]
    torch.testing.assert_close(prefix_loss(model, outputs, prefixes, LABELS), torch.stack(single).mean())


def test_gradients_are_those_of_the_truncated_texts():
    model = make_classifier(bidirectional=False)
    batch, prefixes = (
        padded_batch(),
        torch.tensor([[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1] * 4 + [0] * 2, [1] + [0] * 5]),
    )
    outputs = model(**batch, output_hidden_states=True).hidden_states[-1]
    prefix_loss(model, outputs, prefixes, LABELS).backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    model(input_ids=batch["input_ids"], attention_mask=prefixes, labels=LABELS).loss.backward()
    torch.testing.assert_close(found, {name: weight.grad for name, weight in model.named_parameters()})


def test_every_length_from_the_first_word_on_has_the_same_probability():
    torch.manual_seed(0)
    mask = torch.tensor([[1] * 5, [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]).repeat(3_000, 1)
    prefixes = random_prefixes(mask)
    assert ((prefixes.diff(dim=1) <= 0) & (prefixes[:, 1:] <= mask[:, 1:])).all()
    lengths = prefixes.sum(1).view(-1, 3)
    assert (lengths[:, 1] == 2).all() and (lengths[:, 2] == 1).all()
    counts = lengths[:, 0].bincount(minlength=6).tolist()
    # 2, 3, 4 or 5 of 5 tokens: 750 each of 3,000, with a standard deviation of 24.
    assert counts[:2] == [0, 0] and all(abs(count - 750) < 5 * 24 for count in counts[2:])


def test_only_models_that_read_forward_can_decide_early():
    forward, backward = LstmConfig(bidirectional=False), LstmConfig(bidirectional=False, reverse=True)
    check_reads_forward(forward, None, None)
    check_reads_forward(LstmConfig, False, None)
    with pytest.raises(ValueError, match="add --no_bidirectional"):
        check_reads_forward(LstmConfig, None, None)
    with pytest.raises(ValueError, match="add --no_reverse"):
        check_reads_forward(backward, None, None)
