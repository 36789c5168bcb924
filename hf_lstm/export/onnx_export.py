"""Export a classifier to ONNX, compare it with the model, and optionally quantize it."""

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
from ..guarding import verdict
from ..inference import format_predictions, predict_texts
from ..models import LstmForSequenceClassification
from ..saving import atomic_folder
from ..text import ascii_words, boundaries, clean_text

try:
    import onnx
    from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic
except ImportError as error:
    raise ImportError(f'ONNX export requires onnx and onnxruntime ({error}): pip install "hf_lstm[onnx]"') from None

from .onnx_graph import build_graph
from .run_onnx import OnnxClassifier

# Largest difference of a logit, absolute or relative to a logit above 1. Sums in a different order differ by less.
TOLERANCE = 1e-4

# Largest number of texts whose prediction is timed.
TIMED_TEXTS = 512

# File that marks the folder of an export.
REPORT_FILE = "onnx_report.json"

# Files that run the exported folder without this package: in Python and in a browser.
RUNNER_FILES = (
    *map(Path(__file__).with_name, ("run_onnx.py", "onnx_session.py", "guard_onnx.py", "classifier.mjs")),
    Path(ascii_words.__file__),
    Path(boundaries.__file__),
    Path(verdict.__file__),
)

# Files for a browser that require a stateful graph.
STREAM_FILES = tuple(map(Path(__file__).with_name, ("stream.mjs", "index.html")))


def export_onnx(
    model: LstmForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    folder: str | Path,
    texts: Sequence[str],
    labels: np.ndarray | None = None,
    stateful: bool = False,
    int8: bool = False,
) -> dict:
    """
    Write a self-contained folder: ONNX graph, tokenizer, config, runners for Python and browsers, and a report.

    Args:
        model: Classifier.
        tokenizer: Tokenizer of the model.
        folder: Folder to write. The files of an earlier export are replaced only after the whole export has succeeded,
            which is printed.
        texts: Real texts, on which the graph is compared with the model and timed.
        labels: Label ids of the texts, to report the main metric of each graph.
        stateful: Whether the graph takes the recurrent state as input and returns it as output.
        int8: Whether to write a second graph, `model_int8.onnx`, with 8-bit weights.

    Returns:
        The report, which is also written to `onnx_report.json`.

    Raises:
        ValueError: If the logits of the graph differ from those of the model, the model cannot stream, its config has
            no `problem_type`, or the folder contains a model.
    """
    folder = Path(folder)
    if (folder / "model.safetensors").exists():
        raise ValueError(f"{folder} contains a model, whose files would be replaced: choose another folder.")
    if model.config.problem_type is None:
        raise ValueError("The config of the model has no problem_type: train the model, or set config.problem_type.")
    model = deepcopy(model).eval().float().cpu()
    built = build_graph(model, stateful)
    is_replaced = (folder / REPORT_FILE).is_file()
    with atomic_folder(folder) as partial:
        onnx.save(built, partial / "model.onnx")
        tokenizer.backend_tokenizer.save(str(partial / "tokenizer.json"))
        model.config.to_json_file(partial / "config.json", use_diff=False)
        for path in RUNNER_FILES + (STREAM_FILES if stateful else ()):
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
        (partial / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    removed = remove_unused(folder, stateful, int8)
    if is_replaced:
        without = f" Removed {', '.join(removed)}, which this export does not have." if removed else ""
        print(f"Replaced the earlier export in {folder}.{without}")
    return report


def remove_unused(folder: Path, stateful: bool, int8: bool) -> list[str]:
    """Remove the files of an earlier export with other options; return their names with the option of each."""
    unused = [] if int8 else [("model_int8.onnx", "--int8")]
    unused += [] if stateful else [(path.name, "--stateful") for path in STREAM_FILES]
    removed = [(name, option) for name, option in unused if (folder / name).is_file()]
    for name, _ in removed:
        (folder / name).unlink()
    return [f"{name} ({option})" for name, option in removed]


def quantize(source: Path, target: Path) -> None:
    """Write a graph with 8-bit embeddings, LSTM layers and head. onnxruntime has no 8-bit GRU or RNN."""
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
    Compare a graph with its model for several batch sizes, lengths and paddings.

    A stateful graph reads each batch in two parts, so the state is compared too.

    Args:
        model: Classifier, in single precision.
        tokenizer: Tokenizer of the model.
        classifier: Exported graph.
        texts: Real texts.

    Returns:
        The number of `texts`, `batches` and `rows` compared, and the `largest_difference` of a logit.

    Raises:
        ValueError: If a logit differs by more than `TOLERANCE`, relative to its size if it is above 1.
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
        state = classifier.initial_state(len(rows))
        cuts = [0, batch["input_ids"].shape[1]]
        if state:
            cuts.insert(1, cuts[1] // 2)
        for start, end in pairwise(cuts):
            if end > start:
                feeds = {name: part[:, start:end].numpy() for name, part in batch.items()}
                outputs = dict(zip(classifier.outputs, classifier.session.run(None, feeds | state), strict=True))
                state = {name: outputs[f"next_{name}"] for name in state}
        difference = np.abs(outputs["logits"] - expected)
        if not (difference <= TOLERANCE * np.maximum(1, np.abs(expected))).all():  # written so that NaN fails
            raise ValueError(f"A logit of the exported graph differs from the model by {difference.max():.2g}.")
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
    """
    Compare the size, speed and predictions of several functions from texts to logits.

    Args:
        scorers: Functions by name; `torch` is the reference.
        sizes: Size in bytes by name.
        config: Config of the model.
        texts: Texts to predict.
        labels: Label ids of the texts, or `None`.

    Returns:
        By name: `megabytes`, `documents_per_second` (median of three runs), `largest_difference` of a logit from the
        reference, `label_agreement` (share of equal predictions) and, with labels, the main metric.
    """
    logits: dict[str, np.ndarray] = {}
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
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
