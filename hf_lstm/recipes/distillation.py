"""Distil the teacher file of the language-model recipe into the checkpoints of model_cards/."""

import shlex
from pathlib import Path

import numpy as np
from datasets import Dataset

from ..data import TEXT_COLUMNS, find_column, read_source
from ..language_model import read_probabilities_by_row
from ..messages import format_count
from .checkpoints import CARDS, RUNS, check_working_directory, publish, required_steps, train_step
from .steps import CHECKPOINTS, STEPS, Steps

# Teachers that are fitted to the labels; the teacher file takes their place.
FITTED_TEACHERS = ("linear", "latent")

# Added to the name of each step that depends on the teacher file.
SUFFIX = "-distilled"


def distil(probabilities: str, dataset: str) -> None:
    """
    Train the checkpoints that learn from whole texts with a teacher file, and write their folders in model_cards/.

    Args:
        probabilities: `probabilities.npz` of the language-model recipe.
        dataset: The corpus whose rows it describes, or a copy of it.

    Raises:
        FileNotFoundError: There is no such file, or the working directory is not a clone of the repository.
        ValueError: The file and the corpus do not have the same rows.
    """
    check_working_directory()
    file = Path(probabilities).with_suffix(".parquet")
    count = write_teacher_file(probabilities, dataset, file)
    print(f"{format_count(count, 'text')} with probabilities written to {file}.")
    steps, names = distilled_steps(shlex.quote(str(file)))
    for checkpoint, step in CHECKPOINTS.items():
        if step in names:
            train_step(names[step], dataset, steps)
            command = f"hf-lstm reproduce distil --probabilities {shlex.quote(probabilities)}"
            publish(names[step], CARDS / checkpoint, steps, command)


def distilled_steps(teacher_file: str) -> tuple[Steps, dict[str, str]]:
    """
    Return the steps with a teacher file instead of the fitted teachers.

    Steps that learn from passages keep their teachers: the file has probabilities of whole texts.

    Args:
        teacher_file: File with the column `text` and one column per label.

    Returns:
        All steps, and the new name of each step that changes.
    """
    steps: dict[str, tuple[str, str]] = {}
    names: dict[str, str] = {}
    for step, (subcommand, options) in STEPS.items():
        words = options.split()
        if "--passage_words" not in words:
            words = [teacher_file if word in FITTED_TEACHERS else word for word in words]
            first = words.index(teacher_file) if teacher_file in words else 0
            words = [word for i, word in enumerate(words) if word != teacher_file or i == first]
        words = [_renamed(word, names) for word in words]
        changed = words != options.split()
        if changed:
            names[step] = step + SUFFIX
        steps[names.get(step, step)] = (subcommand, " ".join(words))
    return steps, names


def _renamed(word: str, names: dict[str, str]) -> str:
    for step in required_steps(word, STEPS):
        if step in names:
            return word.replace(f"{RUNS}/{step}", f"{RUNS}/{names[step]}", 1)
    return word


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
