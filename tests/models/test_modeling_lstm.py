import subprocess
import sys

import pytest
import torch
from helpers import CELL_TYPES, TORCH_CELLS, padded
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.export import Dim

from hf_lstm import LstmConfig, LstmForSequenceClassification, LstmModel
from hf_lstm.models.pooling_lstm import POOLINGS


@pytest.fixture(autouse=True, scope="module")
def _tiny_batches_are_divided():
    """Read the rows of the tiny batches of these tests in groups, as those of large batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hf_lstm.models.reading_lstm.GROUP_PADDING", 2)
        yield


def small_config(**fields) -> LstmConfig:
    """The same as `tiny_config`, for hypothesis tests, which cannot use fixtures."""
    return LstmConfig(vocab_size=40, embedding_size=6, hidden_size=5, **fields)


def plain_torch(model: LstmModel) -> nn.RNNBase:
    """The same weights in one stock `torch.nn` module."""
    config = model.config
    rnn = TORCH_CELLS[config.cell_type](
        config.embedding_size,
        config.hidden_size,
        config.num_hidden_layers,
        batch_first=True,
        bidirectional=config.bidirectional,
    )
    weights = {
        name.replace("_l0", f"_l{i}" + "_reverse" * direction): value
        for i, layer in enumerate(model.layers)
        for direction, cell in enumerate(layer.directions)
        for name, value in cell.state_dict().items()
    }
    rnn.load_state_dict(weights)
    return rnn.eval()


def state_parts(state) -> tuple[torch.Tensor, ...]:
    return (state,) if isinstance(state, torch.Tensor) else tuple(state)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_padded_batch_equals_plain_torch_row_by_row(cell_type, bidirectional, layers, data):
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    side, extra = data.draw(st.sampled_from(["left", "right"])), data.draw(st.integers(0, 3))
    torch.manual_seed(data.draw(st.integers(0, 99)))
    config = small_config(cell_type=cell_type, bidirectional=bidirectional, num_hidden_layers=layers)
    model = LstmModel(config).eval()
    reference = plain_torch(model)
    rows = [torch.randint(0, 40, (length,)) for length in lengths]
    ids, mask = padded(rows, side, extra)
    with torch.no_grad():
        output = model(ids, mask)
        poisoned = model.embed_tokens(ids).masked_fill(mask[..., None] == 0, float("nan"))
        from_embeddings = model(inputs_embeds=poisoned, attention_mask=mask)
        torch.testing.assert_close(from_embeddings.last_hidden_state, output.last_hidden_state, atol=1e-6, rtol=0)
        for i, row in enumerate(rows):
            expected, expected_state = reference(model.embed_tokens(row[None]))
            torch.testing.assert_close(output.last_hidden_state[i][mask[i] == 1], expected[0], atol=1e-5, rtol=0)
            for part, expected_part in zip(state_parts(output.state), state_parts(expected_state), strict=True):
                torch.testing.assert_close(part[:, i], expected_part[:, 0], atol=1e-5, rtol=0)
    assert (output.last_hidden_state[mask == 0] == 0).all()


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    side=st.sampled_from(["left", "right"]),
    extra=st.integers(0, 4),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("pooling", ["last", "max", "mean", "concat"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_logits_are_those_of_the_text_alone(cell_type, bidirectional, pooling, layers, lengths, side, extra, seed):
    torch.manual_seed(seed)
    fields = {"cell_type": cell_type, "bidirectional": bidirectional, "pooling": pooling, "num_hidden_layers": layers}
    config = small_config(**fields)
    model = LstmForSequenceClassification(config).eval()
    rows = [torch.randint(0, 40, (length,)) for length in lengths]
    ids, mask = padded(rows, side, extra)
    with torch.no_grad():
        alone = torch.cat([model(row[None]).logits for row in rows])
        torch.testing.assert_close(model(ids, mask).logits, alone, atol=1e-5, rtol=0)
        poisoned = model.model.embed_tokens(ids).masked_fill(mask[..., None] == 0, float("nan"))
        from_embeddings = model(inputs_embeds=poisoned, attention_mask=mask).logits
        torch.testing.assert_close(from_embeddings, alone, atol=1e-5, rtol=0)
        unmasked, all_ones = model(ids).logits, model(ids, torch.ones_like(ids)).logits
        torch.testing.assert_close(unmasked, all_ones, atol=1e-6, rtol=0)
    # With gradients, all rows are read together.
    torch.testing.assert_close(model(ids, mask).logits.detach(), alone, atol=1e-5, rtol=0)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_reverse_model_is_plain_torch_on_the_row_from_its_end(cell_type, layers, data):
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    side, extra = data.draw(st.sampled_from(["left", "right"])), data.draw(st.integers(0, 3))
    torch.manual_seed(data.draw(st.integers(0, 99)))
    model = LstmModel(
        small_config(cell_type=cell_type, bidirectional=False, reverse=True, num_hidden_layers=layers)
    ).eval()
    reference = plain_torch(model)
    rows = [torch.randint(0, 40, (length,)) for length in lengths]
    ids, mask = padded(rows, side, extra)
    with torch.no_grad():
        output = model(ids, mask)
        for i, row in enumerate(rows):
            expected, expected_state = reference(model.embed_tokens(row.flip(0)[None]))
            torch.testing.assert_close(
                output.last_hidden_state[i][mask[i] == 1].flip(0), expected[0], atol=1e-5, rtol=0
            )
            for part, expected_part in zip(state_parts(output.state), state_parts(expected_state), strict=True):
                torch.testing.assert_close(part[:, i], expected_part[:, 0], atol=1e-5, rtol=0)
    assert (output.last_hidden_state[mask == 0] == 0).all()


@pytest.mark.parametrize("pooling", ["last", "max", "mean", "concat"])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_reverse_classifier_equals_a_forward_one_on_the_reversed_text(cell_type, pooling):
    config = small_config(cell_type=cell_type, pooling=pooling, bidirectional=False, num_hidden_layers=2)
    forward = LstmForSequenceClassification(config).eval()
    reverse = LstmForSequenceClassification(
        small_config(cell_type=cell_type, pooling=pooling, bidirectional=False, num_hidden_layers=2, reverse=True)
    ).eval()
    reverse.load_state_dict(forward.state_dict())
    rows = [torch.randint(0, 40, (length,)) for length in (5, 1, 9, 3)]
    for side in ("left", "right"):
        ids, mask = padded(rows, side, extra=2)
        with torch.no_grad():
            expected = torch.cat([forward(row.flip(0)[None]).logits for row in rows])
            torch.testing.assert_close(reverse(ids, mask).logits, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(reverse(ids, mask).logits, expected, atol=1e-5, rtol=0)


def test_long_text_of_a_reverse_model_is_not_divided(tiny_config, monkeypatch):
    monkeypatch.setattr("hf_lstm.models.reading_lstm.WINDOW_TOKENS", 10)
    model = LstmForSequenceClassification(tiny_config(bidirectional=False, reverse=True)).eval()
    ids = torch.randint(0, 40, (2, 35))
    whole = model(ids).logits.detach()
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_padding_within_a_row_is_skipped(tiny_config, cell_type):
    model = LstmForSequenceClassification(tiny_config(cell_type=cell_type)).eval()
    ids, mask = torch.tensor([[7, 3, 8, 4, 9]]), torch.tensor([[1, 0, 1, 0, 1]])
    with torch.no_grad():
        torch.testing.assert_close(model(ids, mask).logits, model(torch.tensor([[7, 8, 9]])).logits)


@pytest.mark.parametrize("pooling", ["last", "max", "mean", "concat"])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_fully_masked_row_is_finite_and_keeps_the_state(tiny_config, cell_type, pooling):
    model = LstmForSequenceClassification(tiny_config(cell_type=cell_type, pooling=pooling)).eval()
    ids, mask = torch.randint(0, 40, (2, 4)), torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]])
    state = tuple(torch.randn(2, 2, 5) for _ in range(2)) if cell_type == "lstm" else torch.randn(2, 2, 5)
    with torch.no_grad():
        output = model(ids, mask, state=state)
    assert output.logits.isfinite().all()
    for given_part, part in zip(state_parts(state), state_parts(output.state), strict=True):
        torch.testing.assert_close(part[:, 1], given_part[:, 1], atol=0, rtol=0)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(cut=st.integers(1, 11), first=st.integers(1, 11), second=st.integers(1, 11))
@pytest.mark.parametrize("pooling", ["last", "max", "mean", "concat"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_two_calls_with_the_state_carried_equal_one(cell_type, layers, pooling, cut, first, second):
    config = small_config(cell_type=cell_type, bidirectional=False, num_hidden_layers=layers, pooling=pooling)
    model = LstmForSequenceClassification(config).eval()
    ids, mask = padded([torch.randint(0, 40, (first,)), torch.randint(0, 40, (second,))], "right")
    ids, mask = nn.functional.pad(ids, (0, 12 - ids.shape[1])), nn.functional.pad(mask, (0, 12 - mask.shape[1]))
    with torch.no_grad():
        whole = model(ids, mask)
        state, pooled = None, POOLINGS[pooling].start(torch.zeros(2, 5))
        for part in (slice(None, cut), slice(cut, None)):
            outputs = model.model(ids[:, part], mask[:, part], state=state)
            state = outputs.state
            pooled = pooled.update(outputs.last_hidden_state, mask[:, part], model.model.last_output(state))
        logits = model.classifier(pooled.vector())
        continued = model(ids[:, cut:], mask[:, cut:], state=model(ids[:, :cut], mask[:, :cut]).state)
    torch.testing.assert_close(logits, whole.logits, atol=1e-5, rtol=0)
    for parts in (state_parts(state), state_parts(continued.state)):
        for part, expected in zip(parts, state_parts(whole.state), strict=True):
            torch.testing.assert_close(part, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(pooled.vector(), model.encode(ids, mask).vectors, atol=1e-5, rtol=0)


@pytest.mark.parametrize("gradients", [False, True])
def test_head_is_a_linear_layer_on_the_encoded_texts(tiny_config, gradients):
    model = LstmForSequenceClassification(tiny_config(pooling="mean", bidirectional=True)).eval()
    ids, mask = padded([torch.randint(0, 40, (length,)) for length in (3, 8, 2)], "left")
    with torch.set_grad_enabled(gradients):
        encoded, output = model.encode(ids, mask), model(ids, mask)
        hidden = model.model(ids, mask).last_hidden_state  # 0 at padding
    vectors = hidden.sum(1) / mask.sum(1, keepdim=True)
    torch.testing.assert_close(encoded.vectors, vectors, atol=1e-6, rtol=0)
    logits = vectors @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(output.logits, logits, atol=1e-6, rtol=0)
    assert encoded.hidden_states is None


def test_bidirectional_initial_state_is_that_of_torch(tiny_config):
    model = LstmModel(tiny_config(num_hidden_layers=2)).eval()
    state = torch.randn(4, 3, 5), torch.randn(4, 3, 5)
    ids = torch.randint(0, 40, (3, 6))
    with torch.no_grad():
        output = model(ids, state=state)
        expected, (h, c) = plain_torch(model)(model.embed_tokens(ids), state)
    torch.testing.assert_close(output.last_hidden_state, expected)
    torch.testing.assert_close(output.state[0], h)
    torch.testing.assert_close(output.state[1], c)


@pytest.mark.parametrize("pooling", ["last", "max", "mean", "concat"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_windows_of_a_long_text_change_nothing(tiny_config, cell_type, bidirectional, pooling, monkeypatch):
    config = tiny_config(cell_type=cell_type, bidirectional=bidirectional, pooling=pooling)
    model = LstmForSequenceClassification(config).eval()
    batch = padded([torch.randint(0, 40, (length,)) for length in (23, 4, 11)], "left")
    whole, encoded = model(*batch), model.encode(*batch)  # with gradients, a batch is not divided
    monkeypatch.setattr("hf_lstm.models.reading_lstm.WINDOW_TOKENS", 3 * 5)
    monkeypatch.setattr("hf_lstm.models.reading_lstm.DROP_STEPS", 2)
    with torch.no_grad():
        in_parts, encoded_in_parts = model(*batch), model.encode(*batch)
    torch.testing.assert_close(in_parts.logits, whole.logits, atol=1e-6, rtol=0)
    for part, expected in zip(state_parts(in_parts.state), state_parts(whole.state), strict=True):
        torch.testing.assert_close(part, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(encoded_in_parts.vectors, encoded.vectors, atol=1e-6, rtol=0)


def test_long_text_of_one_direction_takes_no_more_memory(tiny_config, monkeypatch):
    monkeypatch.setattr("hf_lstm.models.reading_lstm.WINDOW_TOKENS", 100)
    model = LstmForSequenceClassification(tiny_config(bidirectional=False)).eval()
    longest = []
    model.model.register_forward_hook(lambda module, args, output: longest.append(output.last_hidden_state.shape[1]))
    with torch.no_grad():
        model(torch.randint(0, 40, (2, 1_234)))
    assert max(longest) == 50 and sum(longest) == 1_234
    assert len(model(torch.randint(0, 40, (2, 1_234)), output_hidden_states=True).hidden_states) == 2


def test_pad_row_receives_no_gradient(tiny_config):
    model = LstmForSequenceClassification(tiny_config()).train()
    ids, mask = torch.tensor([[5, 6, 0], [0, 7, 8]]), torch.tensor([[1, 1, 0], [1, 1, 1]])
    model(ids, mask, labels=torch.tensor([0, 1])).loss.backward()
    assert (model.model.embed_tokens.weight.grad[0] == 0).all()
    assert (model.model.embed_tokens.weight.grad[5] != 0).any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_half_precision_trains_and_stays_exact_under_padding(tiny_config, cell_type, dtype):
    model = LstmForSequenceClassification(tiny_config(cell_type=cell_type)).to(dtype)
    rows = [torch.randint(0, 40, (length,)) for length in (3, 8)]
    ids, mask = padded(rows, "right")
    model.train()(ids, mask, labels=torch.tensor([0, 1])).loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    with torch.no_grad():
        alone = torch.cat([model.eval()(row[None]).logits for row in rows])
        torch.testing.assert_close(model(ids, mask).logits, alone, atol=1e-2, rtol=0)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_autocast_trains(tiny_config, cell_type):
    model = LstmForSequenceClassification(tiny_config(cell_type=cell_type, weight_dropout=0.5)).train()
    ids, mask = padded([torch.randint(0, 40, (length,)) for length in (3, 8)], "left")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(ids, mask, labels=torch.tensor([0, 1])).loss
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_gradient_checkpointing_changes_no_gradient(tiny_config, cell_type, use_reentrant):
    model = LstmForSequenceClassification(tiny_config(cell_type=cell_type, num_hidden_layers=2, weight_dropout=0.3))
    ids, mask = padded([torch.randint(0, 40, (length,)) for length in (3, 8)], "right")
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
        torch.manual_seed(1)
        model.zero_grad()
        model.train()(ids, mask, labels=torch.tensor([0, 1])).loss.backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_compiled_model_gives_the_same(tiny_config, cell_type):
    model = LstmForSequenceClassification(tiny_config(cell_type=cell_type, bidirectional=True)).eval()
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        for side in ("right", "left"):
            batch = padded([torch.randint(0, 40, (length,)) for length in (3, 8, 5)], side)
            torch.testing.assert_close(compiled(*batch).logits, model(*batch).logits, atol=1e-6, rtol=0)


def other_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of another size than the examples below, with padding on the right, on the left and in the middle."""
    mask = torch.ones(3, 9, dtype=torch.long)
    mask[1, :2] = mask[2, 1] = mask[2, 5:] = 0
    return torch.randint(0, 40, (3, 9)), mask


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_exported_model_reads_batches_of_any_size(tiny_config, cell_type, bidirectional):
    fields = {"cell_type": cell_type, "bidirectional": bidirectional, "pooling": "concat", "initializer_range": 1.0}
    model = LstmForSequenceClassification(tiny_config(**fields)).eval()
    example = {"input_ids": torch.randint(0, 40, (2, 5)), "attention_mask": torch.ones(2, 5, dtype=torch.long)}
    sizes = {0: Dim("batch"), 1: Dim("seq")}
    with torch.no_grad():
        program = torch.export.export(model, (), example, dynamic_shapes=dict.fromkeys(example, sizes))
        ids, mask = other_batch()
        exported = program.module()(input_ids=ids, attention_mask=mask).logits
        torch.testing.assert_close(exported, model(ids, mask).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_traced_model_reads_batches_of_any_size(tiny_config, cell_type, bidirectional):
    fields = {"cell_type": cell_type, "bidirectional": bidirectional, "pooling": "concat", "initializer_range": 1.0}
    model = LstmForSequenceClassification(tiny_config(**fields, return_dict=False)).eval()
    full = torch.ones(2, 5, dtype=torch.long)
    ids, mask = other_batch()
    for example_mask in (full, full.tril(2)):
        with torch.no_grad():
            traced = torch.jit.trace(model, (torch.randint(0, 40, (2, 5)), example_mask))
            torch.testing.assert_close(traced(ids, mask)[0], model(ids, mask)[0], atol=1e-5, rtol=0)


def test_resized_embeddings_keep_the_old_rows(tiny_config):
    model = LstmForSequenceClassification(tiny_config())
    before = model.get_input_embeddings().weight.clone()
    model.resize_token_embeddings(50)
    assert model.config.vocab_size == 50 and model.get_input_embeddings().weight.shape == (50, 6)
    assert torch.equal(model.get_input_embeddings().weight[:40], before)
    assert model(torch.tensor([[45, 49]])).logits.isfinite().all()


def test_hidden_states_and_tuples(tiny_config):
    model = LstmForSequenceClassification(tiny_config(num_hidden_layers=3, bidirectional=False)).eval()
    ids, mask = padded([torch.randint(0, 40, (length,)) for length in (3, 8)], "left")
    output = model(ids, mask, output_hidden_states=True, labels=torch.tensor([0, 1]))
    assert [tuple(hidden.shape) for hidden in output.hidden_states] == [(2, 8, 6), (2, 8, 5), (2, 8, 5), (2, 8, 5)]
    torch.testing.assert_close(output.hidden_states[-1], model.model(ids, mask).last_hidden_state)
    as_tuple = model(ids, mask, labels=torch.tensor([0, 1]), return_dict=False)
    torch.testing.assert_close(as_tuple[0], output.loss)
    torch.testing.assert_close(as_tuple[1], output.logits)
    model.config.return_dict = False
    torch.testing.assert_close(model(ids, mask)[0], output.logits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of"),
        ({"input_ids": torch.ones(1, 2, dtype=torch.long), "inputs_embeds": torch.ones(1, 2, 6)}, "exactly one of"),
        ({"input_ids": torch.ones(2, 0, dtype=torch.long)}, "no tokens"),
        ({"input_ids": torch.tensor([[1, 2]]), "attention_mask": torch.ones(1, 3)}, r"shape \(1, 2\), got \(1, 3\)"),
        ({"input_ids": torch.tensor([[1, 40]])}, "Token id 40 is beyond the 40 rows"),
        ({"input_ids": torch.ones(1, 2, dtype=torch.long), "state": torch.zeros(2, 1, 5)}, r"\(h, c\), each of shape"),
        (
            {"input_ids": torch.ones(1, 2, dtype=torch.long), "state": (torch.zeros(2, 3, 5), torch.zeros(2, 3, 5))},
            r"shape \(2, 1, 5\)",
        ),
    ],
)
def test_error_for_invalid_arguments(tiny_config, arguments, message):
    with pytest.raises(ValueError, match=message):
        LstmModel(tiny_config())(**arguments)


@pytest.mark.parametrize("mask", [(1, 6), (1, 2), (2, 4)])
def test_a_mask_of_a_wrong_shape_is_refused_before_a_batch_is_divided(tiny_config, mask, monkeypatch):
    monkeypatch.setattr("hf_lstm.models.reading_lstm.WINDOW_STEPS", 2)  # windows of the mask and of the ids would match
    model = LstmForSequenceClassification(tiny_config(bidirectional=False)).eval()
    for gradients in (False, True):
        with torch.set_grad_enabled(gradients), pytest.raises(ValueError, match=r"must be of shape \(1, 4\)"):
            model(torch.ones(1, 4, dtype=torch.long), torch.ones(mask))


def test_overfits_32_examples(tiny_config):
    model = LstmForSequenceClassification(tiny_config(hidden_size=16, embedding_size=16, num_labels=4)).train()
    ids, labels = torch.randint(4, 40, (32, 10)), torch.randint(0, 4, (32,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        model(ids, labels=labels).loss.backward()
        optimizer.step()
    assert (model.eval()(ids).logits.argmax(1) == labels).all()


@pytest.mark.slow
def test_import_needs_no_network():
    code = (
        "import socket\n"
        "def refuse(*args, **kwargs): raise AssertionError('network')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "import hf_lstm\n"
        "from transformers import AutoConfig\n"
        "print(AutoConfig.for_model('hf_lstm').cell_type)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "lstm"
