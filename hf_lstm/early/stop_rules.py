"""Fit a stop rule to a rate of false alarms, and apply it to many texts."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta

from ..inference import StopRule
from ..messages import format_count, format_names

# Numbers of consecutive tokens among which the rule with the highest recall is chosen.
FOR_TOKENS = (1, 2, 5, 10, 20, 50)

# Confidence of the upper bound of the rate of false alarms.
CONFIDENCE = 0.95


class StopTarget(NamedTuple):
    """The label that a stop rule watches, and the share of the texts without it that may cause an alarm."""

    label: str
    rate: float


def stop_target(value: str | None, names: Sequence[str], problem_type: str) -> StopTarget | None:
    """
    Parse the option `stop_false_alarms`.

    Args:
        value: Such as "negative=0.01", or `None`.
        names: Labels of the model.
        problem_type: `problem_type` of the config.

    Returns:
        Label and rate, or `None` without a value.

    Raises:
        ValueError: There is no such label, the rate is not between 0 and 1, or the problem is a regression.
    """
    if value is None:
        return None
    if problem_type == "regression":
        raise ValueError("`stop_false_alarms` needs labels, which a regression does not have: remove it.")
    label, _, number = value.rpartition("=")
    try:
        rate = float(number)
    except ValueError:
        rate = math.nan
    if label not in names or not 0 < rate < 1:
        raise ValueError(
            f"`stop_false_alarms` must be LABEL=0.01, with a rate between 0 and 1 and one of the labels "
            f"{format_names([*names])}, got {value!r}."
        )
    return StopTarget(label, rate)


def lowest_in_windows(probabilities: np.ndarray, tokens: int) -> np.ndarray:
    """
    Return the lowest of each number of consecutive probabilities.

    Args:
        probabilities: `(n,)`.
        tokens: Length of a window.

    Returns:
        `(n - tokens + 1,)`, or no element if there are fewer probabilities. Element `i` is known after `i + tokens`.
    """
    if len(probabilities) < tokens:
        return np.zeros(0, dtype=probabilities.dtype)
    return np.lib.stride_tricks.sliding_window_view(probabilities, tokens).min(1)


def alarm_tokens(watched: Sequence[np.ndarray], rule: StopRule) -> np.ndarray:
    """
    Return after how many tokens of each text a stream stops.

    Args:
        watched: Probability of the label of the rule after each token, one array `(tokens,)` for each text.
        rule: The rule.

    Returns:
        `(texts,)`; 0 if the rule is not met in the whole text.
    """
    alarms = np.zeros(len(watched), dtype=int)
    for i, probabilities in enumerate(watched):
        met = lowest_in_windows(probabilities, rule.for_tokens) >= rule.probability
        if met.any():
            alarms[i] = met.argmax() + rule.for_tokens
    return alarms


def shares_read(watched: Sequence[np.ndarray], alarms: np.ndarray) -> np.ndarray:
    """Return the share of the tokens of each text that is read before the alarm; 1 without an alarm, `(texts,)`."""
    lengths = np.array([max(1, len(probabilities)) for probabilities in watched])
    return np.where(alarms > 0, alarms / lengths, 1.0)


class FittedRule(NamedTuple):
    """
    Result of [`fit_stop_rule`].

    Args:
        rule: The rule, or `None` if the texts do not support the rate.
        record: The figures of the rule on these texts; empty without a rule.
        note: One sentence about it.
    """

    rule: StopRule | None
    record: dict[str, Any]
    note: str


def fit_stop_rule(watched: Sequence[np.ndarray], has_label: np.ndarray, target: StopTarget) -> FittedRule:
    """
    Fit probability and number of tokens of a stop rule to a rate of false alarms per text.

    For each number of tokens, the highest probability that a text reaches in so many consecutive tokens is its score.
    The threshold is above the scores of all but the `floor(rate * (n + 1)) - 1` highest of the `n` texts without the
    label, so that the expected rate on new texts is at most the wanted one (split conformal prediction,
    https://huggingface.co/papers/2107.07511). Among the numbers of tokens, the one with the highest recall is chosen,
    then the one that reads the least.

    Args:
        watched: Probability of the label after each token, one array `(tokens,)` for each text.
        has_label: Whether each text has the label, `(texts,)`.
        target: The label, and the rate.
    """
    label, rate = target
    has_label = np.asarray(has_label, dtype=bool)
    others, needed = int((~has_label).sum()), math.ceil(1 / rate) - 1
    allowed = math.floor(rate * (others + 1) * (1 + 1e-12)) - 1  # 0.01 * 100 may be rounded down
    if allowed < 0 or not has_label.any():
        missing = f"at least {format_count(needed, 'text')} without it" if allowed < 0 else "texts with it"
        return FittedRule(
            None,
            {},
            f"Warning: no stop rule for {label!r}: a rate of {rate:g} requires {missing}, and there are "
            f"{has_label.sum():,} with the label and {others:,} without it.",
        )
    usual_length = np.median([len(part) for part, has in zip(watched, has_label, strict=True) if not has])
    best: tuple[tuple[float, float], StopRule, np.ndarray] | None = None
    # Most texts without the label must have so many tokens, because the rule would only measure the length otherwise.
    for tokens in [tokens for tokens in FOR_TOKENS if tokens <= max(1, usual_length)]:
        scores = np.array([lowest_in_windows(part, tokens).max(initial=0) for part in watched], dtype=np.float32)
        threshold = _threshold_above(scores[~has_label], allowed)
        if threshold is None:
            continue
        rule = StopRule(label, threshold, tokens)
        alarms = alarm_tokens(watched, rule)
        quality = float((alarms[has_label] > 0).mean()), -float(shares_read(watched, alarms)[has_label].mean())
        if best is None or quality > best[0]:
            best = quality, rule, alarms
    if best is None:
        return FittedRule(
            None, {}, f"Warning: no stop rule for {label!r}: too many texts without it reach a probability of 1."
        )
    (recall, _), rule, alarms = best
    false, found = int((alarms[~has_label] > 0).sum()), has_label & (alarms > 0)
    record = {
        **asdict(rule),
        "rate": rate,
        "texts_without_label": others,
        "false_alarms": false,
        "upper_bound": float(beta.ppf(CONFIDENCE, false + 1, others - false)),
        "texts_with_label": int(has_label.sum()),
        "recall": recall,
        "median_share_read": float(np.median(shares_read(watched, alarms)[found])) if found.any() else 1.0,
    }
    return FittedRule(rule, record, _note(rule, record))


def _threshold_above(scores: np.ndarray, allowed: int) -> float | None:
    """Return a probability that at most `allowed` of the scores reach, or `None` if more of them are 1."""
    ordered = np.sort(scores)[::-1]
    highest_below = ordered[allowed]
    next_above = ordered[allowed - 1] if allowed else np.float32(1)
    # Half-way, and at least the next number in the precision in which a stream compares.
    threshold = max((highest_below + next_above) / 2, np.nextafter(highest_below, np.float32(2)))
    return float(threshold) if threshold <= 1 else None


def describe_rule(rule: StopRule) -> str:
    """Return a rule in words, such as "'spam' has a probability of at least 0.95 for 5 tokens"."""
    tokens = format_count(rule.for_tokens, "token")
    return f"{rule.label!r} has a probability of at least {rule.probability:g} for {tokens}"


def _note(rule: StopRule, record: dict[str, Any]) -> str:
    fitted = (
        f"Stop rule: {describe_rule(rule)}. False alarms: {record['false_alarms']:,} of "
        f"{record['texts_without_label']:,} texts without the label, which is a rate of at most "
        f"{record['upper_bound']:.4f} with a confidence of {CONFIDENCE:.0%}. "
    )
    texts = f"{record['texts_with_label']:,} texts with the label"
    if not record["recall"]:
        return f"{fitted}Warning: it stops none of {texts}; allow more false alarms, or improve the model."
    return (
        f"{fitted}Alarms: {record['recall']:.1%} of {texts}, in the median after {record['median_share_read']:.0%} of "
        "the text. The same texts chose the number of tokens, so that this is slightly optimistic."
    )
