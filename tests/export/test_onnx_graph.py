import numpy as np
import pytest
import torch
from helpers import make_classifier

pytest.importorskip("onnxruntime")
from onnxruntime import InferenceSession

from hf_lstm.export.onnx_graph import build_graph

CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
POOLINGS = ("last", "max", "mean", "concat")


def make_batch() -> dict[str, torch.Tensor]:
    """Return rows with padding on the right, on the left and in the middle, without padding, and without a token."""
    rows = ["1111000", "0000111", "1010110", "1111111", "0000000"]
    mask = torch.tensor([[int(cell) for cell in row] for row in rows])
    generator = torch.Generator().manual_seed(0)
    return {"input_ids": torch.randint(0, 300, mask.shape, generator=generator), "attention_mask": mask}


def run(session: InferenceSession, **feeds) -> dict[str, np.ndarray]:
    feeds = {name: np.asarray(value) for name, value in feeds.items()}
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, feeds), strict=True))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", CELLS)
def test_graph_has_the_logits_of_the_model(cell_type, bidirectional, pooling, layers):
    fields = {"cell_type": cell_type, "bidirectional": bidirectional, "pooling": pooling, "num_hidden_layers": layers}
    model = make_classifier(**fields)
    graph = build_graph(model)
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count(CELLS[cell_type]) == layers
    assert not {"Loop", "Scan", "If"} & set(operators)
    used = {name for node in graph.graph.node for name in node.input}
    assert {constant.name for constant in graph.graph.initializer} <= used
    session = InferenceSession(graph.SerializeToString())
    batch = make_batch()
    for part in (batch, {name: value[:2, :5] for name, value in batch.items()}):
        with torch.no_grad():
            expected = model(**part).logits
        np.testing.assert_allclose(run(session, **part)["logits"], expected, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell_type", CELLS)
def test_graph_of_a_backward_model_has_the_logits_of_the_model(cell_type, pooling, layers):
    fields = {"cell_type": cell_type, "pooling": pooling, "num_hidden_layers": layers}
    model = make_classifier(**fields, bidirectional=False, reverse=True)
    session = InferenceSession(build_graph(model).SerializeToString())
    batch = make_batch()
    with torch.no_grad():
        expected = model(**batch).logits
        assert not torch.allclose(
            expected[3], make_classifier(**fields, bidirectional=False)(**batch).logits[3], atol=1e-3
        )
    np.testing.assert_allclose(run(session, **batch)["logits"], expected, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell_type", CELLS)
def test_stateful_graph_continues_from_its_state(cell_type, pooling):
    model = make_classifier(cell_type=cell_type, bidirectional=False, pooling=pooling, num_hidden_layers=2)
    session = InferenceSession(build_graph(model, stateful=True).SerializeToString())
    batch = make_batch()
    with torch.no_grad():
        expected = model(**batch)
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    state = {
        entry.name: np.zeros([5 if size == "batch" else size for size in entry.shape], dtype=types[entry.type])
        for entry in session.get_inputs()[2:]
    }
    for start, end in ((0, 3), (3, 4), (4, 7)):  # some rows have only padding in a part
        outputs = run(session, **{name: value[:, start:end] for name, value in batch.items()}, **state)
        state = {name: outputs[f"next_{name}"] for name in state}
    np.testing.assert_allclose(outputs["logits"], expected.logits, atol=1e-5)
    parts = expected.state if cell_type == "lstm" else (expected.state,)
    for name, part in zip("hc", parts, strict=False):
        np.testing.assert_allclose(outputs[f"next_{name}"], part, atol=1e-5)
    assert state["count"][:, 0].tolist() == [4, 3, 4, 7, 0]


@pytest.mark.parametrize("fields", [{"bidirectional": True}, {"bidirectional": False, "reverse": True}])
def test_model_that_reads_from_the_end_cannot_be_exported_for_streaming(fields):
    with pytest.raises(ValueError, match="cannot be exported for streaming"):
        build_graph(make_classifier(**fields), stateful=True)
