"""Fit the stop rule of a saved classifier, and store it in its config."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from transformers.utils import CONFIG_NAME

from ..inference import StreamingClassifier
from ..saving import atomic_folder
from .measures import has_label
from .stop_rules import FittedRule, StopTarget, fit_stop_rule
from .token_scores import TokenScores, read_token_scores


def fit_and_store_rule(
    folder: str | Path,
    stream: StreamingClassifier,
    texts: Sequence[str],
    labels: np.ndarray,
    target: StopTarget,
    show_progress: bool = False,
) -> tuple[FittedRule, TokenScores]:
    """
    Fit a stop rule to labelled texts that the model was not trained on, and store it in the config of the model.

    Args:
        folder: Folder of the saved model. Only the field `stop_rule` of its config is replaced.
        stream: The loaded model as a stream; the config of the model is modified, too.
        texts: The texts.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`.
        target: The label to watch, and the rate of false alarms.
        show_progress: Show a progress bar on a terminal or in a notebook.

    Returns:
        The rule, which is not stored if it is `None`, and the scores of the texts.
    """
    scores = read_token_scores(stream, texts, target.label, show_progress)
    model = stream.model
    fitted = fit_stop_rule(scores.watched, has_label(labels, target.label, model.config), target)
    if fitted.rule is not None:
        model.config.stop_rule = asdict(fitted.rule)
        config = json.loads((Path(folder) / CONFIG_NAME).read_text(encoding="utf-8"))
        config["stop_rule"] = model.config.stop_rule
        with atomic_folder(folder) as partial:
            written = json.dumps(config, indent=2, sort_keys=True) + "\n"
            (partial / CONFIG_NAME).write_text(written, encoding="utf-8")
    return fitted, scores
