"""Explain predictions by the contribution of each word."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Encoding
from transformers import PreTrainedTokenizerFast

from ..inference import encode_texts, format_predictions, predict_logits
from ..models import POOLINGS, LstmForSequenceClassification
from ..text import check_texts, clean_text
from .gradients import ScoredText, label_scores, token_contributions
from .result import Explanation
from .words import Word, find_words


def explain(
    model: LstmForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    texts: Iterable[str],
    label: str | None = None,
) -> list[Explanation]:
    """
    Compute the contribution of each word to a label, by integrated gradients; see [`token_contributions`].

    Contributions are differences of log-odds, whose sigmoid is the probability of the label, and for a regression
    differences of the output. They sum to the difference between the text and the empty text.

    Args:
        model: A sequence classifier; it is put into evaluation mode.
        tokenizer: Its tokenizer; it is not modified.
        texts: As in [`predict_texts`], of any length. Memory grows with the longest one, by about 6 kB per word.
        label: Label to explain; by default the predicted one. A multi-label model gives one explanation for each
            predicted label (the most probable one if none reaches its threshold), a regression one for each output.

    Returns:
        The explanations in the order of the texts.

    Raises:
        ValueError: The model has no such label.
        TypeError: `texts` is a single string, or one of its items is not a string.
    """
    ids: dict[str, Any] = model.config.label2id or {}
    if label is not None and label not in ids:
        raise ValueError(f"The model has no label {label!r}; choose one of {', '.join(ids)}.")
    cleaned = [clean_text(text) for text in check_texts(texts)]
    if not cleaned:
        return []
    *encodings, empty = encode_texts(tokenizer, [*cleaned, ""], offsets=True)
    logits = predict_logits(model, [encoding.ids for encoding in (*encodings, empty)])
    rows, scored = [], []
    for row, column in explained_labels(model, logits[:-1], label):
        pair, columns = torch.tensor(logits[[row, -1]]).double(), torch.tensor([column, column])
        score, base = label_scores(pair, columns, model.config.problem_type).tolist()
        rows.append(row)
        scored.append(ScoredText(encodings[row].ids, encodings[row].special_tokens_mask, column, score, base))
    contributions = token_contributions(model, scored)
    return [
        describe(model, cleaned[row], encodings[row], text, its_contributions)
        for row, text, its_contributions in zip(rows, scored, contributions, strict=True)
    ]


def explained_labels(
    model: LstmForSequenceClassification, logits: np.ndarray, label: str | None
) -> list[tuple[int, int]]:
    """Return the pairs of a text and a label to explain; see [`explain`]."""
    ids: dict[str, Any] = model.config.label2id or {}
    if label is not None:
        return [(row, ids[label]) for row in range(len(logits))]
    best = [(row, int(logits[row].argmax())) for row in range(len(logits))]
    if model.config.problem_type == "single_label_classification":  # also if the classifier abstains
        return best
    pairs = []
    for row, prediction in enumerate(format_predictions(logits, model.config)):
        names = prediction.get("label", list(ids))  # a regression predicts all its outputs
        pairs += [(row, ids[name]) for name in names] or [best[row]]
    return pairs


def describe(
    model: LstmForSequenceClassification,
    text: str,
    encoding: Encoding,
    scored: ScoredText,
    contributions: np.ndarray,
) -> Explanation:
    """Return the explanation of a text, from the contributions of its tokens, `(tokens,)`."""
    config: Any = model.config
    words = find_words(encoding)
    last_tokens = [word.tokens[-1] for word in words]
    after = scores_after(model, scored, last_tokens) if config.reads_forward else [None] * len(words)
    return Explanation(
        text=text,
        label=config.id2label[scored.label],
        words=tuple(
            Word(text[word.start : word.end], word.start, word.end, float(contributions[word.tokens].sum()), score)
            for word, score in zip(words, after, strict=True)
        ),
        base=scored.base,
        score=scored.score,
        unit="output" if config.problem_type == "regression" else "log-odds",
    )


@torch.inference_mode()
def scores_after(model: LstmForSequenceClassification, scored: ScoredText, tokens: Sequence[int]) -> list[float]:
    """Return the score of the text up to each of the given tokens, for a model that reads forward."""
    output = model.model(torch.tensor([scored.ids], device=model.device)).last_hidden_state  # (1, seq, hidden_size)
    pooling = POOLINGS[model.config.pooling].start(output[:, 0]).running(output)
    vectors = pooling.vector()[0, list(tokens)]  # (words, pooled)
    logits = model.classifier(vectors.to(output.dtype)).float()  # (words, num_labels)
    columns = torch.full((len(logits),), scored.label, device=model.device)
    return label_scores(logits, columns, model.config.problem_type).tolist()
