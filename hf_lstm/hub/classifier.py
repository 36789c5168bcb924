"""A trained classifier: model, tokenizer and metrics, and how to load it."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from transformers import PreTrainedTokenizerFast, TextClassificationPipeline, pipeline

from ..explanation import Explanation, explain
from ..inference import (
    StopRule,
    fastest_device,
    format_predictions,
    load_model_and_tokenizer,
    predict_texts,
    stored_stop_rule,
)
from ..messages import library_progress_bars
from ..models import LstmForSequenceClassification
from .model_card import METRICS_FILE
from .push import push_repository


@dataclass(frozen=True)
class TrainedClassifier:
    """
    A trained classifier, as returned by [`train_classifier`] and [`load_classifier`].

    Args:
        folder: Folder with the model, its tokenizer, `metrics.json` and the model card.
        model: The model, in evaluation mode.
        tokenizer: Its tokenizer.
        metrics: Metrics of the model by split, such as `metrics["test"]["accuracy"]`; an interval is a pair. Empty for
            a model that was trained with the Trainer directly.
        calibration: What the temperature changed on the validation split, such as `calibration["temperature"]`, and
            `calibration["log_loss"]` before and after. Empty for a model without one.
    """

    folder: Path
    model: LstmForSequenceClassification = field(repr=False)
    tokenizer: PreTrainedTokenizerFast = field(repr=False)
    metrics: dict[str, dict[str, Any]]
    calibration: dict[str, Any]

    @property
    def stop_rule(self) -> StopRule | None:
        """Stop rule for [`StreamingClassifier`] that was fitted with `stop_false_alarms`; `None` without one."""
        return stored_stop_rule(self.model.config)

    def predict(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """
        Classify many texts, faster than the pipeline and with the same result.

        Args:
            texts: A list, tuple, pandas Series, numpy array or `datasets` column of strings.

        Returns:
            One dictionary per text with `label` and `score`. The label is `None` if the score is below the threshold
            that `min_precision` has set for it. For multi-label classification, both are lists: the labels above their
            thresholds, and their scores. For regression, there is only `score`.

        Raises:
            TypeError: An item is not a string, or `texts` is a single string or no list of texts.
        """
        return format_predictions(predict_texts(self.model, self.tokenizer, texts), self.model.config)

    def explain(self, texts: Sequence[str], label: str | None = None) -> list[Explanation]:
        """
        Compute the contribution of each word to a label; see [`explain`].

        Args:
            texts: As in [`TrainedClassifier.predict`].
            label: Label to explain; by default the predicted one, and each predicted one of a multi-label classifier.

        Returns:
            The explanations, which a notebook shows with coloured words.

        Raises:
            ValueError: The classifier has no such label.
            TypeError: As in [`TrainedClassifier.predict`].
        """
        return explain(self.model, self.tokenizer, texts, label)

    def pipeline(self, **kwargs: Any) -> TextClassificationPipeline:
        """
        Create the stock `pipeline("text-classification")` of this classifier.

        Args:
            kwargs: Further arguments of `transformers.pipeline`, such as `top_k=None` or `batch_size=64`.

        Returns:
            The pipeline, on the device of the model unless `device` is given.
        """
        options = {"device": self.model.device} | kwargs
        return pipeline("text-classification", model=self.model, tokenizer=self.tokenizer, **options)

    def push_to_hub(self, repo_id: str, *, private: bool = False, token: str | None = None) -> str:
        """
        Push the classifier to the Hub in one commit, download it again and verify its predictions.

        Args:
            repo_id: `owner/name`, or `name` in the namespace of the token.
            private: Make a new repository private.
            token: Token with write access (default: the one that was saved by `hf auth login`, or `HF_TOKEN`).

        Returns:
            The full id of the repository.

        Raises:
            ValueError: The name, the token or the uploaded files are not valid.
            ConnectionError: The Hub cannot be reached.
        """
        return push_repository(str(self.folder), repo_id, private, token)


@library_progress_bars()
def load_classifier(source: str | Path) -> TrainedClassifier:
    """
    Load a trained classifier on the fastest device.

    Args:
        source: Folder or Hub id of a classifier.

    Returns:
        The classifier, with the metrics and the calibration that were recorded when it was trained.

    Raises:
        ValueError: The model is damaged, or is not a classifier of this package.
        OSError: There is no such folder or Hub id, or the Hub cannot be reached.
    """
    source = os.path.expanduser(str(source))
    model, tokenizer = load_model_and_tokenizer(source)
    model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    folder = Path(source) if Path(source).is_dir() else Path(snapshot_download(source))
    record = folder / METRICS_FILE
    metrics, calibration = {}, {}
    if record.is_file():
        recorded = json.loads(record.read_text(encoding="utf-8"))
        metrics = {split: by_model["model"] for split, by_model in recorded["figures"].items()}
        calibration = recorded.get("calibration", {})  # earlier versions did not calibrate
    return TrainedClassifier(folder, model, tokenizer, metrics, calibration)
