"""Score texts with a classifier, in batches of similar length."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import expit, softmax
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ..data import pad_batch
from ..text import clean_text

PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")

# Padded tokens in one batch: enough to fill the matrix units, few enough to stay in the cache of a CPU.
BATCH_TOKENS = 16_384


def predict_logits(
    model: PreTrainedModel,
    input_ids: Sequence[Sequence[int]],
    batch_tokens: int = BATCH_TOKENS,
    show_progress: bool = False,
) -> np.ndarray:
    """
    Runs a classifier over tokenised texts, whole and in full precision, as the pipeline does.

    Args:
        model: A sequence classifier; it is put into evaluation mode.
        input_ids: Token ids of each text, of any lengths, none empty.
        batch_tokens: Upper limit of rows times longest row in a batch; a longer text is a batch of its own.
        show_progress: Show a bar that counts tokens, since texts differ in length.

    Returns:
        Logits in the order of the texts, float32, `(texts, num_labels)`.
    """
    model.eval()
    lengths = np.array([len(ids) for ids in input_ids])
    order = np.argsort(lengths, kind="stable")
    logits = np.zeros((len(input_ids), model.config.num_labels), dtype=np.float32)
    progress = tqdm(total=int(lengths.sum()), unit="token", unit_scale=True, disable=not show_progress, leave=False)
    start = 0
    with torch.inference_mode(), progress:
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * lengths[order[end]] <= batch_tokens:
                end += 1
            rows = order[start:end]
            batch = pad_batch([input_ids[row] for row in rows], model.config.pad_token_id or 0)
            output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
            logits[rows] = output.logits.float().cpu().numpy()
            progress.update(int(lengths[rows].sum()))
            start = end
    return logits


def predict_texts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], show_progress: bool = False
) -> np.ndarray:
    """Logits of raw texts, `(texts, num_labels)`; see [`predict_logits`]."""
    if not texts:
        return np.zeros((0, model.config.num_labels), dtype=np.float32)
    encoded = tokenizer([clean_text(text) for text in texts], return_attention_mask=False, verbose=False)
    return predict_logits(model, encoded["input_ids"], show_progress=show_progress)


def probabilities(logits: np.ndarray, problem_type: str) -> np.ndarray:
    """Probabilities `(texts, num_labels)` of logits; in a regression the scores themselves."""
    if problem_type == "single_label_classification":
        return softmax(logits, axis=1)
    return expit(logits) if problem_type == "multi_label_classification" else logits


def match_labels(config, label_names: Sequence[str], problem_type: str, name: str) -> list[int]:
    """
    Which of a model's outputs belong to the labels of others.

    Args:
        config: The model's.
        label_names: Names of the labels, in the order that is wanted.
        problem_type: That of the others.
        name: What the model is called in the message.

    Returns:
        Index of each label's output.

    Raises:
        ValueError: The model has other labels, or another kind of target.
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
    """
    Averages what several models say of the same texts, as probabilities; in a regression as scores.

    Args:
        logits: Of each model, `(texts, num_labels)`, with the labels in the same order.
        problem_type: That of the models.

    Returns:
        Logits of the average, `(texts, num_labels)`.
    """
    mean = np.mean([probabilities(np.asarray(part, dtype=np.float64), problem_type) for part in logits], axis=0)
    if problem_type == "regression":
        return mean.astype(np.float32)
    mean = np.clip(mean, np.finfo(np.float32).tiny, 1 - np.finfo(np.float64).epsneg)
    odds = np.log(mean) if problem_type == "single_label_classification" else np.log(mean / (1 - mean))
    return odds.astype(np.float32)


def format_predictions(logits: np.ndarray, config) -> list[dict]:
    """
    Says of each text what was predicted.

    Args:
        logits: `(texts, num_labels)`.
        config: The model's, for label names, problem type and the thresholds of several labels a text.

    Returns:
        One dictionary a text: `label` and `score` (its probability); with several labels a text, lists of them, most
        probable first, of those that reach `config.threshold`; in a regression `score` alone.
    """
    scores = probabilities(logits, config.problem_type)
    names = [config.id2label[i] for i in range(config.num_labels)]
    if config.problem_type == "regression":
        return [{"score": row.tolist() if len(row) > 1 else float(row[0])} for row in scores]
    if config.problem_type == "single_label_classification":
        best = scores.argmax(1)
        return [{"label": names[i], "score": float(row[i])} for i, row in zip(best, scores, strict=True)]
    described, thresholds = [], np.broadcast_to(config.threshold, len(names))
    for row in scores:
        chosen = [i for i in np.argsort(-row, kind="stable") if row[i] >= thresholds[i]]
        described.append({"label": [names[i] for i in chosen], "score": [float(row[i]) for i in chosen]})
    return described
