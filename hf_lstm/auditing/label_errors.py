"""Rank rows by how likely their label is wrong, and find classes that overlap, with cleanlab."""

from typing import Any

import numpy as np
import pandas as pd

from ..data import Corpus
from ..training import name_labels

SINGLE_LABEL, MULTI_LABEL = "single_label_classification", "multi_label_classification"


def import_cleanlab() -> Any:
    """
    Return the package cleanlab with the modules that an audit uses.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import cleanlab
        import cleanlab.dataset
        import cleanlab.filter
        import cleanlab.multilabel_classification
        import cleanlab.rank
    except ImportError:
        raise ImportError('An audit requires cleanlab: pip install "hf_lstm[audit]"') from None
    return cleanlab


def rank_label_errors(corpus: Corpus, row_numbers: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """
    Rank the training rows by the quality of their labels, the most suspicious row first.

    The quality of a label is its out-of-fold probability; for a multi-label row it is the mean of the qualities of all
    labels with exponentially more weight on the lowest ones. Confident learning decides which rows are likely errors:
    it compares each probability with the mean probability of the texts with this label (Northcutt et al., 2021,
    https://arxiv.org/abs/1911.00068).

    Args:
        corpus: A single-label or multi-label corpus.
        row_numbers: `(rows,)`, position of each training row in the data.
        predicted: `(rows, num_labels)`, out-of-fold probabilities.

    Returns:
        One row per training row with the columns `row` (1 for the first row of the split), `text`, `label`,
        `suggested_label`, `probability` (of the suggested label; multi-label: that the most suspicious label is wrong),
        `score` (quality from 0 to 1, lower is more suspicious) and `likely_error`.

    Raises:
        ImportError: cleanlab is not installed.
    """
    cleanlab = import_cleanlab()
    rows = corpus.splits["train"]
    labels = np.array(rows["labels"][:])
    if corpus.problem_type == SINGLE_LABEL:
        scores = cleanlab.rank.get_label_quality_scores(labels, predicted)
        errors = cleanlab.filter.find_label_issues(labels, predicted, n_jobs=1)
        suggested = predicted.argmax(1)
        certainty = predicted.max(1)
    else:
        lists = [np.flatnonzero(row).tolist() for row in labels]
        scores = cleanlab.multilabel_classification.get_label_quality_scores(lists, predicted)
        errors = cleanlab.multilabel_classification.filter.find_label_issues(lists, predicted, n_jobs=1)
        suggested = predicted > 0.5
        certainty = np.where(labels > 0.5, 1 - predicted, predicted).max(1)
    table = pd.DataFrame(
        {
            "row": row_numbers + 1,
            "text": rows["text"][:],
            "label": name_labels(corpus, labels),
            "suggested_label": name_labels(corpus, suggested),
            "probability": certainty,
            "score": scores,
            "likely_error": errors,
        }
    )
    return table.sort_values("score", kind="stable", ignore_index=True)


def find_overlapping_classes(corpus: Corpus, predicted: np.ndarray) -> pd.DataFrame:
    """
    Estimate for each pair of classes how many rows have the label of one and belong to the other.

    Args:
        corpus: The corpus. Only single-label classes can overlap; other corpora get an empty table.
        predicted: `(rows, num_labels)`, out-of-fold probabilities of the training rows.

    Returns:
        One row per pair with at least one such row, the most frequent first, with the columns `class_a`, `class_b`,
        `rows` (estimated number) and `share` (of all rows).

    Raises:
        ImportError: cleanlab is not installed.
    """
    names = {"Class Name A": "class_a", "Class Name B": "class_b"}
    names |= {"Num Overlapping Examples": "rows", "Joint Probability": "share"}
    if corpus.problem_type != SINGLE_LABEL:
        return pd.DataFrame(columns=[*names.values()])
    labels = np.array(corpus.splits["train"]["labels"][:])
    table = import_cleanlab().dataset.find_overlapping_classes(labels, predicted, class_names=corpus.label_names)
    table = table[[*names]].rename(columns=names)
    return table[table["rows"] > 0].reset_index(drop=True)
