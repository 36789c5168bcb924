import math
import time

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from hf_lstm.language_model import LoopSettings, TokenStreams, TokenTexts, stream_perplexity, train_on_streams
from hf_lstm.language_model.loop import StreamTrainer, default_sampled_tokens, detach, progress_line, shuffled_streams

SETTINGS = LoopSettings(batch_size=4, block_size=6, learning_rate=2e-2, max_grad_norm=1.0, seed=3)


def cyclic_texts(count: int = 40) -> TokenTexts:
    """Texts in which every token says which one follows."""
    return TokenTexts.of([2, *((np.arange(12) + start) % 30 + 5)] for start in range(count))


@pytest.mark.parametrize("reverse", [False, True])
def test_training_learns_what_follows(make_model, reverse):
    model = make_model(reverse=reverse, tie_word_embeddings=True, embedding_size=16, hidden_size=24)
    texts, lines = cyclic_texts(), []
    before = stream_perplexity(model, texts, SETTINGS)
    done = train_on_streams(model, texts, SETTINGS, total_steps=250, report=lines.append)
    assert before > 30 and stream_perplexity(model, texts, SETTINGS) < 4
    assert done.steps == 250 and not done.stopped_early and not model.training
    tokens = sum(inputs.numel() for inputs, _ in TokenStreams(texts, 4, 6)) * done.epochs
    assert done.tokens_per_second == pytest.approx(tokens / done.seconds, rel=1e-6)
    assert len(lines) == len(done.losses) == 125 and done.losses[-1] < done.losses[0]


def test_step_is_that_of_plain_torch(make_model):
    """Two blocks against truncated backpropagation written out with autograd and AdamW."""
    texts = TokenTexts.of([np.random.default_rng(0).integers(4, 40, 50)])
    model, reference = make_model(), make_model()
    trainer = StreamTrainer(model, SETTINGS, total_steps=8, dtype=torch.float32)
    optimizer = torch.optim.AdamW(reference.parameters(), lr=0.0, betas=(0.7, 0.99), weight_decay=0.01)
    state, losses = None, []
    for step, (inputs, labels) in zip(range(2), TokenStreams(texts, 4, 6), strict=False):
        trainer.step(inputs, labels)
        output = reference.model(inputs, state=state)
        state = tuple(part.detach() for part in output.state)
        logits = reference.lm_head(reference.projection(output.last_hidden_state))
        loss = F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = 2e-2 * step / 2  # a quarter of the eight steps is warm-up
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    for parameter, expected in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected, atol=1e-5, rtol=1e-4)
    assert trainer.read_loss() == pytest.approx(sum(losses) / 2, rel=1e-5)
    trainer.step(inputs, labels)
    assert trainer.blocks == 1


class HostReads(TorchDispatchMode):
    """Collects the operations whose result the host, or the shape of a tensor, depends on."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name
        if any(word in name for word in ("_local_scalar_dense", "nonzero", "unique", "masked_select", "aten::equal")):
            self.found.append(name)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_step_never_waits_for_the_device(make_model, monkeypatch, dtype):
    # The check of the largest token id, which is made on a CPU only, is also left out while recording.
    monkeypatch.setattr("hf_lstm.models.modeling_lstm.is_recorded", lambda: True)
    dropouts = {"embedding_dropout": 0.1, "input_dropout": 0.1, "hidden_dropout": 0.1, "weight_dropout": 0.1}
    model = make_model(num_hidden_layers=2, tie_word_embeddings=True, **dropouts)
    trainer = StreamTrainer(model, SETTINGS, total_steps=4, dtype=dtype)
    streams = next(shuffled_streams(cyclic_texts(), SETTINGS, False, model.device))
    with HostReads() as reads:
        for _, (inputs, labels) in zip(range(2), streams, strict=False):
            trainer.step(inputs, labels)
        assert reads.found == []
        trainer.read_loss()
        assert reads.found == ["aten::_local_scalar_dense"]


def test_bf16_learns_like_fp32(make_model):
    texts, found = cyclic_texts(), []
    for dtype in (torch.float32, torch.bfloat16):
        model = make_model(tie_word_embeddings=True, embedding_size=16, hidden_size=24)
        train_on_streams(model, texts, SETTINGS, 150, dtype, report=lambda line: None)
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        found.append(math.log(stream_perplexity(model, texts, SETTINGS)))
    assert found[1] == pytest.approx(found[0], abs=0.2)


@pytest.mark.parametrize("reverse", [False, True])
def test_perplexity_follows_its_definition(make_model, reverse):
    model = make_model(reverse=reverse, initializer_range=1.0).train()
    texts = TokenTexts.of([np.random.default_rng(0).integers(0, 40, 23)])
    found = stream_perplexity(model, texts, LoopSettings(batch_size=1, block_size=5))
    ids = torch.from_numpy(texts.tokens).long()[None]
    with torch.no_grad():
        logits = model.eval()(ids).logits[0]
    surprise = F.cross_entropy(logits[1:], ids[0, :-1]) if reverse else F.cross_entropy(logits[:-1], ids[0, 1:])
    assert found == pytest.approx(surprise.exp().item(), rel=1e-5)


def test_each_epoch_has_an_order_of_its_own(make_model):
    epochs = shuffled_streams(cyclic_texts(), SETTINGS, False, torch.device("cpu"))
    first, second = next(epochs), next(epochs)
    again = next(shuffled_streams(cyclic_texts(), SETTINGS, False, torch.device("cpu")))
    assert torch.equal(first.ids, again.ids) and not torch.equal(first.ids, second.ids)


@pytest.mark.parametrize("cell_type", ["lstm", "gru", "rnn"])
def test_detached_state_has_the_format_of_the_cell(make_model, cell_type):
    model = make_model(cell_type=cell_type)
    state = model(torch.randint(0, 40, (2, 5))).state
    found = detach(state, cell_type)
    pairs = zip(found, state, strict=True) if cell_type == "lstm" else [(found, state)]
    for part, expected in pairs:
        assert torch.equal(part, expected) and expected.requires_grad and not part.requires_grad


@pytest.mark.parametrize(
    ("device", "vocab_size", "expected"),
    [("cpu", 30_000, 2_048), ("cpu", 4_096, 0), ("cpu", 4_097, 2_048), ("cuda", 30_000, 0)],
)
def test_large_vocabularies_are_sampled_on_a_cpu(device, vocab_size, expected):
    assert default_sampled_tokens(torch.device(device), vocab_size) == expected


def test_deadline_ends_the_training(make_model):
    done = train_on_streams(
        make_model(), cyclic_texts(), SETTINGS, 1000, deadline=time.monotonic(), report=lambda line: None
    )
    assert done.stopped_early and done.steps == 10


def test_progress_shows_speed_and_remaining_time():
    line = progress_line(step=50, total_steps=200, loss=math.log(80), tokens_per_second=12_345.6, seconds=10)
    assert line == "step 50 of 200   train perplexity 80.0   12,346 tokens/s   30 s left"
