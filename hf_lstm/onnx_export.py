"""Export a classifier to ONNX, check that it says the same there, and measure what int8 costs and gives."""

import json
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise, product
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence
from transformers import EvalPrediction, PreTrainedTokenizerFast

from .metrics import MAIN_METRIC, compute_metrics_for
from .model_card import describe_machine
from .modeling_lstm import LstmForSequenceClassification, replaced_when_complete
from .pieces import clean_text
from .prediction import describe, predict_texts

try:
    import onnx
    from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic

    from .onnx_runner import OnnxClassifier
except ImportError as error:
    raise ImportError(f'ONNX export needs more packages ({error}): pip install "hf_lstm[onnx]"') from None

OPSET = 17  # what every runtime of the last years reads

# Rows of a gate in torch's order that come first, second, ... in ONNX's.
GATES = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}
OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}

# Largest difference of a logit that still counts as the same: sums in another order.
TOLERANCE = 1e-4

# Texts whose scoring is timed.
TIMED_TEXTS = 512


class GraphBuilder:
    """Collects the operators and constants of a graph; values are their names."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, operator: str, *inputs: str, outputs: int = 1, **attributes):
        """Adds an operator; the name of its output, or a list of them."""
        names = [f"{operator}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(onnx.helper.make_node(operator, inputs, names, **attributes))
        return names[0] if outputs == 1 else names


def build_graph(model: LstmForSequenceClassification, streaming: bool = False) -> onnx.ModelProto:
    """
    Writes a classifier as ONNX with the operators `LSTM`, `GRU` or `RNN` (https://onnx.ai/onnx/operators).

    Args:
        model: The classifier; its weights are written in single precision.
        streaming: Take the state as inputs (`h`, `c` of an LSTM, and `highest`, `total`, `count` as pooling needs them;
            all zeros at the start of a text) and give what it is afterwards as outputs `next_h` and so on.

    Returns:
        A model from `input_ids` and `attention_mask`, `(batch, seq)`, to `logits`, for any batch, length and padding.

    Raises:
        ValueError: `streaming` of a model that also reads from the end.
    """
    config, weights = model.config, {k: v.float().cpu().numpy() for k, v in model.state_dict().items()}
    if streaming and not config.reads_forward:
        raise ValueError(
            "A model that reads from the end needs the whole text, so it cannot be exported for streaming: train one "
            "with bidirectional=False (train.py --bidirectional false)."
        )
    graph = GraphBuilder()
    inputs = {name: ("int64", ["batch", "seq"]) for name in ("input_ids", "attention_mask")}
    memory = memory_inputs(config) if streaming else {}
    ids, lengths = left_aligned(graph, config.pad_token_id or 0)
    embeddings = graph.op("Gather", graph.constant(weights["model.embed_tokens.weight"]), ids)
    outputs, last, after = recurrent_layers(graph, config, weights, embeddings, lengths, streaming)
    pooled, kept = pool(graph, config, outputs, last, lengths, streaming)
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
    built.ir_version = 8  # of the same age as the opset
    onnx.checker.check_model(built, full_check=True)
    return built


def memory_inputs(config) -> dict[str, tuple[str, list]]:
    """Type and shape of the tensors that hold a state."""
    memory = {"h": ("float32", [config.num_hidden_layers, "batch", config.hidden_size])}
    if config.cell_type == "lstm":
        memory["c"] = memory["h"]
    if config.pooling in ("max", "concat"):
        memory["highest"] = ("float32", ["batch", config.hidden_size])
    if config.pooling in ("mean", "concat"):
        memory["total"] = ("float64", ["batch", config.hidden_size])
    return memory | {"count": ("int64", ["batch", 1])}


def left_aligned(graph: GraphBuilder, pad_token_id: int) -> tuple[str, str]:
    """The ids `(seq, batch)`, as ONNX has it, with the real tokens of each row first, and their number `(batch, 1)`."""
    op, one = graph.op, graph.constant(np.int64(1))
    real = op("Cast", "attention_mask", to=onnx.TensorProto.BOOL)  # (batch, seq)
    ones = op("Cast", real, to=onnx.TensorProto.INT64)
    lengths = op("ReduceSum", ones, graph.constant([1]), keepdims=1)
    nth_padding = op("CumSum", op("Sub", one, ones), one)
    place = op("Sub", op("Where", real, op("CumSum", ones, one), op("Add", lengths, nth_padding)), one)
    ids = op("Where", real, "input_ids", graph.constant(np.int64(pad_token_id)))
    return op("Transpose", op("ScatterElements", ids, place, ids, axis=1), perm=[1, 0]), lengths


def recurrent_layers(
    graph: GraphBuilder, config, weights: dict[str, np.ndarray], outputs: str, lengths: str, streaming: bool
) -> tuple[str, str, dict[str, str]]:
    """From embeddings to the outputs, `(seq, batch, features)`, the last one of each row, and the final state."""
    op, constant = graph.op, graph.constant
    features = config.hidden_size * config.num_directions
    states = ["h", "c"] if config.cell_type == "lstm" else ["h"]
    sequence_lens = op("Cast", op("Squeeze", lengths, constant([1])), to=onnx.TensorProto.INT32)  # (batch,)
    final = []
    for i in range(config.num_hidden_layers):
        cell = [weights_of_layer(weights, config, i, part) for part in ("weight_ih", "weight_hh", "bias")]
        initial = []
        if streaming:
            layer = constant([i]), constant([i + 1]), constant([0])
            initial = [op("Slice", name, *layer) for name in states]
        outputs, *ended = op(
            OPERATORS[config.cell_type],
            outputs,
            *map(constant, cell),
            sequence_lens,
            *initial,
            outputs=1 + len(states),
            hidden_size=config.hidden_size,
            direction="bidirectional" if config.bidirectional else "reverse" if config.reverse else "forward",
            **({"linear_before_reset": 1} if config.cell_type == "gru" else {}),
        )  # (seq, directions, batch, hidden_size), and each state (directions, batch, hidden_size)
        outputs = op("Reshape", op("Transpose", outputs, perm=[0, 2, 1, 3]), constant([0, 0, features]))
        if streaming:  # the operators forget the state of a row that has no token
            some = op("Greater", op("Unsqueeze", lengths, constant([0])), constant(np.int64(0)))  # (1, batch, 1)
            ended = [op("Where", some, part, before) for part, before in zip(ended, initial, strict=True)]
        final.append(ended)
    last = op("Reshape", op("Transpose", final[-1][0], perm=[1, 0, 2]), constant([0, features]))  # (batch, features)
    if not streaming:
        return outputs, last, {}
    return outputs, last, {name: op("Concat", *parts, axis=0) for name, *parts in zip(states, *final, strict=True)}


def pool(
    graph: GraphBuilder, config, outputs: str, last: str, lengths: str, streaming: bool
) -> tuple[str, dict[str, str]]:
    """The pooled vector, `(batch, pooled)`, and what pooling keeps of the text so far."""
    op, constant = graph.op, graph.constant
    vectors = [last] if config.pooling in ("last", "concat") else []
    kept = {"count": op("Add", lengths, "count") if streaming else lengths}
    if config.pooling in ("max", "concat"):
        seq = op("Squeeze", op("Shape", "input_ids", start=1))
        steps = op("Range", constant(np.int64(0)), seq, constant(np.int64(1)))  # (seq,)
        read = op("Less", op("Unsqueeze", steps, constant([1])), op("Transpose", lengths, perm=[1, 0]))  # (seq, batch)
        lowest = constant(np.finfo(np.float32).min)
        counted = op("Where", op("Unsqueeze", read, constant([2])), outputs, lowest)
        highest = op("ReduceMax", counted, axes=[0], keepdims=0)  # (batch, features)
        if streaming:  # before the first token there is no maximum, whatever stands there
            first = op("Equal", "count", constant(np.int64(0)))
            highest = op("Where", first, highest, op("Max", highest, "highest"))
        kept["highest"] = highest
        none = op("Equal", kept["count"], constant(np.int64(0)))
        vectors.append(op("Where", none, constant(np.float32(0)), highest))
    if config.pooling in ("mean", "concat"):
        # The operators give zeros at the padding. In double, since a sum over millions has to notice the next one.
        total = op("Cast", op("ReduceSum", outputs, constant([0]), keepdims=0), to=onnx.TensorProto.DOUBLE)
        kept["total"] = op("Add", total, "total") if streaming else total
        number = op("Cast", op("Max", kept["count"], constant(np.int64(1))), to=onnx.TensorProto.DOUBLE)
        vectors.append(op("Cast", op("Div", kept["total"], number), to=onnx.TensorProto.FLOAT))
    return op("Concat", *vectors, axis=1), kept


def _value(name: str, kind: str, shape: Sequence) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)


def weights_of_layer(weights: dict[str, np.ndarray], config, layer: int, part: str) -> np.ndarray:
    """`weight_ih`, `weight_hh` or the two biases as one, of both directions, with the gates in ONNX's order."""
    directions = []
    for direction in range(config.num_directions):
        names = ("bias_ih", "bias_hh") if part == "bias" else (part,)
        parts = [weights[f"model.layers.{layer}.directions.{direction}.{name}_l0"] for name in names]
        gates = [np.split(value, len(GATES[config.cell_type])) for value in parts]
        directions.append(np.concatenate([of[gate] for of in gates for gate in GATES[config.cell_type]]))
    return np.stack(directions)


def export_onnx(
    model: LstmForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    folder: str | Path,
    texts: Sequence[str],
    labels: np.ndarray | None = None,
    streaming: bool = False,
    int8: bool = False,
) -> dict:
    """
    Writes a folder that serves itself: graph, tokenizer, labels, a runner without torch, and what was measured.

    Args:
        model: The classifier.
        tokenizer: Its tokenizer.
        folder: Where to write; what was there before stays until all is written.
        texts: Real texts to compare and to time on.
        labels: Their label ids, to measure what int8 costs.
        streaming: Write the graph with its state as inputs and outputs.
        int8: Write a second graph, `model_int8.onnx`, with 8-bit weights.

    Returns:
        The report, which is also written, as `onnx_report.json`.

    Raises:
        ValueError: The graph does not say what the model says, the model cannot stream or was not trained, or the
            folder is that of a model.
    """
    folder = Path(folder)
    if (folder / "model.safetensors").exists():
        raise ValueError(f"{folder} holds a model, whose files this would replace: name another folder.")
    if model.config.problem_type is None:
        raise ValueError("The model does not say what its scores are: train it, or set config.problem_type.")
    model = deepcopy(model).eval().float().cpu()
    built = build_graph(model, streaming)
    with replaced_when_complete(folder) as partial:
        onnx.save(built, partial / "model.onnx")
        tokenizer.backend_tokenizer.save(str(partial / "tokenizer.json"))
        model.config.to_json_file(partial / "config.json", use_diff=False)
        (partial / "run_onnx.py").write_text(runner_source(), encoding="utf-8")
        scorers: dict[str, Callable] = {"torch": lambda texts: predict_texts(model, tokenizer, texts)}
        sizes = {"torch": sum(p.numel() * p.element_size() for p in model.parameters())}
        graphs = ["model.onnx"]
        if int8:
            quantize(partial / "model.onnx", partial / "model_int8.onnx")
            graphs.append("model_int8.onnx")
        for name in graphs:
            classifier = OnnxClassifier(partial, name, threads=torch.get_num_threads())
            scorers[name], sizes[name] = classifier.predict_logits, (partial / name).stat().st_size
        parity = check_parity(model, tokenizer, OnnxClassifier(partial), texts)
        report = {
            "machine": describe_machine(),
            "texts": len(texts),
            "parity": parity,
            "models": compare(scorers, sizes, model.config, texts, labels),
        }
        (partial / "onnx_report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if not int8:
        (folder / "model_int8.onnx").unlink(missing_ok=True)  # of an earlier export
    return report


def quantize(source: Path, target: Path) -> None:
    """Writes a graph with 8-bit embeddings, LSTM layers and head; onnxruntime has no 8-bit GRU or RNN."""
    prepared = target.with_suffix(".prepared")
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    operators = ["Gather", "LSTM", "Gemm", "MatMul"]
    quantize_dynamic(prepared, target, operators, weight_type=QuantType.QInt8)
    prepared.unlink()


def runner_source() -> str:
    """The runner as one file."""
    here = Path(__file__).parent
    pieces = (here / "pieces.py").read_text(encoding="utf-8").split('"""', 2)[2].strip()
    runner = (here / "onnx_runner.py").read_text(encoding="utf-8")
    before, line, after = runner.partition("from .pieces import arrive, clean_text\n")
    assert line, "the runner imports its pieces in one line"
    return f"{before}{pieces}\n{after}"


@torch.no_grad()
def check_parity(
    model: LstmForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    classifier: OnnxClassifier,
    texts: Sequence[str],
) -> dict:
    """
    Compares a graph with its model at several batch sizes, lengths and paddings, and with the state carried.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        classifier: The graph.
        texts: Real texts.

    Returns:
        How many batches and rows of how many texts were compared, and the largest difference of a logit.

    Raises:
        ValueError: A logit differs by more than `TOLERANCE`, or of a large one that share.
    """
    encoded = tokenizer([clean_text(text) for text in texts[:32]], verbose=False)["input_ids"]
    differences, rows_compared = [], 0
    for size, longest, side, extra in product((1, 5, 32), (1, 19, 300), ("right", "left"), (0, 7)):
        rows = [torch.tensor(ids[:longest]) for ids in encoded[:size]]
        margin = (0, extra) if side == "right" else (extra, 0)
        batch = {
            name: pad(pad_sequence(values, batch_first=True, padding_side=side), margin)
            for name, values in {"input_ids": rows, "attention_mask": [torch.ones_like(row) for row in rows]}.items()
        }
        expected = model(**batch).logits.numpy()
        memory = classifier.empty_memory(len(rows))
        cuts = [0, batch["input_ids"].shape[1]]
        if memory:
            cuts.insert(1, cuts[1] // 2)
        for start, end in pairwise(cuts):
            if end > start:
                feeds = {name: part[:, start:end].numpy() for name, part in batch.items()}
                outputs = dict(zip(classifier.outputs, classifier.session.run(None, feeds | memory), strict=True))
                memory = {name: outputs[f"next_{name}"] for name in memory}
        difference = np.abs(outputs["logits"] - expected)
        if not (difference <= TOLERANCE * np.maximum(1, np.abs(expected))).all():  # NaN is no match
            raise ValueError(f"The exported graph differs from the model by {difference.max():.2g} in a logit.")
        differences.append(float(difference.max()))
        rows_compared += len(rows)
    return {
        "texts": len(encoded),
        "batches": len(differences),
        "rows": rows_compared,
        "largest_difference": max(differences),
    }


def compare(
    scorers: dict[str, Callable], sizes: dict[str, int], config, texts: Sequence[str], labels: np.ndarray | None
) -> dict[str, dict[str, float]]:
    """Size, speed, difference from the first and, with labels, the main figure of each way to score the same texts."""
    logits, seconds = {}, {name: [] for name in scorers}
    timed = texts[:TIMED_TEXTS]
    for _ in range(3):
        for name, score in scorers.items():
            start = time.perf_counter()
            score(timed)
            seconds[name].append(time.perf_counter() - start)
    report = {}
    for name, score in scorers.items():
        logits[name] = score(texts)
        report[name] = {
            "megabytes": sizes[name] / 1e6,
            "documents_per_second": len(timed) / median(seconds[name]),
            "largest_difference": float(np.abs(logits[name] - logits["torch"]).max()),
        }
        if config.problem_type != "regression":
            pairs = zip(describe(logits[name], config), describe(logits["torch"], config), strict=True)
            report[name]["label_agreement"] = float(np.mean([one["label"] == other["label"] for one, other in pairs]))
        if labels is not None:
            measure = compute_metrics_for(config.problem_type, config.num_labels, config.threshold)
            metric = MAIN_METRIC[config.problem_type]
            report[name][metric] = measure(EvalPrediction(predictions=logits[name], label_ids=labels))[metric]
    return report
