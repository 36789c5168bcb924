"""Measure how early and how well a classifier and its stop rule decide."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..evaluation import MAIN_METRIC, compute_metrics
from ..inference import StopRule, is_predicted, label_thresholds
from ..messages import markdown_table
from .stop_rules import alarm_tokens, shares_read
from .token_scores import SHARES, TokenScores


def has_label(labels: np.ndarray, label: str, config) -> np.ndarray:
    """
    Return whether each text has a label, `(texts,)`.

    Args:
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`.
        label: Name of the label.
        config: Config of the model.
    """
    labels, column = np.asarray(labels), config.label2id[label]
    return labels == column if labels.ndim == 1 else labels[:, column] > 0


def is_verdict(scores: np.ndarray, label: str, config) -> np.ndarray:
    """
    Return for which texts the model predicts a label, `(texts,)`.

    Args:
        scores: Probabilities `(texts, num_labels)`.
        label: Name of the label.
        config: Config of the model, with its thresholds.
    """
    column = config.label2id[label]
    reached = is_predicted(scores, label_thresholds(config))[:, column]
    if config.problem_type == "single_label_classification":
        return reached & (scores.argmax(1) == column)
    return reached


def measure_early(scores: TokenScores, labels: np.ndarray, config, rule: StopRule | None) -> dict[str, Any]:
    """
    Measure the predictions after each share of the texts, and the alarms of a stop rule.

    Args:
        scores: Scores while the texts are read; `watched` is the label of the rule.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`.
        config: Config of the model.
        rule: The stop rule, or `None` for the predictions only.

    Returns:
        `rows`, one for each share: `share`, the main metric by its name, and with a rule the shares of texts with an
        alarm until there: `recall` of the texts with the label, `verdict_recall` of the texts for which the model
        predicts the label from the whole text, `false_alarms` of the texts without the label, and
        `verdict_false_alarms` of the texts for which the model does not predict it. With a rule also
        `median_share_read`, the median share of the text that is read before the alarm, over the alarms in texts for
        which the model predicts the label. Figures of no texts are left out.
    """
    metric = MAIN_METRIC[config.problem_type]
    rows: list[dict[str, float]] = [
        {"share": share, metric: compute_metrics(config.problem_type, at_share, labels, config.threshold)[metric]}
        for share, at_share in zip(SHARES, scores.at_shares.swapaxes(0, 1), strict=True)
    ]
    if rule is None:
        return {"rows": rows}
    alarms = alarm_tokens(scores.watched, rule)
    read_until_alarm = np.where(alarms > 0, shares_read(scores.watched, alarms), np.inf)  # (texts,)
    actual, verdict = has_label(labels, rule.label, config), is_verdict(scores.final, rule.label, config)
    groups = {
        "recall": actual,
        "verdict_recall": verdict,
        "false_alarms": ~actual,
        "verdict_false_alarms": ~verdict,
    }
    for row in rows:
        for name, texts in groups.items():
            if texts.any():
                row[name] = float((read_until_alarm[texts] <= row["share"]).mean())
    found = verdict & (alarms > 0)
    median = {"median_share_read": float(np.median(read_until_alarm[found]))} if found.any() else {}
    return {"rows": rows, **median}


HEADINGS = {
    "recall": "Alarms (with the label)",
    "verdict_recall": "Alarms (predicted)",
    "false_alarms": "False alarms (without the label)",
    "verdict_false_alarms": "False alarms (not predicted)",
}


def early_table(rows: Sequence[Mapping[str, float]]) -> str:
    """Format the rows of [`measure_early`] as a Markdown table."""
    names = [name for name in rows[0] if name != "share"]
    table = [["Text read", *(HEADINGS.get(name, name.replace("_", " ").capitalize()) for name in names)]]
    for row in rows:
        table.append([f"{row['share']:.0%}", *(f"{row[name]:.4f}" for name in names)])
    return markdown_table(table)
