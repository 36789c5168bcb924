"""The teacher file that the language-model recipe writes, as a file that `hf-lstm train --teacher` reads."""

from pathlib import Path

import numpy as np
from datasets import Dataset

from ..data import TEXT_COLUMNS, find_column, read_source
from ..language_model import read_probabilities_by_row


def write_teacher_file(teacher: str, dataset: str, path: Path) -> int:
    """
    Convert probabilities by row into a file with the column `text` and one column per label.

    Args:
        teacher: `probabilities.npz` of the language-model recipe.
        dataset: The corpus whose rows it describes.
        path: The parquet file to write. It holds the training and unlabelled texts, not the test texts.

    Returns:
        Number of texts.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file and the corpus do not have the same rows.
    """
    tables, names = read_probabilities_by_row(teacher)
    raw = read_source(dataset)
    texts: list[str] = []
    probabilities: list[np.ndarray] = []
    for split in ("train", "unsupervised"):
        if split not in tables:
            continue
        if split not in raw or len(raw[split]) < len(tables[split]):
            found = f"{len(raw[split]):,}" if split in raw else "no"
            raise ValueError(f"{teacher} has {len(tables[split]):,} rows of {split}, {dataset} has {found}.")
        column = find_column(raw[split].column_names, TEXT_COLUMNS, None, role="text", where=dataset)
        rows = np.flatnonzero(np.isfinite(tables[split]).all(1))
        texts += raw[split].select(rows)[column][:]
        probabilities.append(tables[split][rows].astype(np.float32))
    joined = np.concatenate(probabilities)
    # Rounded to half precision, the probabilities of a text do not add up to exactly 1.
    columns = {name: joined[:, i] / joined.sum(1) for i, name in enumerate(names)}
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict({"text": texts, **columns}).to_parquet(str(path))
    return len(texts)
