"""Alternatives of extras: transformers in onnxruntime with 8-bit weights, and a static classifier of model2vec."""

import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from .contestants import TRANSFORMER_TOKENS
from .timing import Setting

# Length of the vectors of `minishlab/potion-base-8M`, a common static model.
STATIC_SIZE = 256


def int8_transformers(models: Mapping[str, PreTrainedModel]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """
    Export transformers to ONNX and quantize their weights to 8 bits, as for use on a CPU.

    Args:
        models: The models by name, on the CPU.

    Returns:
        For each name a function that computes logits `(batch, num_labels)` from token ids `(batch, seq)` without
        padding, with as many threads as torch. It is empty, and the reason is printed, if onnxruntime is missing.
    """
    try:
        import onnxruntime
        from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic
    except ImportError:
        print(
            'onnxruntime is not installed and is skipped. To include it: pip install "hf_lstm[onnx]"', file=sys.stderr
        )
        return {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    ids = torch.zeros(2, 3, dtype=torch.long)
    sizes = {0: "batch", 1: "seq"}
    runners: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    for name, model in models.items():
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about values of the masks that are constant without padding
            exported, prepared, quantized = (Path(folder, f"{step}.onnx") for step in ("model", "prepared", "int8"))
            torch.onnx.export(
                model,
                (ids, torch.ones_like(ids)),
                exported,
                input_names=["input_ids", "attention_mask"],
                dynamic_axes={"input_ids": sizes, "attention_mask": sizes},
                dynamo=False,  # the other exporter needs onnxscript
            )
            quant_pre_process(exported, prepared, skip_symbolic_shape=True)  # as onnxruntime advises, with a warning
            quantize_dynamic(prepared, quantized, weight_type=QuantType.QInt8)
            session = onnxruntime.InferenceSession(quantized, options, providers=["CPUExecutionProvider"])
        runners[name] = partial(_run_session, session)
    return runners


def _run_session(session: Any, input_ids: np.ndarray) -> np.ndarray:
    """Return the logits, `(batch, num_labels)`, of token ids without padding, `(batch, seq)`."""
    return session.run(None, {"input_ids": input_ids, "attention_mask": np.ones_like(input_ids)})[0]


def score_one_by_one(
    run: Callable[[np.ndarray], np.ndarray], tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]
) -> np.ndarray:
    """
    Score texts with a function of [`int8_transformers`], each text alone: a CPU gains nothing from padded batches.

    Args:
        run: Computes logits from token ids.
        tokenizer: Tokenizer of the model.
        texts: The texts, which are cut at 512 tokens.

    Returns:
        The logits, `(texts, num_labels)`.
    """
    encoded = tokenizer(list(texts), truncation=True, max_length=TRANSFORMER_TOKENS)["input_ids"]
    return np.concatenate([run(np.array([ids], dtype=np.int64)) for ids in encoded])


def static_classifier(
    setting: Setting, tokenizer: PreTrainedTokenizerFast
) -> Callable[[Sequence[str]], np.ndarray] | None:
    """
    Train logistic regression on the mean of static vectors, which are random here.

    Args:
        setting: The texts to train on.
        tokenizer: Tokenizer of the static model.

    Returns:
        A function that computes the probabilities `(texts, 2)` of texts; `None`, and the reason is printed, if
        model2vec is missing.
    """
    try:
        from model2vec import StaticModel
    except ImportError:
        print('model2vec is not installed and is skipped. To include it: pip install "hf_lstm[bench]"', file=sys.stderr)
        return None
    vectors = np.random.default_rng(0).standard_normal((len(tokenizer), STATIC_SIZE), dtype=np.float32)
    static = StaticModel(vectors, tokenizer.backend_tokenizer)
    head = LogisticRegression().fit(static.encode(setting.texts), setting.labels)
    return lambda texts: head.predict_proba(static.encode(texts))
