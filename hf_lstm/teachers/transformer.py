"""Predict texts with any classifier of transformers, in windows of its maximum length."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ..inference import (
    fastest_device,
    load_model_and_tokenizer,
    loading_errors,
    predict_logits,
    predict_texts,
    probabilities,
)
from ..knowledge import fast_dtype
from ..messages import one_line, progress_bar
from ..models import LstmConfig
from ..text import clean_text

# Tokens of a window of a model whose config and tokenizer state no maximum length.
DEFAULT_WINDOW = 512
# The tokenizer of such a model has a maximum length of 1e30.
MAX_WINDOW = 1_000_000
# Consecutive windows share this part of their tokens, so that no phrase is only seen cut in two.
OVERLAP = 0.25
# Texts that are tokenised at a time. They have a similar length.
BLOCK_TEXTS = 2_048


def is_own_model(config: Any) -> bool:
    """Return whether a config is that of a model of this package, which reads texts of any length."""
    return config.model_type == LstmConfig.model_type


def problem_type_of(config: Any) -> str:
    """Return the problem type of a config; one without it is a regression if it has one output."""
    return config.problem_type or ("regression" if config.num_labels == 1 else "single_label_classification")


def load_any_classifier(source: str, config: Any, trust_remote_code: bool = False) -> tuple[Any, Any]:
    """
    Load a classifier of this package or of transformers on the fastest device.

    A model of transformers computes in bfloat16 where that is fast ([`fast_dtype`]).

    Args:
        source: Folder or Hub id.
        config: Its config.
        trust_remote_code: Run the code of a repository that has its own model class.

    Returns:
        The model and its tokenizer.

    Raises:
        ValueError: It is no classifier, has no trained head, is damaged, or needs code that was not trusted.
        OSError: Its files do not exist, or the Hub cannot be reached.
    """
    device = fastest_device()
    if is_own_model(config):
        own, own_tokenizer = load_model_and_tokenizer(source)
        return own.to(device), own_tokenizer  # type: ignore[arg-type]  # the library wraps `to` without its signature
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    with loading_errors(source):
        try:
            model, loading = AutoModelForSequenceClassification.from_pretrained(
                source, dtype=fast_dtype(device), output_loading_info=True, **options
            )
        except (RuntimeError, ValueError) as error:
            if "trust_remote_code" in str(error):
                raise
            first_line = str(error).strip().partition("\n")[0]  # the others list all models
            reason = first_line.rstrip(".") or one_line(error)
            raise ValueError(f"{source} cannot be loaded as a text classifier ({reason}).") from None
        if loading["missing_keys"]:
            missing = ", ".join(sorted(loading["missing_keys"]))
            raise ValueError(
                f"{source} is not a trained text classifier: it lacks {missing}. Fine-tune it first, or write "
                f"`encoder:{source}` if it is a sentence encoder."
            )
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
        except Exception as error:  # transformers raises many types of errors
            if "trust_remote_code" in str(error):
                raise
            raise ValueError(f"The tokenizer of {source} is damaged or missing ({one_line(error)}).") from None
    return model.to(device), tokenizer


def predict_with_classifier(model: Any, tokenizer: Any, texts: Sequence[str]) -> np.ndarray:
    """
    Predict texts with a classifier of this package or of transformers.

    Args:
        model: The classifier.
        tokenizer: Its tokenizer.
        texts: Texts of any length; see [`predict_windows`].

    Returns:
        Probabilities, or scores, `(texts, num_labels)`.
    """
    if is_own_model(model.config):
        return probabilities(predict_texts(model, tokenizer, texts, show_progress=True), model.config.problem_type)
    return predict_windows(model, tokenizer, texts)


def max_tokens(model: nn.Module, tokenizer: Any) -> int:
    """
    Return the number of tokens that a model of transformers can read, including special tokens.

    Args:
        model: The model. RoBERTa and its relatives number their positions from the id of the padding token plus one, so
            that they read two tokens fewer than they have position embeddings.
        tokenizer: Its tokenizer, which may have a lower limit.
    """
    limits = [tokenizer.model_max_length]
    config: Any = model.config
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    if positions is not None and positions > 0:
        unused = [
            module.padding_idx + 1
            for name, module in model.named_modules()
            if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None
        ]
        limits.append(positions - max(unused, default=0))
    limit = int(min(limits))
    return limit if limit <= MAX_WINDOW else DEFAULT_WINDOW


def predict_windows(model: Any, tokenizer: Any, texts: Sequence[str]) -> np.ndarray:
    """
    Predict texts with a classifier of transformers; a long text is read in overlapping windows.

    The prediction of a text is the mean of the predictions of its windows, weighted by their tokens.

    Args:
        model: The classifier.
        tokenizer: Its tokenizer. One that is not fast cannot cut windows, so that it truncates long texts.
        texts: The texts.

    Returns:
        Probabilities, or scores, `(texts, num_labels)`.
    """
    predicted = np.zeros((len(texts), model.config.num_labels))
    order = np.argsort([len(text) for text in texts], kind="stable")
    with _padding_token(model, tokenizer), progress_bar(total=len(texts), unit="text", leave=False) as progress:
        for start in range(0, len(texts), BLOCK_TEXTS):
            rows = order[start : start + BLOCK_TEXTS]
            predicted[rows] = _predict_block(model, tokenizer, [clean_text(texts[row]) for row in rows])
            progress.update(len(rows))
    return predicted


@contextmanager
def _padding_token(model: Any, tokenizer: Any) -> Iterator[None]:
    """Pad with the end of the text where there is no padding token, as in GPT-2, and restore the user's objects."""
    lacks_token, pad_token_id = tokenizer.pad_token is None, model.config.pad_token_id
    if lacks_token:
        tokenizer.pad_token = tokenizer.eos_token  # the attention mask excludes these tokens
    if pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    try:
        yield
    finally:
        if lacks_token:
            tokenizer.pad_token = None
        model.config.pad_token_id = pad_token_id


def _predict_block(model: Any, tokenizer: Any, texts: list[str]) -> np.ndarray:
    limit = max_tokens(model, tokenizer)
    encoded = tokenizer(
        texts,
        truncation=True,
        max_length=limit,
        stride=int(OVERLAP * (limit - tokenizer.num_special_tokens_to_add())),
        return_overflowing_tokens=tokenizer.is_fast,
        verbose=False,
    )
    text_of = np.array(encoded.pop("overflow_to_sample_mapping", range(len(texts))))  # (windows,)

    def pad(rows: np.ndarray) -> Mapping[str, torch.Tensor]:
        batch = {name: [values[row] for row in rows] for name, values in encoded.items()}
        return tokenizer.pad(batch, return_tensors="pt")

    logits = predict_logits(model, encoded["input_ids"], pad=pad)  # (windows, num_labels)
    of_windows = probabilities(logits.astype(np.float64), problem_type_of(model.config))
    lengths = np.array([len(ids) for ids in encoded["input_ids"]], float)  # (windows,)
    total = np.zeros((len(texts), logits.shape[1]))
    np.add.at(total, text_of, of_windows * lengths[:, None])
    return total / np.bincount(text_of, lengths, minlength=len(texts))[:, None]
