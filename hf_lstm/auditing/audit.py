"""Audit the labels of a training split: likely label errors, contradicting near-duplicates and overlapping classes."""

import os
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..data import load_given_splits
from ..messages import format_count, library_progress_bars
from ..training import (
    ARGUMENT_GROUPS,
    SUSPICIOUS_FILE,
    ClassifierTrainingArguments,
    DataArguments,
    ModelArguments,
    arguments_from_call,
    audit_folder,
    name_of,
)
from .label_errors import MULTI_LABEL, find_overlapping_classes, import_cleanlab, rank_label_errors
from .near_duplicates import find_near_duplicates
from .out_of_fold import RECURRENT, OutOfFold
from .report import write_report

# Options of a training that an audit does not have.
REFUSED = (
    *("teacher", "unlabelled", "rehearse", "resume_from_checkpoint", "push_to_hub", "drop_suspicious", "audit_dir"),
    *("min_precision", "prefixes", "stop_false_alarms"),
)


@dataclass
class AuditArguments:
    """How the labels are audited."""

    models: list[str] = field(
        # It takes seconds, and on Banking77 it lists 99 % of the wrong labels in the first tenth of the rows.
        default_factory=lambda: ["linear"],
        metadata={
            "help": "`recurrent` and teachers of a training (linear, encoder:NAME, ...), averaged (default: linear)"
        },
    )
    folds: int = field(default=5, metadata={"help": "parts of the rows, each predicted by training on the others"})

    def __post_init__(self):
        if isinstance(self.models, str):
            self.models = [self.models]
        if self.folds < 2:
            raise ValueError(f"`folds` must be at least 2, got {self.folds}.")
        if not self.models or len({*self.models}) < len(self.models):
            raise ValueError(f"`models` must be one or more different models, got {self.models}.")


AUDIT_GROUPS = (*ARGUMENT_GROUPS, AuditArguments)


@dataclass(frozen=True)
class AuditResult:
    """
    Result of an audit. A row number counts the rows of the train split as they are in the data, from 1.

    Args:
        folder: Folder with `label_errors.csv`, `near_duplicates.csv`, `overlapping_classes.csv` and `audit.html`.
        label_errors: All training rows, the most suspicious first; see [`rank_label_errors`].
        near_duplicates: Pairs of similar texts with different labels; see [`find_near_duplicates`].
        overlapping_classes: Pairs of classes that are confused; see [`find_overlapping_classes`].
        summary: Sentences with the counts.
    """

    folder: Path
    label_errors: pd.DataFrame
    near_duplicates: pd.DataFrame
    overlapping_classes: pd.DataFrame
    summary: tuple[str, ...]


def audit(data: Any = None, *, output_dir: str | Path | None = None, **options: Any) -> AuditResult:
    """
    Find likely label errors in the training rows, near-duplicates with different labels, and overlapping classes.

    Each training row is predicted by models that were trained without it, and cleanlab compares the probabilities with
    the labels (confident learning; Northcutt et al., 2021, https://arxiv.org/abs/1911.00068). The predictions are
    stored: an interrupted audit continues, and a repeated one computes only what other data or options change.

    Args:
        data: As in [`train_classifier`]. All labelled rows of its train split are audited; a file has no other split.
        output_dir: Folder to write to (default: `runs/`, the name of the data and `-audit`).
        options: `models` (default: `["linear"]`; their mean is used; other names are
            teachers of [`train_classifier`], which must not have been trained on these labels), `folds` (default:
            5), and the options of [`train_classifier`] for the data and the recurrent classifier.

    Returns:
        The tables, which are also written to the folder.

    Raises:
        TypeError: An option does not exist.
        ValueError: The data or an option cannot be used.
        ImportError: cleanlab is not installed.
        OSError: A file or folder does not exist, or the Hub cannot be reached.
    """
    _, (data_args, *groups) = arguments_from_call(AUDIT_GROUPS, data, output_dir, options, "audit")
    return run_audit(data_args.dataset if data is None else data, data_args, *groups)


@library_progress_bars()
def run_audit(
    data: Any,
    data_args: DataArguments,
    model_args: ModelArguments,
    args: ClassifierTrainingArguments,
    audit_args: AuditArguments,
) -> AuditResult:
    """
    Audit with arguments of the command line or of [`audit`].

    Args:
        data: Data as in [`train_classifier`]; `data_args.dataset` is not read.
        data_args: Arguments of the data.
        model_args: Arguments of the recurrent classifier.
        args: Arguments of its Trainer.
        audit_args: Arguments of the audit.

    Returns:
        The tables, which are also written to the folder.

    Raises:
        ValueError: The data or an argument cannot be used.
        ImportError: cleanlab is not installed.
        OSError: A file or folder does not exist, or the Hub cannot be reached.
    """
    import_cleanlab()  # before hours of training
    if used := [name for name in REFUSED if getattr(data_args, name, None) or getattr(args, name, None)]:
        raise ValueError(f"An audit does not have the option --{used[0]}: remove it.")
    if RECURRENT not in audit_args.models and (unused := sorted(model_args.changed_fields())):
        raise ValueError(
            f"--{unused[0]} is an option of the recurrent classifier: add --models recurrent, or remove it."
        )
    if isinstance(data, str | Path):
        data = type(data)(os.path.expanduser(data))
    fold_args = copy(args)
    fold_args.output_dir = folder = args.output_dir or audit_folder(data)
    corpus, row_numbers = load_given_splits(
        data,
        config_name=data_args.dataset_config,
        text_column=data_args.text_column,
        label_column=data_args.label_column,
        label_separator=data_args.label_separator,
        problem_type=data_args.problem_type,
        separator=data_args.separator,
        encoding=data_args.encoding,
    )
    print(*corpus.notes, sep="\n")
    if corpus.problem_type == "regression":
        raise ValueError("An audit requires classes, but the labels are scores (regression).")
    predicted = OutOfFold(corpus, audit_args.models, audit_args.folds, data_args, model_args, fold_args).predict()
    errors = rank_label_errors(corpus, row_numbers, predicted)
    given = errors.sort_values("row", kind="stable")  # in the order of the data
    duplicates = find_near_duplicates(given["text"].tolist(), given["label"].tolist(), row_numbers)
    overlapping = find_overlapping_classes(corpus, predicted)
    summary = _summarize(errors, duplicates, overlapping, audit_args, corpus.problem_type == MULTI_LABEL)
    tables = {
        Path(SUSPICIOUS_FILE).stem: ("Rows from the most to the least suspicious label", errors),
        "near_duplicates": ("Near-duplicate texts with different labels", duplicates),
        "overlapping_classes": ("Overlapping classes", overlapping),
    }
    write_report(folder, f"Audit of {name_of(data)}", summary, tables)
    return AuditResult(Path(folder), errors, duplicates, overlapping, tuple(summary))


def _summarize(
    errors: pd.DataFrame,
    duplicates: pd.DataFrame,
    overlapping: pd.DataFrame,
    audit_args: AuditArguments,
    is_multi_label: bool,
) -> list[str]:
    """Return sentences with the counts of an audit."""
    likely = int(errors["likely_error"].sum())
    models = audit_args.models
    predictor = f"the model {models[0]}" if len(models) == 1 else f"the mean of the models {', '.join(models)}"
    summary = [
        f"Audited {format_count(len(errors), 'training row')}. Each was predicted by {predictor}, trained without it "
        f"({audit_args.folds} folds).",
        f"Likely label errors: {likely:,} ({likely / len(errors):.1%}).",
        f"Near-duplicate texts with different labels: {format_count(len(duplicates), 'pair')}.",
    ]
    if is_multi_label:
        return [*summary, "Overlapping classes are not computed: a text may have several of these labels."]
    summary.append(f"Overlapping classes: {format_count(len(overlapping), 'pair')}.")
    if len(overlapping):
        first = overlapping.iloc[0]
        summary[-1] = (
            f"{summary[-1][:-1]}, most often {first.class_a} and {first.class_b} (about {first['rows']:,} rows)."
        )
    return summary
