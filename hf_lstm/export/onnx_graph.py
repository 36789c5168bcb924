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

    def rename(self, names: dict[str, str]) -> None:
        """Give values other names, for instance those of the outputs of the graph."""
        for node in self.nodes:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


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
    tokens = left_aligned(graph)
    embeddings = graph.op("Gather", graph.constant(weights["model.embed_tokens.weight"]), tokens.ids)
    outputs, last, after = recurrent_layers(graph, config, weights, embeddings, tokens.lengths, stateful)
    pooled, kept = pool(graph, config, outputs, last, tokens, stateful)
    after |= kept
    head = graph.constant(weights["classifier.weight"]), graph.constant(weights["classifier.bias"])
    logits = graph.op("Gemm", pooled, *head, transB=1)  # (batch, num_labels)

    results = {"logits": ("float32", ["batch", config.num_labels], logits)}
    results |= {f"next_{name}": (*memory[name], after[name]) for name in memory}
    graph.rename({value: name for name, (_, _, value) in results.items()})
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


class Tokens(NamedTuple):
    """
    Tokens of a batch, with the real tokens of each row first.

    Args:
        ids: `(seq, batch)`, token ids; -1, which selects the last row of a table, at padding.
        real: `(seq, batch)`, whether a token is real.
        lengths: `(batch, 1)`, number of real tokens.
    """

    ids: str
    real: str
    lengths: str


def left_aligned(graph: GraphBuilder) -> Tokens:
    """
    Add the operators that move the real tokens of each row to its start.

    Every operator costs about a microsecond, which matters for a stream that is read token by token.
    """
    op, one = graph.op, graph.constant(np.int64(1))
    mask = "attention_mask"
    # The position of a real token is the number of real tokens before it. Padding goes to position -1, the last one,
    # which no real token of a row with padding has.
    place = op("Sub", op("Mul", op("CumSum", mask, one), mask), one)  # (batch, seq)
    numbers = op("Mul", op("Add", "input_ids", one), mask)  # 1 and more for real tokens, 0 for padding
    aligned = op("ScatterElements", op("Sub", mask, mask), place, numbers, axis=1)
    aligned = op("Transpose", aligned, perm=[1, 0])  # (seq, batch)
    real = op("Cast", aligned, to=onnx.TensorProto.BOOL)
    return Tokens(op("Sub", aligned, one), real, op("ReduceSum", mask, graph.constant([1]), keepdims=1))


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
            initial = list(cell.states)
            if config.num_hidden_layers > 1:
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
        if config.num_directions == 1:
            outputs = op("Squeeze", outputs, constant([1]))  # (seq, batch, features); a Transpose would copy
        else:
            outputs = op("Reshape", op("Transpose", outputs, perm=[0, 2, 1, 3]), constant([0, 0, features]))
        if stateful:  # the operators do not keep the state of a row without tokens
            some = op("Greater", op("Unsqueeze", lengths, constant([0])), constant(np.int64(0)))  # (1, batch, 1)
            ended = [op("Where", some, part, before) for part, before in zip(ended, initial, strict=True)]
        final.append(ended)
    last = final[-1][0]
    if config.num_directions == 1:
        last = op("Squeeze", last, constant([0]))  # (batch, features)
    else:
        last = op("Reshape", op("Transpose", last, perm=[1, 0, 2]), constant([0, features]))
    if not stateful:
        return outputs, last, {}
    parts = zip(cell.states, *final, strict=True)
    return outputs, last, {name: op("Concat", *of, axis=0) if of[1:] else of[0] for name, *of in parts}


class PoolingInputs(NamedTuple):
    """
    Values of the graph that a pooling reads.

    Args:
        outputs: `(seq, batch, features)`, outputs of the last layer, with the real tokens of each row first and zeros
            at padding.
        last: `(batch, features)`, the last output of each row.
        tokens: Tokens of each row in this call.
        num_tokens: `(batch, 1)`, number of tokens including earlier calls.
        stateful: Whether the tensors that the pooling keeps are inputs of the graph.
    """

    outputs: str
    last: str
    tokens: Tokens
    num_tokens: str
    stateful: bool


def pool_last(graph: GraphBuilder, read: PoolingInputs) -> tuple[str, dict[str, str]]:
    """Return the last output."""
    return read.last, {}


def pool_max(graph: GraphBuilder, read: PoolingInputs) -> tuple[str, dict[str, str]]:
    """Return the maximum over the tokens, and keep it as `highest`."""
    op, constant = graph.op, graph.constant
    # Outputs are from -1 to 1, and 0 at padding.
    lower = op("Where", read.tokens.real, constant(np.float32(0)), constant(np.float32(-2)))  # (seq, batch)
    real_outputs = op("Add", read.outputs, op("Unsqueeze", lower, constant([2])))
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
    graph: GraphBuilder, config, outputs: str, last: str, tokens: Tokens, stateful: bool
) -> tuple[str, dict[str, str]]:
    """Return the pooled vector, `(batch, pooled)`, and the values to keep for the next call of a stateful graph."""
    kept = {"count": graph.op("Add", tokens.lengths, "count") if stateful else tokens.lengths}
    read = PoolingInputs(outputs, last, tokens, kept["count"], stateful)
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
