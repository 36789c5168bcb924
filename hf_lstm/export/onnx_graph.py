"""Write a classifier as an ONNX graph."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import onnx

from ..models import CELLS, LstmForSequenceClassification

OPSET = 17  # supported by all runtimes of recent years

# For each gate in the order of the ONNX operator, its position in the order of torch.
GATES = {name: [cell.gates.index(gate) for gate in cell.onnx_gates] for name, cell in CELLS.items()}


class GraphBuilder:
    """Collect the operators and constants of an ONNX graph. A value of the graph is represented by its name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value) -> str:
        """Add a constant and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, operator: str, *inputs: str, outputs: int = 1, **attributes):
        """Add an operator and return the name of its output, or a list of names for several outputs."""
        names = [f"{operator}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(onnx.helper.make_node(operator, inputs, names, **attributes))
        return names[0] if outputs == 1 else names


def build_graph(model: LstmForSequenceClassification, stateful: bool = False) -> onnx.ModelProto:
    """
    Build the ONNX graph of a classifier with the operators `LSTM`, `GRU` or `RNN` (https://onnx.ai/onnx/operators).

    Args:
        model: Classifier; its weights are stored in single precision.
        stateful: Whether the graph takes the state as inputs and returns the new state as outputs. The inputs are `h`,
            `c` (LSTM), and `highest`, `total`, `count` (depending on the pooling), all zero at the start of a text; the
            outputs have the prefix `next_`.

    Returns:
        A graph from `input_ids` and `attention_mask` `(batch, seq)` to `logits` `(batch, num_labels)`, for any batch
        size, length and padding.

    Raises:
        ValueError: If `stateful` is set and the model reads texts from the end.
    """
    config, weights = model.config, {k: v.float().cpu().numpy() for k, v in model.state_dict().items()}
    if stateful and not config.reads_forward:
        raise ValueError(
            "A model that reads texts from the end cannot be exported for streaming: train a forward model with "
            "bidirectional=False (hf-lstm train --no_bidirectional)."
        )
    graph = GraphBuilder()
    inputs = {name: ("int64", ["batch", "seq"]) for name in ("input_ids", "attention_mask")}
    memory = memory_inputs(config) if stateful else {}
    ids, lengths = left_aligned(graph, config.pad_token_id or 0)
    embeddings = graph.op("Gather", graph.constant(weights["model.embed_tokens.weight"]), ids)
    outputs, last, after = recurrent_layers(graph, config, weights, embeddings, lengths, stateful)
    pooled, kept = pool(graph, config, outputs, last, lengths, stateful)
    after |= kept
    head = graph.constant(weights["classifier.weight"]), graph.constant(weights["classifier.bias"])
    logits = graph.op("Gemm", pooled, *head, transB=1)  # (batch, num_labels)

    results = {"logits": ("float32", ["batch", config.num_labels], logits)}
    results |= {f"next_{name}": (*memory[name], after[name]) for name in memory}
    for name, (_, _, value) in results.items():
        graph.nodes.append(onnx.helper.make_node("Identity", [value], [name]))
    proto = onnx.helper.make_graph(
        graph.nodes,
        "hf_lstm",
        [_value(name, *kind) for name, kind in (inputs | memory).items()],
        [_value(name, kind, shape) for name, (kind, shape, _) in results.items()],
        graph.constants,
    )
    built = onnx.helper.make_model(proto, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="hf_lstm")
    built.ir_version = 8  # IR version released with opset 17
    onnx.checker.check_model(built, full_check=True)
    return built


def memory_inputs(config) -> dict[str, tuple[str, list]]:
    """Type and shape of the tensors that hold a state."""
    state = ("float32", [config.num_hidden_layers, "batch", config.hidden_size])
    memory: dict[str, tuple[str, list]] = dict.fromkeys(CELLS[config.cell_type].states, state)
    for part in POOLING_PARTS[config.pooling]:
        memory |= {name: (kind, ["batch", config.hidden_size]) for name, kind in part.kept.items()}
    return memory | {"count": ("int64", ["batch", 1])}


def left_aligned(graph: GraphBuilder, pad_token_id: int) -> tuple[str, str]:
    """Return the token ids `(seq, batch)` with the real tokens of each row first, and their number `(batch, 1)`."""
    op, one = graph.op, graph.constant(np.int64(1))
    real = op("Cast", "attention_mask", to=onnx.TensorProto.BOOL)  # (batch, seq)
    ones = op("Cast", real, to=onnx.TensorProto.INT64)
    lengths = op("ReduceSum", ones, graph.constant([1]), keepdims=1)
    nth_padding = op("CumSum", op("Sub", one, ones), one)
    place = op("Sub", op("Where", real, op("CumSum", ones, one), op("Add", lengths, nth_padding)), one)
    ids = op("Where", real, "input_ids", graph.constant(np.int64(pad_token_id)))
    return op("Transpose", op("ScatterElements", ids, place, ids, axis=1), perm=[1, 0]), lengths


def recurrent_layers(
    graph: GraphBuilder, config, weights: dict[str, np.ndarray], outputs: str, lengths: str, stateful: bool
) -> tuple[str, str, dict[str, str]]:
    """From embeddings to the outputs, `(seq, batch, features)`, the last one of each row, and the final state."""
    op, constant = graph.op, graph.constant
    features = config.hidden_size * config.num_directions
    cell = CELLS[config.cell_type]
    sequence_lens = op("Cast", op("Squeeze", lengths, constant([1])), to=onnx.TensorProto.INT32)  # (batch,)
    final = []
    for i in range(config.num_hidden_layers):
        layer_weights = [weights_of_layer(weights, config, i, part) for part in ("weight_ih", "weight_hh", "bias")]
        initial = []
        if stateful:
            layer = constant([i]), constant([i + 1]), constant([0])
            initial = [op("Slice", name, *layer) for name in cell.states]
        outputs, *ended = op(
            cell.onnx_operator,
            outputs,
            *map(constant, layer_weights),
            sequence_lens,
            *initial,
            outputs=1 + len(cell.states),
            hidden_size=config.hidden_size,
            direction="bidirectional" if config.bidirectional else "reverse" if config.reverse else "forward",
            **cell.onnx_attributes,
        )  # (seq, directions, batch, hidden_size), and each state (directions, batch, hidden_size)
        outputs = op("Reshape", op("Transpose", outputs, perm=[0, 2, 1, 3]), constant([0, 0, features]))
        if stateful:  # the operators do not keep the state of a row without tokens
            some = op("Greater", op("Unsqueeze", lengths, constant([0])), constant(np.int64(0)))  # (1, batch, 1)
            ended = [op("Where", some, part, before) for part, before in zip(ended, initial, strict=True)]
        final.append(ended)
    last = op("Reshape", op("Transpose", final[-1][0], perm=[1, 0, 2]), constant([0, features]))  # (batch, features)
    if not stateful:
        return outputs, last, {}
    return outputs, last, {name: op("Concat", *parts, axis=0) for name, *parts in zip(cell.states, *final, strict=True)}


class PoolingInputs(NamedTuple):
    """
    Values of the graph that a pooling reads.

    Args:
        outputs: `(seq, batch, features)`, outputs of the last layer, with the real tokens of each row first and zeros
            at padding.
        last: `(batch, features)`, the last output of each row.
        lengths: `(batch, 1)`, number of tokens of each row in this call.
        num_tokens: `(batch, 1)`, number of tokens including earlier calls.
        stateful: Whether the tensors that the pooling keeps are inputs of the graph.
    """

    outputs: str
    last: str
    lengths: str
    num_tokens: str
    stateful: bool


def pool_last(graph: GraphBuilder, read: PoolingInputs) -> tuple[str, dict[str, str]]:
    """Return the last output."""
    return read.last, {}


def pool_max(graph: GraphBuilder, read: PoolingInputs) -> tuple[str, dict[str, str]]:
    """Return the maximum over the tokens, and keep it as `highest`."""
    op, constant = graph.op, graph.constant
    seq = op("Squeeze", op("Shape", "input_ids", start=1))
    steps = op("Range", constant(np.int64(0)), seq, constant(np.int64(1)))  # (seq,)
    real = op("Less", op("Unsqueeze", steps, constant([1])), op("Transpose", read.lengths, perm=[1, 0]))  # (seq, batch)
    lowest = constant(np.finfo(np.float32).min)
    real_outputs = op("Where", op("Unsqueeze", real, constant([2])), read.outputs, lowest)
    highest = op("ReduceMax", real_outputs, axes=[0], keepdims=0)  # (batch, features)
    if read.stateful:  # before the first token, the value of the input has no meaning
        first = op("Equal", "count", constant(np.int64(0)))
        highest = op("Where", first, highest, op("Max", highest, "highest"))
    empty = op("Equal", read.num_tokens, constant(np.int64(0)))
    return op("Where", empty, constant(np.float32(0)), highest), {"highest": highest}


def pool_mean(graph: GraphBuilder, read: PoolingInputs) -> tuple[str, dict[str, str]]:
    """Return the mean over the tokens, and keep the sum as `total`."""
    op, constant = graph.op, graph.constant
    # In double precision, because a sum over millions of tokens would otherwise stop growing.
    total = op("Cast", op("ReduceSum", read.outputs, constant([0]), keepdims=0), to=onnx.TensorProto.DOUBLE)
    if read.stateful:
        total = op("Add", total, "total")
    number = op("Cast", op("Max", read.num_tokens, constant(np.int64(1))), to=onnx.TensorProto.DOUBLE)
    return op("Cast", op("Div", total, number), to=onnx.TensorProto.FLOAT), {"total": total}


class PoolingPart(NamedTuple):
    """
    Part of a pooled vector.

    Args:
        build: Function that adds the part to a graph. It returns the vector, `(batch, features)`, and the values to
            keep for the next call of a stateful graph.
        kept: Names and data types of these values, each `(batch, features)`.
    """

    build: Callable[[GraphBuilder, PoolingInputs], tuple[str, dict[str, str]]]
    kept: dict[str, str]


LAST = PoolingPart(pool_last, {})
MAX = PoolingPart(pool_max, {"highest": "float32"})
MEAN = PoolingPart(pool_mean, {"total": "float64"})

# Parts of the pooled vector of each pooling.
POOLING_PARTS = {"last": (LAST,), "max": (MAX,), "mean": (MEAN,), "concat": (LAST, MAX, MEAN)}


def pool(
    graph: GraphBuilder, config, outputs: str, last: str, lengths: str, stateful: bool
) -> tuple[str, dict[str, str]]:
    """Return the pooled vector, `(batch, pooled)`, and the values to keep for the next call of a stateful graph."""
    kept = {"count": graph.op("Add", lengths, "count") if stateful else lengths}
    read = PoolingInputs(outputs, last, lengths, kept["count"], stateful)
    vectors = []
    for part in POOLING_PARTS[config.pooling]:
        vector, values = part.build(graph, read)
        vectors.append(vector)
        kept |= values
    return graph.op("Concat", *vectors, axis=1), kept


def _value(name: str, kind: str, shape: Sequence) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)


def weights_of_layer(weights: dict[str, np.ndarray], config, layer: int, part: str) -> np.ndarray:
    """Return `weight_ih`, `weight_hh` or both biases of all directions of a layer, with the gates in ONNX order."""
    directions = []
    for direction in range(config.num_directions):
        names = ("bias_ih", "bias_hh") if part == "bias" else (part,)
        parts = [weights[f"model.layers.{layer}.directions.{direction}.{name}_l0"] for name in names]
        gates = [np.split(value, len(GATES[config.cell_type])) for value in parts]
        directions.append(np.concatenate([of[gate] for of in gates for gate in GATES[config.cell_type]]))
    return np.stack(directions)
