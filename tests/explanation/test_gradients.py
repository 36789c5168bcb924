import numpy as np
import pytest
import torch
from helpers import CELL_TYPES

from hf_lstm.explanation.gradients import ScoredText, batches, integrate, label_scores, token_contributions
from hf_lstm.models import POOLINGS


def scored(ids, label=1, score=0.0, base=0.0) -> ScoredText:
    return ScoredText(ids, [1] + [0] * (len(ids) - 1), label, score, base)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", CELL_TYPES)
def test_integrals_are_the_change_from_zero_embeddings(build, cell, pooling, bidirectional):
    model = build(cell_type=cell, pooling=pooling, bidirectional=bidirectional, num_hidden_layers=2)
    texts = [scored([2, *torch.randint(4, 12, (length,)).tolist()]) for length in (7, 3, 0, 12)]
    integrals = integrate(texts, model, points=64)
    for text, (contributions, start) in zip(texts, integrals, strict=True):
        embedded = model.get_input_embeddings()(torch.tensor([text.ids])).detach()
        blank = torch.cat([embedded[:, :1], torch.zeros_like(embedded[:, 1:])], dim=1)
        with torch.no_grad():
            logits = torch.cat([model(inputs_embeds=inputs).logits for inputs in (embedded, blank)])
        end, expected_start = (logits[:, 1] - logits[:, 0]).tolist()
        assert start == pytest.approx(expected_start, abs=1e-5)
        assert contributions[0] == 0
        # The gradient of a maximum is not continuous, so that its integral is less exact.
        error = 5e-2 if pooling in ("max", "concat") else 1e-4
        assert contributions.sum() == pytest.approx(end - start, abs=error)


def test_contributions_of_a_linear_model(build):
    """With a mean of outputs that are proportional to the embeddings, every contribution is known."""
    model = build(cell_type="rnn", pooling="mean", bidirectional=False, problem_type="regression", num_labels=1)
    (rnn,) = model.model.layers[0].directions
    with torch.no_grad():
        rnn.weight_hh_l0.zero_()
        rnn.bias_ih_l0.zero_()
        rnn.bias_hh_l0.zero_()
        rnn.weight_ih_l0.copy_(1e-3 * torch.eye(5, 6))  # tanh is linear near 0
        model.classifier.weight.mul_(1e3)
    ids = [2, 5, 7, 5, 9]
    embedded = model.get_input_embeddings()(torch.tensor(ids)).detach()[:, :5]
    parts = (embedded * 1e-3 @ model.classifier.weight.detach().T).squeeze(1).numpy()  # of each token alone
    with torch.no_grad():
        score, base = (model(torch.tensor([row])).logits.item() for row in (ids, ids[:1]))
    (found,) = token_contributions(model, [scored(ids, 0, score, base)])
    # (cls + a + b + c + d) / 5 - cls = sum of (word - cls) / 5
    np.testing.assert_allclose(found, [0, *(parts[1:] - parts[0]) / 5], atol=1e-4)


def test_text_without_words_has_no_contributions(build):
    assert [part.tolist() for part in token_contributions(build(), [scored([2])])] == [[0.0]]


def test_batches_have_every_pair_and_are_bounded():
    texts = [scored([2] * length) for length in (300, 9_000, 5)]
    found = list(batches(texts, 17))
    assert sorted(pair for batch in found for pair in batch) == [
        (row, point) for row in range(3) for point in range(17)
    ]
    for batch in found:
        longest = max(len(texts[row].ids) for row, _ in batch)
        assert len(batch) == 1 or len(batch) * longest <= 8_192


def test_label_scores_are_log_odds():
    logits, labels = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]]), torch.tensor([2, 0])
    probabilities = logits.softmax(1).gather(1, labels[:, None]).squeeze(1)
    scores = label_scores(logits, labels, "single_label_classification")
    torch.testing.assert_close(scores, (probabilities / (1 - probabilities)).log())
    for other in ("multi_label_classification", "regression"):
        assert label_scores(logits, labels, other).tolist() == [4.0, 0.0]


def test_gradients_work_in_inference_mode(build):
    model = build()
    with torch.inference_mode():
        ((contributions, _),) = integrate([scored([2, 5, 6])], model, points=2)
    assert np.abs(contributions).sum() > 0
