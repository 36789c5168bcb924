import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from hf_lstm.language_model import TokenStreams, TokenTexts


def numbered(count: int) -> TokenTexts:
    """One text whose tokens are their positions."""
    return TokenTexts.of([np.arange(count)])


@settings(derandomize=True)
@given(st.integers(2, 80), st.integers(1, 9), st.integers(1, 12), st.booleans())
def test_every_token_but_the_first_is_predicted_once_from_the_one_before_it(count, batch_size, block_size, reverse):
    streams = TokenStreams(numbered(count), batch_size, block_size, reverse)
    predicted, blocks = [], 0
    for inputs, labels in streams:
        assert labels.shape[1] == inputs.shape[1] + 1 <= block_size + 1
        assert torch.equal(labels[:, 1:] if reverse else labels[:, :-1], inputs)
        assert (labels.diff(dim=1) == 1).all()  # in reading order, neighbours
        predicted += (labels[:, :-1] if reverse else labels[:, 1:]).flatten().tolist()
        blocks += 1
    assert blocks == len(streams) and len(predicted) == streams.predicted_tokens
    left_out = (count - 1) % streams.batch_size
    expected = range(left_out, count - 1) if reverse else range(1, count - left_out)
    assert sorted(predicted) == list(expected)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_row_goes_on_where_it_ended_in_the_block_before(reverse):
    before = None
    for inputs, _ in TokenStreams(numbered(50), 3, 5, reverse):
        if before is not None:
            here, there = (inputs[:, -1], before[:, 0]) if reverse else (inputs[:, 0], before[:, -1])
            assert torch.equal(here, there - 1 if reverse else there + 1)
        before = inputs


def test_few_tokens_give_fewer_streams():
    assert TokenStreams(numbered(4), 100, 5).batch_size == 3
    with pytest.raises(ValueError, match="at least two tokens"):
        TokenStreams(numbered(1), 2, 5)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell_type", ["lstm", "gru", "rnn"])
def test_carried_state_gives_the_logits_of_one_long_forward(make_model, cell_type, reverse):
    model = make_model(cell_type=cell_type, num_hidden_layers=2, reverse=reverse, initializer_range=1.0).eval()
    texts = TokenTexts.of([np.random.default_rng(0).integers(0, 40, length) for length in (30, 11, 26)])
    streams = TokenStreams(texts, 2, 7, reverse)
    with torch.no_grad():
        state, logits = None, []
        for inputs, _ in streams:
            output = model(inputs, state=state)
            state = output.state
            logits.append(output.logits)
        whole = next(iter(TokenStreams(texts, 2, 10_000, reverse)))[0]
        expected = model(whole).logits
    assert len(logits) > 3
    found = torch.cat(logits[::-1] if reverse else logits, dim=1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
