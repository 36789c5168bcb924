"""Speed of scoring: texts per second, latency of one text, and tokenizing."""

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

import numpy as np
import torch
from transformers import pipeline

from ..inference import predict_texts
from ..text import TokenizerKind, train_tokenizer
from .alternatives import int8_transformers, score_one_by_one, static_classifier
from .contestants import (
    TRANSFORMER_TOKENS,
    PlainClassifier,
    comparison_transformers,
    default_classifier,
    fasttext_line,
    fasttext_model,
    linear_model,
    wordpiece_tokenizer,
)
from .timing import Row, Setting

BATCH = 64


def measure_scoring(setting: Setting) -> list[Row]:
    """Compare documents per second, including tokenizing, of `pipeline` (batches of 64), `predict_texts` and others."""
    documents = setting.texts[: 16 if setting.smallest else 2_000]
    few = documents[: 4 if setting.smallest else 32]  # a transformer may take a second per document
    tokenizer = train_tokenizer(setting.texts, "word", show_progress=False)
    models = {
        "hf_lstm 128": default_classifier(len(tokenizer)),
        "hf_lstm 128, one direction": default_classifier(len(tokenizer), bidirectional=False),
        "hf_lstm 128, bf16": default_classifier(len(tokenizer)).bfloat16(),
    }
    contestants: dict[str, Callable[[], object]] = {}
    for name, model in models.items():
        scorer = pipeline("text-classification", model=model, tokenizer=tokenizer, device=setting.device)
        contestants[f"{name}, pipeline"] = partial(scorer, documents, batch_size=BATCH)
        contestants[f"{name}, predict_texts"] = partial(predict_texts, model, tokenizer, documents)
    pieces = wordpiece_tokenizer(setting)
    transformers = comparison_transformers(setting, len(pieces))
    slow: dict[str, Callable[[], object]] = {}
    for name, run in int8_transformers(transformers).items():
        slow[f"{name}, onnxruntime int8"] = partial(score_one_by_one, run, pieces, few)
    for name, transformer in transformers.items():
        scorer = pipeline("text-classification", model=transformer, tokenizer=pieces, device=setting.device)
        limits = {"truncation": True, "max_length": TRANSFORMER_TOKENS}
        slow[f"{name}, pipeline"] = partial(scorer, few, batch_size=BATCH, **limits)
    contestants |= slow
    contestants["TF-IDF + LR"] = partial(linear_model(setting).predict_proba, documents)
    if static := static_classifier(setting, pieces):
        contestants["model2vec + LR"] = partial(static, documents)
    if fasttext := fasttext_model(setting):
        contestants["fastText"] = partial(fasttext.predict, [fasttext_line(text) for text in documents])
    rates = {
        name: len(few if name in slow else documents) / seconds
        for name, seconds in setting.median_seconds(contestants).items()
    }
    reference = f"{next(iter(transformers))}, pipeline"
    return [Row(name, rate, "documents/s", rate / rates[reference], reference) for name, rate in rates.items()]


def measure_latency(setting: Setting) -> list[Row]:
    """Compare milliseconds per text, from token ids to logits; transformers read at most 512 tokens."""
    rng = np.random.default_rng(0)
    rows = []
    transformers = comparison_transformers(setting, 500)
    int8 = {f"{name}, onnxruntime int8": run for name, run in int8_transformers(transformers).items()}
    for length in (8,) if setting.smallest else (32, 256, 2_048):
        ids = torch.tensor(rng.integers(4, 500, (1, length)), device=setting.device)  # (1, length)
        first = ids[:, :TRANSFORMER_TOKENS]
        recurrent: dict[str, torch.nn.Module] = {
            "hf_lstm 128": default_classifier(30_000),
            "hf_lstm 128, one direction": default_classifier(30_000, bidirectional=False),
            "its layers alone": PlainClassifier(30_000, bidirectional=True),
            "its layers alone, one direction": PlainClassifier(30_000, bidirectional=False),
        }
        large = calls(transformers, first) | {name: partial(run, first.cpu().numpy()) for name, run in int8.items()}
        elapsed: dict[str, list[float]] = {}
        # Separately: after a transformer, the weights of the next model are no longer in the cache.
        for contestants in (calls(recurrent, ids), large):
            with torch.inference_mode():
                elapsed |= setting.run_in_turns(contestants, repeats=1 if setting.smallest else 21, warm_up=2)
        reference = next(iter(transformers))
        for name, seconds in elapsed.items():
            cut = ", cut at 512" if length > TRANSFORMER_TOKENS and name in transformers | int8 else ""
            label, ratio = f"{length} tokens, {name}{cut}", median(elapsed[reference]) / median(seconds)
            rows.append(Row(f"{label}, p50", 1_000 * median(seconds), "ms", ratio, reference))
            rows.append(Row(f"{label}, p95", 1_000 * float(np.percentile(seconds, 95)), "ms"))
    return rows


def calls(models: Mapping[str, torch.nn.Module], ids: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return functions that run each model on token ids, on the device of these."""
    return {name: partial(model.to(ids.device), ids) for name, model in models.items()}


def measure_tokenizing(setting: Setting) -> list[Row]:
    """Compare megabytes of text per second by kind of tokenizer, and the share of tokenizing in scoring."""
    megabytes = sum(len(text.encode()) for text in setting.texts) / 1e6
    kinds: tuple[TokenizerKind, ...] = ("word", "bpe", "wordpiece", "unigram")
    vocab_size = 1_000 if setting.smallest else 30_000
    tokenizers = {kind: train_tokenizer(setting.texts, kind, vocab_size, show_progress=False) for kind in kinds}
    contestants: dict[str, Callable[[], object]] = {
        kind: partial(tokenizer.__call__, setting.texts, return_attention_mask=False)
        for kind, tokenizer in tokenizers.items()
    }
    model = default_classifier(vocab_size)
    contestants["scoring"] = partial(predict_texts, model, tokenizers["word"], setting.texts)
    seconds = setting.median_seconds(contestants)
    rows = [Row(f"{kind} tokenizer", megabytes / seconds[kind], "MB/s") for kind in kinds]
    rows.append(Row("tokenizing, share of the time to score", 100 * seconds["word"] / seconds["scoring"], "%"))
    return rows
