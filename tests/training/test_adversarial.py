import pytest
import torch
from torch import nn

from hf_lstm import LstmForSequenceClassification
from hf_lstm.training.adversarial import EmbeddingAdversary


def test_perturbation_follows_the_formula():
    embedding = nn.Embedding(5, 3)
    adversary = EmbeddingAdversary(embedding, 0.5)
    ids = torch.tensor([[0, 1], [2, 3]])
    weights = torch.randn(2, 2, 3)
    before = embedding(ids)
    (before * weights).sum().backward()
    with adversary.attack():
        perturbation = embedding(ids) - before
    unit = embedding.weight.norm(dim=1).mean()
    for row in range(2):
        torch.testing.assert_close(perturbation[row], 0.5 * unit * weights[row] / weights[row].norm())
    assert torch.equal(embedding(ids), before)


def test_attack_increases_the_loss_more_than_random_noise_and_does_not_change_padding(tiny_config):
    model = LstmForSequenceClassification(tiny_config()).train()
    adversary = EmbeddingAdversary(model.get_input_embeddings(), 1.0)
    ids, labels = torch.randint(4, 40, (8, 6)), torch.randint(0, 2, (8,))
    mask = torch.ones_like(ids)
    mask[:, 4:] = 0
    loss = model(ids, mask, labels=labels).loss
    loss.backward()
    with adversary.attack():
        assert (adversary.perturbation[:, 4:] == 0).all() and (adversary.perturbation[:, :4] != 0).any()
        attacked = model(ids, mask, labels=labels).loss
        direction = torch.randn_like(adversary.perturbation) * mask[..., None]
        lengths = adversary.perturbation.norm(dim=(1, 2), keepdim=True)
        adversary.perturbation = direction / direction.norm(dim=(1, 2), keepdim=True) * lengths
        randomly_perturbed = model(ids, mask, labels=labels).loss
    assert attacked > loss + 2 * (randomly_perturbed - loss).abs() and attacked > loss


def test_evaluation_is_unchanged(tiny_config):
    model = LstmForSequenceClassification(tiny_config()).eval()
    ids = torch.randint(4, 40, (2, 6))
    expected = model(ids).logits
    adversary = EmbeddingAdversary(model.get_input_embeddings(), 1.0)
    assert torch.equal(model(ids).logits, expected) and adversary.embedded is None


def test_text_without_tokens_and_frozen_embeddings(tiny_config):
    model = LstmForSequenceClassification(tiny_config()).train()
    embedding = model.get_input_embeddings().requires_grad_(False)
    adversary = EmbeddingAdversary(embedding, 1e6)
    ids, mask, labels = torch.randint(4, 40, (2, 3)), torch.tensor([[1, 1, 1], [0, 0, 0]]), torch.tensor([0, 1])
    model(ids, mask, labels=labels).loss.backward()
    with adversary.attack():
        assert (adversary.perturbation[1] == 0).all() and adversary.perturbation[0].norm() > 1
        model(ids, mask, labels=labels).loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.requires_grad)


def test_attack_without_a_backward_pass_is_rejected():
    adversary = EmbeddingAdversary(nn.Embedding(2, 2), 1.0)
    with pytest.raises(RuntimeError, match="needs a forward and a backward pass"), adversary.attack():
        pass


def test_size_must_be_positive():
    with pytest.raises(ValueError, match="must be positive"):
        EmbeddingAdversary(nn.Embedding(2, 2), 0)
