"""Evaluate classifiers on a labelled split."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
from datasets import Dataset, concatenate_datasets
from transformers import EvalPrediction, PreTrainedModel, PreTrainedTokenizerFast

from ..data import Corpus, tokenize_corpus
from ..inference import average_logits, match_labels, predict_logits, predict_texts, probabilities
from ..models import LstmConfig, LstmForSequenceClassification
from .calibration import reliability
from .metrics import build_compute_metrics

# By name; an interval is a pair.
Figures = dict[str, float | tuple[float, float]]


def evaluate_split(
    model: LstmForSequenceClassification, split: Dataset, show_progress: bool = False
) -> tuple[Figures, np.ndarray]:
    """
    Measures a classifier on a tokenised split, in full precision and at full length.

    Args:
        model: The classifier.
        split: Rows with `input_ids` and `labels`.
        show_progress: Show a progress bar.

    Returns:
        The figures, with the interval of the main one and how far the probabilities can be believed
        ([`reliability`]), and the logits, `(rows, num_labels)`.
    """
    logits = predict_logits(model, split["input_ids"][:], show_progress=show_progress)
    return _figures(logits, np.array(split["labels"][:]), model.config), logits


def evaluate_average(
    classifiers: Sequence[tuple[LstmForSequenceClassification, PreTrainedTokenizerFast]],
    rows: Dataset,
    show_progress: bool = False,
) -> tuple[list[Figures], np.ndarray, LstmConfig]:
    """
    Measures classifiers, each with its own tokenizer, and the average of their probabilities.

    Args:
        classifiers: Models and their tokenizers.
        rows: Rows with `text` and `labels`, the ids of the first model.
        show_progress: Show a progress bar.

    Returns:
        The figures of each and of the average, the average's logits `(rows, num_labels)`, and the config that says what
        they are: that of the first, with the mean of the thresholds.

    Raises:
        ValueError: The models have other labels, or another kind of target.
    """
    config = deepcopy(classifiers[0][0].config)
    labels = np.array(rows["labels"][:])
    figures, logits, thresholds = [], [], []
    for model, tokenizer in classifiers:
        names = [config.id2label[i] for i in range(config.num_labels)]
        order = match_labels(model.config, names, config.problem_type, model.config.name_or_path or "A model")
        input_ids = tokenize_corpus({"rows": rows}, tokenizer)["rows"]["input_ids"][:]
        logits.append(predict_logits(model, input_ids, show_progress=show_progress)[:, order])
        thresholds.append(np.broadcast_to(model.config.threshold, config.num_labels)[order])
        config.threshold = thresholds[-1].tolist()
        figures.append(_figures(logits[-1], labels, config))
    config.threshold = np.mean(thresholds, axis=0).tolist()
    average = average_logits(logits, config.problem_type)
    return [*figures, _figures(average, labels, config)], average, config


def _figures(logits: np.ndarray, labels: np.ndarray, config: LstmConfig) -> Figures:
    compute_metrics = build_compute_metrics(config.problem_type, config.num_labels, config.threshold)
    prediction = EvalPrediction(predictions=logits, label_ids=labels)
    return compute_metrics(prediction) | reliability(config, logits, labels)


def choose_split(corpus: Corpus, source: str | None, split: str | None, config=None) -> tuple[str, Dataset]:
    """
    The rows of a corpus to measure on.

    Args:
        corpus: The corpus.
        source: What it was loaded from; of a single file, all rows are used.
        split: Name of the split; by default test, or validation where there is no test.
        config: The model's, to give the rows its label ids; `None` leaves the corpus' own.

    Returns:
        The name of the split and its rows.

    Raises:
        ValueError: There is no such split, or the labels do not fit the model.
    """
    splits = corpus.splits
    if split is None and source is not None and Path(source).is_file():
        name, rows = "all", concatenate_datasets(list(splits.values()))
    else:
        name = split or ("test" if "test" in splits else "validation")
        if name not in splits:
            raise ValueError(f"There is no split {name!r}; there are {', '.join(splits)}.")
        rows = splits[name]
    return name, rows if config is None else align_labels(rows, corpus, config)


def align_labels(rows: Dataset, corpus: Corpus, config) -> Dataset:
    """
    Turns the label ids of a corpus into those of a model, by the labels' names.

    Args:
        rows: A split of the corpus, with `labels`.
        corpus: Gives the names of its ids.
        config: The model's, for the ids of the names.

    Returns:
        The rows with the model's ids; a label vector gets the model's width.

    Raises:
        ValueError: The corpus has another kind of target, or a label that the model does not know.
    """
    if corpus.problem_type != config.problem_type:
        raise ValueError(
            f"The corpus is for {corpus.problem_type}, but the model was trained for {config.problem_type}."
        )
    if corpus.problem_type == "regression":
        return rows
    unknown = [name for name in corpus.label_names if name not in config.label2id]
    if unknown:
        raise ValueError(
            f"The model does not know the label {unknown[0]!r} of the corpus; it knows {', '.join(config.label2id)}."
        )
    ids = np.array([config.label2id[name] for name in corpus.label_names])
    labels = np.array(rows["labels"][:])
    if corpus.problem_type == "single_label_classification":
        aligned = ids[labels]
    else:
        aligned = np.zeros((len(labels), config.num_labels), dtype=np.float32)
        aligned[:, ids] = labels
    return rows.remove_columns("labels").add_column("labels", list(aligned))


def confident_errors(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], labels: np.ndarray, most: int = 5
) -> tuple[float, list[dict[str, str | float]]]:
    """
    Where a classifier of one class a text is wrong, the surest first.

    Args:
        model: The classifier.
        tokenizer: Its tokenizer.
        texts: Texts that may be shown.
        labels: Their class ids, those of the model.
        most: How many to give.

    Returns:
        The accuracy on the texts, and of each failure `text`, `label`, `predicted` and its `score`.
    """
    scores = probabilities(predict_texts(model, tokenizer, texts), "single_label_classification")
    best = scores.argmax(1)
    wrong = np.flatnonzero(best != labels)
    surest = wrong[np.argsort(-scores[wrong].max(1), kind="stable")][:most]
    names = model.config.id2label
    shown = [
        {"text": texts[i], "label": names[labels[i]], "predicted": names[best[i]], "score": float(scores[i, best[i]])}
        for i in surest
    ]
    return float((best == labels).mean()), shown
