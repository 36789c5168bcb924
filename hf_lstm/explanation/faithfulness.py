"""Measure how faithful explanations are, by deleting words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from ..inference import predict_texts
from ..models import LstmForSequenceClassification
from .gradients import label_scores
from .result import Explanation
from .words import Word

# Shares of the words that are deleted.
SHARES = np.linspace(0, 1, 21)


@dataclass(frozen=True)
class Faithfulness:
    """
    Result of [`measure_faithfulness`].

    Args:
        texts: Number of explanations with words.
        area: Mean area between the two curves: how much lower the probability of the label (for a regression, the
            output) is if the words with the largest contributions are deleted rather than random words. 0 means that
            the contributions are no better than random numbers.
        standard_error: Standard error of `area`, over the texts.
        random: Mean area below the curve of random words, the largest possible value of `area` for a probability.
    """

    texts: int
    area: float
    standard_error: float
    random: float


def measure_faithfulness(
    model: LstmForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    explanations: Sequence[Explanation],
    seed: int = 0,
) -> Faithfulness:
    """
    Compare deleting the most important words with deleting random words (Samek et al., 2015,
    https://huggingface.co/papers/1509.06321; `deletion` in ERASER, https://huggingface.co/papers/1911.03429).

    Args:
        model: The model that is explained.
        tokenizer: Its tokenizer.
        explanations: Explanations of its predictions.
        seed: Seed of the random words.

    Returns:
        The areas, over 0 to 100 % of deleted words in steps of 5 %.

    Raises:
        ValueError: No text has a word.
    """
    explained = [explanation for explanation in explanations if explanation.words]
    if not explained:
        raise ValueError("No text has a word; faithfulness is measured by deleting words.")
    random = np.random.default_rng(seed)
    important = [np.argsort([-word.contribution for word in one.words], kind="stable") for one in explained]
    chance = [random.permutation(len(one.words)) for one in explained]
    curves = [deletion_curves(model, tokenizer, explained, orders) for orders in (important, chance)]
    by_importance, by_chance = (np.trapezoid(curve, SHARES, axis=1) for curve in curves)  # each (texts,)
    areas = by_chance - by_importance
    error = float(areas.std(ddof=1) / np.sqrt(len(areas))) if len(areas) > 1 else float("nan")
    return Faithfulness(len(areas), float(areas.mean()), error, float(by_chance.mean()))


def deletion_curves(
    model: LstmForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    explanations: Sequence[Explanation],
    orders: Sequence[np.ndarray],
) -> np.ndarray:
    """
    Return the probability of the label (for a regression, the output) after each share of the words is deleted.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        explanations: The texts with their words and labels.
        orders: For each text the positions of its words, those that are deleted first in front.

    Returns:
        `(texts, shares)`.
    """
    texts = [
        delete_words(one.text, [one.words[i] for i in order[: round(share * len(order))]])
        for one, order in zip(explanations, orders, strict=True)
        for share in SHARES
    ]
    logits = torch.tensor(predict_texts(model, tokenizer, texts)).double()  # (texts * shares, num_labels)
    ids: dict[str, Any] = model.config.label2id or {}
    labels = torch.tensor([ids[explanation.label] for explanation in explanations]).repeat_interleave(len(SHARES))
    scores = label_scores(logits, labels, model.config.problem_type).reshape(-1, len(SHARES))
    return np.array(
        [[one.shown(score) for score in row] for one, row in zip(explanations, scores.tolist(), strict=True)]
    )


def delete_words(text: str, words: Sequence[Word]) -> str:
    """Return a text with words replaced by spaces, so that the words beside them are not joined."""
    for word in sorted(words, key=lambda word: -word.start):
        text = f"{text[: word.start]} {text[word.end :]}"
    return text
