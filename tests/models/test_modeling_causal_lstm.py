import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import CELL_TYPES, padded
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, pipeline

from hf_lstm import LstmForCausalLM, LstmForSequenceClassification, train_tokenizer


@pytest.fixture
def make_model(tiny_config):
    def build(**fields) -> LstmForCausalLM:
        one_way = {"bidirectional": False, "initializer_range": 1.0, "eos_token_id": None}
        return LstmForCausalLM(tiny_config(**one_way | fields)).eval()

    return build


def next_token_losses(model, row: torch.Tensor) -> torch.Tensor:
    """Cross entropy of each token of an unpadded row but the one that is read first."""
    logits = model(row[None]).logits[0]
    if model.config.reverse:
        return F.cross_entropy(logits[1:], row[:-1], reduction="none")
    return F.cross_entropy(logits[:-1], row[1:], reduction="none")


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_loss_is_the_cross_entropy_of_the_next_token_whatever_the_padding(make_model, cell_type, reverse, side):
    model = make_model(cell_type=cell_type, reverse=reverse, num_hidden_layers=2)
    rows = [torch.randint(0, 40, (length,)) for length in (7, 2, 4)]
    ids, mask = padded(rows, side, extra=2)
    expected = torch.cat([next_token_losses(model, row) for row in rows]).mean()
    for labels in (ids, ids.masked_fill(mask == 0, -100)):
        output = model(ids, mask, labels=labels)
        torch.testing.assert_close(output.loss, expected)
        assert output.logits is None


@pytest.mark.parametrize("reverse", [False, True])
def test_tokens_labelled_minus_100_are_read_but_not_predicted(make_model, reverse):
    model = make_model(reverse=reverse)
    row = torch.randint(0, 40, (6,))
    labels = row.clone()
    labels[[2, 3]] = -100
    losses = next_token_losses(model, row)  # of tokens 0 to 4 in reverse, of 1 to 5 forward
    kept = [0, 1, 4] if reverse else [0, 3, 4]
    torch.testing.assert_close(model(row[None], labels=labels[None]).loss, losses[kept].mean())
    nothing = model(row[None], labels=torch.full((1, 6), -100)).loss
    assert nothing.item() == 0


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sampled", [0, 7])
def test_chunks_change_neither_loss_nor_gradient(make_model, sampled, reverse, monkeypatch):
    model = make_model(sampled_tokens=sampled, reverse=reverse).train()
    ids, mask = padded([torch.randint(0, 40, (length,)) for length in (9, 5, 1)], "right")
    chunks = []
    loss_sum = model._loss_sum
    monkeypatch.setattr(model, "_loss_sum", lambda *part: chunks.append(len(part[1])) or loss_sum(*part))
    found = []
    for scores in (2**25, 3 * (1 + sampled if sampled else 40)):
        monkeypatch.setattr("hf_lstm.models.modeling_causal_lstm.CHUNK_SCORES", scores)
        torch.manual_seed(1)
        model.zero_grad()
        chunks.clear()
        loss = model(ids, mask, labels=ids).loss
        forward = len(chunks)
        loss.backward()
        found.append((forward, loss.detach(), [parameter.grad.clone() for parameter in model.parameters()]))
    (one, whole, gradients), (many, in_chunks, same) = found
    assert one == 1 and many > 1
    torch.testing.assert_close(in_chunks, whole)
    for gradient, expected in zip(same, gradients, strict=True):
        torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-4)


def test_sampled_tokens_are_those_of_zipf(make_model):
    model = make_model(sampled_tokens=5)
    samples = [model._sample_tokens(model.device) for _ in range(20_000)]
    assert all(len(sample.unique()) == len(sample) <= 5 for sample in samples[:100])
    shares = torch.bincount(torch.cat(samples), minlength=40) / len(samples)
    zipf = [math.log((k + 2) / (k + 1)) / math.log(41) for k in range(40)]
    assert sum(zipf) == pytest.approx(1)
    expected = torch.tensor([1 - (1 - share) ** 5 for share in zipf])
    torch.testing.assert_close(shares, expected, atol=0.015, rtol=0)
    torch.testing.assert_close(model._log_chance(torch.arange(40)).exp(), expected)


def test_loss_over_many_sampled_tokens_approaches_that_over_all(make_model, monkeypatch):
    model = make_model(sampled_tokens=30, initializer_range=0.5).train()
    ids = torch.randint(0, 40, (4, 6))
    ids[:, 3] = 0  # the most frequent of all, which is among the sampled ones by chance
    whole = model.eval()(ids, labels=ids).loss
    whole.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    monkeypatch.setattr(model.config, "sampled_tokens", 100_000)
    sampled = model.train()(ids, labels=ids).loss
    torch.testing.assert_close(sampled, whole, atol=0, rtol=0.02)
    sampled.backward()
    for parameter, expected in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, expected, atol=0.05 * expected.abs().max().item(), rtol=0)


def test_right_token_that_is_sampled_is_not_wrong(make_model, monkeypatch):
    model = make_model(sampled_tokens=1).train()
    ids = torch.tensor([[5, 7, 7, 7]])
    monkeypatch.setattr(model, "_sample_tokens", lambda device: torch.tensor([7]))
    assert model(ids, labels=ids).loss.item() == pytest.approx(0, abs=1e-6)
    monkeypatch.setattr(model, "_sample_tokens", lambda device: torch.tensor([8]))
    assert model(ids, labels=ids).loss.item() > 1e-4


def test_evaluation_is_over_all_tokens(make_model):
    model = make_model(sampled_tokens=3)
    row = torch.randint(0, 40, (8,))
    torch.testing.assert_close(model(row[None], labels=row[None]).loss, next_token_losses(model, row).mean())


def test_last_logits_alone_are_the_last_of_all(make_model):
    model = make_model()
    ids = torch.randint(0, 40, (2, 7))
    whole = model(ids).logits
    assert whole.shape == (2, 7, 40)
    torch.testing.assert_close(model(ids, logits_to_keep=2).logits, whole[:, -2:])


def test_logits_are_projected_backbone_outputs(make_model):
    model = make_model()
    ids = torch.randint(0, 40, (2, 5))
    hidden = model.model(ids).last_hidden_state
    vectors = hidden @ model.projection.weight.T + model.projection.bias
    torch.testing.assert_close(model(ids).logits, vectors @ model.lm_head.weight.T + model.lm_head.bias)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_generated_is_the_likeliest_token_step_by_step(make_model, cell_type):
    model = make_model(cell_type=cell_type, num_hidden_layers=2)
    rows = [torch.randint(1, 40, (length,)) for length in (5, 1, 3)]
    ids, mask = padded(rows, "left")
    generated = model.generate(ids, attention_mask=mask, max_new_tokens=8, do_sample=False)
    assert generated.shape == (3, 5 + 8)
    for row, found in zip(rows, generated[:, 5:], strict=True):
        prefix = row
        for _ in range(8):
            prefix = torch.cat([prefix, model(prefix[None]).logits[:, -1].argmax(1)])
        assert found.tolist() == prefix[len(row) :].tolist()
    assert len({tuple(row) for row in generated[:, 5:].tolist()}) > 1


def test_each_generated_token_is_read_once(make_model):
    model = make_model()
    read = []
    model.model.register_forward_pre_hook(lambda module, args: read.append(args[0].shape[1]))
    model.generate(torch.randint(1, 40, (2, 6)), max_new_tokens=4, do_sample=False)
    assert read == [6, 1, 1, 1]


@torch.no_grad()
def log_probability(model, tokens: torch.Tensor, start: int) -> float:
    """Logarithm of the probability of the tokens from `start` on, given those before."""
    scores = model(tokens[None]).logits[0].log_softmax(1)
    return sum(float(scores[i - 1, tokens[i]]) for i in range(start, len(tokens)))


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_beams_are_the_likeliest_continuations_at_each_step(make_model, cell_type):
    model = make_model(cell_type=cell_type, num_hidden_layers=2, vocab_size=6)
    rows = [torch.tensor([1, 5, 2]), torch.tensor([4])]
    ids, mask = padded(rows, "left")
    ids = ids.masked_fill(mask == 0, 0)
    options = {"num_beams": 3, "num_return_sequences": 3, "max_new_tokens": 5, "do_sample": False, "pad_token_id": 0}
    generated = model.generate(ids, attention_mask=mask, **options).view(2, 3, -1)
    for row, found in zip(rows, generated[:, :, ids.shape[1] :], strict=True):
        beams = [row]
        for _ in range(5):
            longer = [torch.cat([beam, torch.tensor([token])]) for beam in beams for token in range(6)]
            beams = sorted(longer, key=lambda tokens: -log_probability(model, tokens, len(row)))[:3]
        assert found.tolist() == [beam[len(row) :].tolist() for beam in beams]


def test_enough_beams_find_the_likeliest_of_all_texts(make_model):
    model = make_model(vocab_size=5)
    start = torch.tensor([3])
    found = model.generate(start[None], num_beams=25, max_new_tokens=3, do_sample=False, pad_token_id=0)[0]
    every = [torch.cat([start, torch.tensor(rest)]) for rest in itertools.product(range(5), repeat=3)]
    assert found.tolist() == max(every, key=lambda tokens: log_probability(model, tokens, 1)).tolist()


@pytest.mark.parametrize("reverse", [False, True])
def test_logits_come_with_the_loss_if_they_are_asked_for(make_model, reverse):
    model = make_model(reverse=reverse)
    ids = torch.randint(0, 40, (2, 6))
    expected = model(ids).logits
    for keep, kept in ((0, expected), (2, expected[:, -2:])):
        output = model(ids, labels=ids, logits_to_keep=keep)
        torch.testing.assert_close(output.logits, kept)
        torch.testing.assert_close(output.loss, model(ids, labels=ids).loss)
    assert model(ids, labels=ids).logits is None


def test_generated_text_has_a_space_after_the_prompt(make_model):
    tokenizer = train_tokenizer(["a good film"] * 3, kind="word", vocab_size=20, show_progress=False)
    model = make_model(vocab_size=len(tokenizer))
    with torch.no_grad():
        model.lm_head.bias[tokenizer.convert_tokens_to_ids("film")] = 1_000  # the only token that is generated
    generate = pipeline("text-generation", model=model, tokenizer=tokenizer)
    found = generate("a good", max_new_tokens=2, do_sample=False)
    assert found == [{"generated_text": "a good film film"}]


def test_model_that_reads_from_the_end_generates_backwards(make_model):
    model = make_model(reverse=True)
    generated = model.generate(torch.tensor([[2], [9]]), max_new_tokens=6, do_sample=False)
    for row in generated:
        text = row[:1]
        for _ in range(6):
            text = torch.cat([model(text[None]).logits[:, 0].argmax(1), text])
        assert row.tolist() == text.flip(0).tolist()


@pytest.mark.parametrize("reverse", [False, True])
def test_state_goes_on_where_a_text_was_left(make_model, reverse):
    model = make_model(reverse=reverse)
    ids = torch.randint(0, 40, (2, 7))
    first, second = (ids[:, 4:], ids[:, :4]) if reverse else (ids[:, :3], ids[:, 3:])
    after = model(second, state=model(first).state)
    expected = model(ids).logits
    torch.testing.assert_close(after.logits, expected[:, :4] if reverse else expected[:, 3:])


def test_tied_weights_are_one_and_stay_one(make_model, tmp_path):
    model = make_model(tie_word_embeddings=True)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert make_model().num_parameters() - model.num_parameters() == 40 * 6
    model.save_pretrained(tmp_path)
    loaded = LstmForCausalLM.from_pretrained(tmp_path)
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    ids = torch.randint(0, 40, (2, 5))
    torch.testing.assert_close(loaded(ids).logits, model(ids).logits, atol=0, rtol=0)
    untied = make_model()
    assert untied.lm_head.weight is not untied.model.embed_tokens.weight


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_saved_and_loaded_model_gives_the_same(make_model, tmp_path, cell_type, tied):
    model = make_model(cell_type=cell_type, tie_word_embeddings=tied, reverse=tied)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(loaded) is LstmForCausalLM
    ids = torch.randint(0, 40, (2, 5))
    torch.testing.assert_close(loaded(ids).logits, model(ids).logits, atol=0, rtol=0)


@pytest.mark.parametrize("tied", [False, True])
def test_classifier_loads_the_backbone_bit_for_bit(make_model, tmp_path, tied):
    model = make_model(tie_word_embeddings=tied, num_hidden_layers=2)
    model.save_pretrained(tmp_path)
    classifier, loading = LstmForSequenceClassification.from_pretrained(
        tmp_path, num_labels=3, output_loading_info=True
    )
    assert set(loading["missing_keys"]) == {"classifier.weight", "classifier.bias"}
    weights = model.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in classifier.model.state_dict().items())
    assert classifier.classifier.out_features == 3


def test_language_model_of_two_directions_is_refused(tiny_config):
    with pytest.raises(ValueError, match="reads in one direction"):
        LstmForCausalLM(tiny_config(bidirectional=True))


def test_resized_embeddings_stay_tied(make_model):
    model = make_model(tie_word_embeddings=True)
    model.resize_token_embeddings(50)
    assert model.lm_head.weight is model.model.embed_tokens.weight and model.lm_head.bias.shape == (50,)
    assert model(torch.tensor([[45, 49]])).logits.shape == (1, 2, 50)


@pytest.mark.parametrize("reverse", [False, True])
def test_labels_one_token_longer_predict_after_every_step(make_model, reverse):
    model = make_model(reverse=reverse)
    ids = torch.randint(0, 40, (2, 7))
    inputs = ids[:, 1:] if reverse else ids[:, :-1]
    logits = model(inputs).logits  # (2, 6, 40)
    targets = ids[:, :-1] if reverse else ids[:, 1:]
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    torch.testing.assert_close(model(inputs, labels=ids).loss, expected)


@pytest.mark.parametrize("sampled", [0, 7])
@pytest.mark.parametrize("scores", [2**25, 16])
def test_training_step_reads_no_value_on_the_host(make_model, sampled, scores, monkeypatch):
    """A fake tensor has no values: whatever would wait for a GPU (`item`, `bool`, `nonzero`, `unique`) raises."""
    monkeypatch.setattr("hf_lstm.models.modeling_causal_lstm.CHUNK_SCORES", scores)
    dropouts = {"embedding_dropout": 0.1, "input_dropout": 0.1, "hidden_dropout": 0.1, "weight_dropout": 0.1}
    model = make_model(num_hidden_layers=2, sampled_tokens=sampled, tie_word_embeddings=True, **dropouts).train()
    sample = model._sample_tokens(model.device)  # drawn on the host
    # On the meta device as on a GPU the check of the largest token id is left out.
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        model.to("meta")
        monkeypatch.setattr(model, "_sample_tokens", lambda device: mode.from_tensor(sample).to(device))
        ids = torch.zeros(3, 9, dtype=torch.long, device="meta")
        state = model(ids[:, :-1], labels=ids).state
        output = model(ids[:, :-1], labels=ids, state=tuple(part.detach() for part in state))
        output.loss.backward()
        assert model.lm_head.weight.grad.shape == model.lm_head.weight.shape
        with pytest.raises(DataDependentOutputException):
            output.loss.item()


@pytest.mark.parametrize("reverse", [False, True])
def test_learns_a_text_by_heart(make_model, reverse):
    model = make_model(initializer_range=0.1, hidden_size=32, embedding_size=32, tie_word_embeddings=True)
    model.config.reverse = reverse
    model = LstmForCausalLM(model.config).train()
    ids = torch.randperm(36)[None] + 4
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    for _ in range(100):
        optimizer.zero_grad()
        model(ids, labels=ids).loss.backward()
        optimizer.step()
    text = ids.flip(1) if reverse else ids
    generated = model.eval().generate(text[:, :1], max_new_tokens=35, do_sample=False)
    assert generated.tolist() == text.tolist()


LOAD_WITHOUT_THE_PACKAGE = """
import json, sys
sys.modules["hf_lstm"] = None  # an import of it fails
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
ids = torch.tensor([[2, 5, 9]])
classifier = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], trust_remote_code=True)
json.dump({
    "name": type(model).__name__,
    "logits": model(ids).logits[0, -1].tolist(),
    "generated": model.generate(ids, max_new_tokens=4, do_sample=False).tolist(),
    "same": torch.equal(classifier.model.embed_tokens.weight, model.model.embed_tokens.weight),
}, sys.stdout)
"""


@pytest.mark.slow
def test_loads_where_the_package_is_not_installed(make_model, tmp_path):
    model = make_model(tie_word_embeddings=True)
    model.save_pretrained(tmp_path / "model")
    code = ("base", "cells", "configuration", "loss", "modeling", "modeling_causal", "pooling", "reading", "recurrence")
    files = {"config.json", "generation_config.json", "model.safetensors"} | {f"{name}_lstm.py" for name in code}
    assert {path.name for path in (tmp_path / "model").iterdir()} == files
    auto_map = json.loads((tmp_path / "model" / "config.json").read_text())["auto_map"]
    assert auto_map == {
        "AutoConfig": "configuration_lstm.LstmConfig",
        "AutoModel": "modeling_lstm.LstmModel",
        "AutoModelForCausalLM": "modeling_causal_lstm.LstmForCausalLM",
        "AutoModelForSequenceClassification": "modeling_lstm.LstmForSequenceClassification",
    }
    command = [sys.executable, "-c", LOAD_WITHOUT_THE_PACKAGE, str(tmp_path / "model")]
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    ids = torch.tensor([[2, 5, 9]])
    assert found["name"] == "LstmForCausalLM" and found["same"]
    torch.testing.assert_close(torch.tensor(found["logits"]), model(ids).logits[0, -1])
    assert found["generated"] == model.generate(ids, max_new_tokens=4, do_sample=False).tolist()
