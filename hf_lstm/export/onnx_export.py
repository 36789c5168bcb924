"""Export a classifier to ONNX, verify it against the model, and measure int8."""

import json
import shutil
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

from ..evaluation import MAIN_METRIC, build_compute_metrics, describe_machine
from ..inference import format_predictions, predict_texts
from ..models import LstmForSequenceClassification
from ..saving import atomic_folder
from ..text import boundaries, clean_text

try:
    import onnx
    from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic

    from . import run_onnx
    from .onnx_graph import build_graph
    from .run_onnx import OnnxClassifier
except ImportError as error:
    raise ImportError(f'ONNX export needs more packages ({error}): pip install "hf_lstm[onnx]"') from None

# Largest difference of a logit that still counts as the same: sums in another order.
TOLERANCE = 1e-4

# Texts whose scoring is timed.
TIMED_TEXTS = 512

# What the exported folder needs to run without this package.
RUNNER_FILES = (Path(run_onnx.__file__), Path(boundaries.__file__))


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
    with atomic_folder(folder) as partial:
        onnx.save(built, partial / "model.onnx")
        tokenizer.backend_tokenizer.save(str(partial / "tokenizer.json"))
        model.config.to_json_file(partial / "config.json", use_diff=False)
        for path in RUNNER_FILES:
            shutil.copyfile(path, partial / path.name)
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
            pairs = zip(
                format_predictions(logits[name], config), format_predictions(logits["torch"], config), strict=True
            )
            report[name]["label_agreement"] = float(np.mean([one["label"] == other["label"] for one, other in pairs]))
        if labels is not None:
            measure = build_compute_metrics(config.problem_type, config.num_labels, config.threshold)
            metric = MAIN_METRIC[config.problem_type]
            report[name][metric] = measure(EvalPrediction(predictions=logits[name], label_ids=labels))[metric]
    return report
