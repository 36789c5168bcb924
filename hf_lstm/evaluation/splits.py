"""Choose the labelled rows on which to evaluate a model."""

from pathlib import Path

import numpy as np
from datasets import Dataset, concatenate_datasets

from ..data import Corpus


def choose_split(corpus: Corpus, source: str | None, split: str | None, config=None) -> tuple[str, Dataset]:
    """
    Return the name and the rows of the split to evaluate on.

    Args:
        corpus: Loaded corpus.
        source: Path or Hub id from which the corpus was loaded. All rows of a single file are used, unless `split` is
            given.
        split: Name of the split; by default `"test"`, or `"validation"` if there is no test split.
        config: Config of the model, to convert the labels to its ids; `None` keeps the ids of the corpus.

    Returns:
        The name of the split (`"all"` for all rows of a file) and its rows.

    Raises:
        ValueError: If there is no such split, or the labels do not match those of the model.
    """
    splits = corpus.splits
    if split is None and source is not None and Path(source).is_file():
        name, rows = "all", concatenate_datasets(list(splits.values()))
    else:
        name = split or ("test" if "test" in splits else "validation")
        if name not in splits:
            raise ValueError(f"There is no split {name!r}; choose one of: {', '.join(splits)}.")
        rows = splits[name]
    return name, rows if config is None else align_labels(rows, corpus, config)


def align_labels(rows: Dataset, corpus: Corpus, config) -> Dataset:
    """
    Convert the label ids of a corpus to those of a model, matching the labels by name.

    Args:
        rows: A split of the corpus, with the column `labels`.
        corpus: Corpus whose `label_names` are indexed by the ids in `rows`.
        config: Config of the model, whose `label2id` has the new ids.

    Returns:
        The rows with the label ids of the model; multi-label indicators get the width of the model.

    Raises:
        ValueError: If the problem types differ, or the model does not have one of the labels.
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
            f"The corpus has the label {unknown[0]!r}, which the model does not have; the labels of the model are: "
            f"{', '.join(config.label2id)}."
        )
    ids = np.array([config.label2id[name] for name in corpus.label_names])
    labels = np.array(rows["labels"][:])
    if corpus.problem_type == "single_label_classification":
        aligned = ids[labels]
    else:
        aligned = np.zeros((len(labels), config.num_labels), dtype=np.float32)
        aligned[:, ids] = labels
    return rows.remove_columns("labels").add_column("labels", list(aligned))
