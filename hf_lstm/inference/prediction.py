"""Score texts with a classifier, in batches of similar length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from ..messages import progress_bar
from ..text import check_texts, clean_text

# torch and transformers are imported when a model is run: the predictions of an ONNX graph are formatted without them.
if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

# Padded tokens in a batch. Fewer do not use the matrix units fully; more do not fit in the cache of a CPU.
BATCH_TOKENS = 16_384


def predict_logits(
    model: PreTrainedModel,
    input_ids: Sequence[Sequence[int]],
    batch_tokens: int = BATCH_TOKENS,
    show_progress: bool = False,
    pad: Callable[[np.ndarray], Mapping[str, torch.Tensor]] | None = None,
) -> np.ndarray:
    """Compute the logits of tokenised texts, without truncation, in batches of similar length.

    A process that is forked after the model has run on a CPU with two or more threads hangs when it runs the model, as
    it does with a plain `nn.LSTM`: the fork does not copy the threads of torch. Start processes with the method "spawn"
    (`torch.multiprocessing.get_context("spawn")`), or call `torch.set_num_threads(1)` before the first prediction.

    Args:
        model: A sequence classifier; it is put into evaluation mode.
        input_ids: Token ids of each text; the texts may have any length but must not be empty.
        batch_tokens: Upper limit of the padded tokens in a batch (number of rows times longest row). A longer text is a
            batch of its own.
        show_progress: Show a progress bar on a terminal or in a notebook. It counts tokens, because texts differ in
            length.
        pad: Returns the padded inputs of the model for a batch, given the numbers of its texts. The default pads
            `input_ids` on the right, as the models of this package need it.

    Returns:
        Logits in the order of the texts, float32, `(texts, num_labels)`.
    """
    import torch

    from ..data import pad_batch

    def pad_right(rows: np.ndarray) -> Mapping[str, torch.Tensor]:
        return pad_batch([input_ids[row] for row in rows], model.config.pad_token_id or 0)

    model.eval()
    lengths = np.array([len(ids) for ids in input_ids], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    logits = _no_logits(model, rows=len(input_ids))
    progress = progress_bar(show_progress, total=int(lengths.sum()), unit="token", unit_scale=True, leave=False)
    start = 0
    with torch.inference_mode(), progress:
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * lengths[order[end]] <= batch_tokens:
                end += 1
            rows = order[start:end]
            batch = (pad or pad_right)(rows)
            output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
            logits[rows] = output.logits.float().cpu().numpy()
            progress.update(int(lengths[rows].sum()))
            start = end
    return logits


def predict_texts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], show_progress: bool = False
) -> np.ndarray:
    """Compute the logits of texts, without truncation, in batches of similar length.

    Several threads may use the model and the tokenizer at the same time, with truncation, too. About processes, see
    [`predict_logits`].

    Args:
        model: A sequence classifier; it is put into evaluation mode.
        tokenizer: Its tokenizer; it is not modified.
        texts: A list, tuple, pandas Series, numpy array, column of a `datasets.Dataset` or other iterable of strings.
        show_progress: Show a progress bar on a terminal or in a notebook.

    Returns:
        Logits in the order of the texts, float32, `(texts, num_labels)`.

    Raises:
        TypeError: `texts` is a single string, or one of its items is not a string.
    """
    from .encoding import encode_texts

    texts = check_texts(texts)
    if not texts:
        return _no_logits(model, rows=0)
    encoded = encode_texts(tokenizer, [clean_text(text) for text in texts])
    return predict_logits(model, [encoding.ids for encoding in encoded], show_progress=show_progress)


def _no_logits(model: PreTrainedModel, rows: int) -> np.ndarray:
    return np.zeros((rows, int(model.config.num_labels or 0)), dtype=np.float32)


def probabilities(logits: np.ndarray, problem_type: str) -> np.ndarray:
    """Convert logits to probabilities.

    Args:
        logits: `(texts, num_labels)`.
        problem_type: As in the model's config.

    Returns:
        `(texts, num_labels)`: the softmax of each row for a single-label model, the sigmoid of each value for a
        multi-label model, and the unchanged scores for a regression.
    """
    if problem_type == "single_label_classification":
        # `scipy.special.softmax` computes the same and takes ten times as long for a single text.
        shifted = np.exp(logits - logits.max(1, keepdims=True))
        return shifted / shifted.sum(1, keepdims=True)
    return expit(logits) if problem_type == "multi_label_classification" else logits


def match_labels(config: Any, label_names: Sequence[str], problem_type: str | None, name: str) -> list[int]:
    """Find the output of a model for each of the given labels.

    Args:
        config: The config of the model.
        label_names: Names of the labels in the order that is wanted.
        problem_type: The problem type for which the outputs are used.
        name: What the message calls the model.

    Returns:
        The index of the output of each label.

    Raises:
        ValueError: The model has other labels or another problem type.
    """
    if problem_type == config.problem_type == "regression" and len(label_names) == config.num_labels:
        return list(range(config.num_labels))
    if problem_type != config.problem_type or set(label_names) != set(config.label2id):
        raise ValueError(
            f"{name} has the labels {', '.join(config.label2id)} ({config.problem_type}), which are not the same as "
            f"{', '.join(label_names)} ({problem_type})."
        )
    return [config.label2id[label] for label in label_names]


def average_logits(logits: Sequence[np.ndarray], problem_type: str) -> np.ndarray:
    """Average the predictions of several models for the same texts.

    Args:
        logits: The logits of each model, `(texts, num_labels)`, with the labels in the same order.
        problem_type: The problem type of the models.

    Returns:
        The logits of the mean probabilities, or the mean scores for a regression, float32, `(texts, num_labels)`.
    """
    mean = np.mean([probabilities(np.asarray(part, dtype=np.float64), problem_type) for part in logits], axis=0)
    if problem_type == "regression":
        return mean.astype(np.float32)
    mean = np.clip(mean, np.finfo(np.float32).tiny, 1 - np.finfo(np.float64).epsneg)
    odds = np.log(mean) if problem_type == "single_label_classification" else np.log(mean / (1 - mean))
    return odds.astype(np.float32)


def label_thresholds(config: Any) -> np.ndarray:
    """Return the probability from which each label is predicted, `(num_labels,)`.

    In single-label classification, only a list of thresholds has an effect: otherwise, the most probable label is
    always predicted, and the thresholds are 0.
    """
    if config.problem_type == "single_label_classification" and not isinstance(config.threshold, list | tuple):
        return np.zeros(config.num_labels)
    return np.broadcast_to(np.asarray(config.threshold, dtype=np.float64), config.num_labels)


def is_predicted(scores: np.ndarray, thresholds: np.ndarray | float | Sequence[float]) -> np.ndarray:
    """Return where scores `(..., num_labels)` reach their thresholds; a threshold of 1 is never reached."""
    limits = np.asarray(thresholds)
    return (scores >= limits) & (limits < 1)


def format_predictions(logits: np.ndarray, config: Any) -> list[dict[str, Any]]:
    """Convert logits to labels and scores.

    Args:
        logits: `(texts, num_labels)`.
        config: The config of the model, with its label names, problem type and threshold.

    Returns:
        One dictionary per text. A single-label model gives `label` and its probability `score`; the label is `None` if
        the model has a list of thresholds and the score of the most probable label is below its threshold. A
        multi-label model gives lists of both, with the labels that reach `config.threshold`, the most probable first. A
        regression gives only `score`.
    """
    scores = probabilities(logits, config.problem_type)
    if config.problem_type == "regression":
        return [{"score": row.tolist() if len(row) > 1 else float(row[0])} for row in scores]
    names = [config.id2label[i] for i in range(config.num_labels)]
    labels = predicted_labels(scores, names, label_thresholds(config), config.problem_type)
    if config.problem_type == "single_label_classification":
        return [{"label": label, "score": float(row.max())} for label, row in zip(labels, scores, strict=True)]
    columns = {name: i for i, name in enumerate(names)}
    return [
        {"label": chosen, "score": [float(row[columns[name]]) for name in chosen]}
        for chosen, row in zip(labels, scores, strict=True)
    ]


def predicted_labels(scores: np.ndarray, names: Sequence[str], thresholds: np.ndarray, problem_type: str) -> list[Any]:
    """Return the `label` of each prediction of [`format_predictions`], which is `None` in a regression.

    Args:
        scores: Probabilities, `(texts, num_labels)`.
        names: Names of the labels.
        thresholds: `(num_labels,)`; see [`label_thresholds`].
        problem_type: As in the model's config.
    """
    if problem_type == "regression":
        return [None] * len(scores)
    reached = is_predicted(scores, thresholds)  # (texts, num_labels)
    if problem_type == "single_label_classification":
        return [names[i] if row[i] else None for i, row in zip(scores.argmax(1).tolist(), reached, strict=True)]
    orders = np.argsort(-scores, axis=1, kind="stable")  # (texts, num_labels)
    return [[names[i] for i in order if row[i]] for order, row in zip(orders.tolist(), reached, strict=True)]
