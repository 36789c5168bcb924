import warnings

import pytest
import torch
from torch import nn

from hf_lstm.language_model import choose_precision
from hf_lstm.language_model.precision import MasterWeights, without_copy_warning


def test_full_precision_needs_no_copy(make_model):
    model = make_model()
    weights = MasterWeights(model, torch.float32)
    assert weights.working is model
    weights.update_copy()
    weights.collect_gradients()


def test_copy_computes_and_the_model_gets_the_gradients(make_model):
    model = make_model(tie_word_embeddings=True).train()
    weights = MasterWeights(model, torch.bfloat16)
    assert {parameter.dtype for parameter in weights.working.parameters()} == {torch.bfloat16}
    assert weights.working.lm_head.weight is weights.working.model.embed_tokens.weight
    with torch.no_grad():
        model.projection.bias.fill_(1 / 3)
    model.model.embed_tokens.weight.requires_grad_(False)
    weights.update_copy()
    assert torch.equal(weights.working.projection.bias, model.projection.bias.to(torch.bfloat16))
    ids = torch.randint(0, 40, (2, 9))
    weights.working(ids, labels=ids).loss.backward()
    weights.collect_gradients()
    assert model.model.embed_tokens.weight.grad is None
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert all(gradient.dtype == torch.float32 for gradient in gradients.values())
    model.zero_grad()
    model(ids, labels=ids).loss.backward()
    assert gradients.keys() == {name for name, p in model.named_parameters() if p.grad is not None}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            scale = parameter.grad.abs().max().item()
            torch.testing.assert_close(gradients[name], parameter.grad, atol=0.05 * scale, rtol=0)
    assert all(parameter.grad is None for parameter in weights.working.parameters())


def test_copy_is_in_the_mode_of_the_model():
    model = nn.Linear(2, 2).eval()
    weights = MasterWeights(model, torch.bfloat16)
    weights.working.train()
    weights.update_copy()
    assert not weights.working.training


def test_precision_of_a_cpu(monkeypatch):
    cpu = torch.device("cpu")
    for has, expected in (({"avx512_bf16": True}, torch.bfloat16), ({}, torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert choose_precision(cpu) == expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # as in torch 2.8
    assert choose_precision(cpu) == torch.float32
    assert choose_precision(cpu, "fp32") == torch.float32
    with pytest.raises(ValueError, match="does not train in fp16"):
        choose_precision(cpu, "fp16")
    with pytest.raises(ValueError, match="precision must be"):
        choose_precision(cpu, "int8")


@pytest.mark.parametrize(("in_hardware", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_gpu_takes_bf16_where_it_has_it_in_hardware(monkeypatch, in_hardware, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: in_hardware)
    assert choose_precision(torch.device("cuda")) == expected


def test_only_the_warning_about_copied_weights_is_hidden():
    @without_copy_warning()
    def warn(message):
        warnings.warn(message, stacklevel=1)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn("RNN module weights are not part of single contiguous chunk of memory.")
        warn("something else")
    assert [str(warning.message) for warning in caught] == ["something else"]
