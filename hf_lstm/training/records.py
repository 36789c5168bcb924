"""Save and evaluate the model of a finished training, and write its records: metrics, plots and model card."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import DatasetDict
from transformers import PreTrainedTokenizerFast, TrainingArguments

from ..data import Corpus
from ..early import fit_and_store_rule, stop_target
from ..evaluation import (
    TIMED_TEXTS,
    describe_machine,
    evaluate_split,
    folder_bytes,
    plot_calibration,
    plot_learning_curve,
    plot_predictions,
    precision_targets,
    texts_per_second,
    tfidf_baseline,
)
from ..hub import TrainedClassifier, build_card, metrics_table, push_repository, save_metrics
from ..inference import StreamingClassifier
from ..messages import format_count, one_line
from ..models import LstmForSequenceClassification
from ..saving import full_disk_errors
from ..teachers import SOFT_LABELS_FILE
from .arguments import ClassifierTrainingArguments, DataArguments
from .callbacks import report_results
from .checkpoints import advise_on_full_disk, save_classifier
from .defaults import ResolvedArguments
from .trainer import ClassifierTrainer

RECORDS_LOST = "The model was saved, but not all of its records: free some space and use `hf-lstm evaluate`."

PLOTS = ("learning_curve.png", "predictions.png", "calibration.png")

COLUMN_NAMES = {"model": "hf_lstm", "baseline": "TF-IDF + LR"}


@dataclass(frozen=True)
class TrainingRun:
    """
    A finished training, for its records.

    Args:
        dataset: Hub id, path or description of the data.
        is_on_hub: Whether `dataset` is a Hub id.
        command: Command or Python call that started the training.
        notes: Sentences on what was inferred, split off or dropped.
        data: Arguments of the data.
        resolved: Arguments of the model and of the Trainer.
        corpus: The labelled texts.
        splits: The tokenized texts.
        trainer: The Trainer after training.
        calibration: What the calibration changed, see [`SavedClassifier`]; empty until the model is saved.
        seconds: Time to load, tokenize and train, in seconds.
        search: Sentences on the search that chose the arguments; empty without one.
        stop_rule: Figures of the stop rule, see [`FittedRule`]; empty without one, and until the model is saved.
    """

    dataset: str
    is_on_hub: bool
    command: str
    notes: list[str]
    data: DataArguments
    resolved: ResolvedArguments
    corpus: Corpus
    splits: DatasetDict
    trainer: ClassifierTrainer
    calibration: dict[str, Any]
    seconds: float
    search: Sequence[str] = ()
    stop_rule: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Folder of the model and of its records."""
        return Path(self.resolved.training.output_dir)

    @property
    def final_split(self) -> str:
        """Split whose metrics are reported: `test`, or `validation` if there is no test split."""
        return "test" if "test" in self.splits else "validation"


def finish_training(run: TrainingRun, tokenizer: PreTrainedTokenizerFast) -> TrainedClassifier:
    """
    Save the model of a training to its folder, and write metrics, plots and model card.

    Args:
        run: The training, whose Trainer holds the best model.
        tokenizer: Its tokenizer.

    Returns:
        The trained classifier, as loaded from its folder.

    Raises:
        OSError: The disk is full.
    """
    folder, corpus = run.folder, run.corpus
    min_precision = precision_targets(run.resolved.training.min_precision, corpus.label_names, corpus.problem_type)
    with full_disk_errors(folder, lambda: advise_on_full_disk(folder)):
        saved = save_classifier(run.trainer, run.splits["validation"], min_precision)
        notes, stop_rule = _add_stop_rule(run, saved.model, tokenizer)
    if not run.data.teacher:
        (folder / SOFT_LABELS_FILE).unlink(missing_ok=True)  # of an earlier training
    run = replace(run, notes=[*run.notes, *saved.notes, *notes], calibration=saved.calibration, stop_rule=stop_rule)
    with full_disk_errors(folder, lambda: RECORDS_LOST):
        metrics = record_training(run, saved.model, tokenizer)
    print(f"\nTrained in {run.seconds:.0f} s and saved to {folder}.")
    return TrainedClassifier(folder, saved.model.eval(), tokenizer, metrics, saved.calibration)


def _add_stop_rule(
    run: TrainingRun, model: LstmForSequenceClassification, tokenizer: PreTrainedTokenizerFast
) -> tuple[list[str], dict[str, Any]]:
    """Fit the stop rule on the validation split and store it, if wanted; return printed notes and its figures."""
    args, rows = run.resolved.training, run.corpus.splits["validation"]
    target = stop_target(args.stop_false_alarms, run.corpus.label_names, run.corpus.problem_type)
    if target is None:
        return [], {}
    labels = np.array(rows["labels"][:])
    fitted, _ = fit_and_store_rule(
        run.folder,
        StreamingClassifier(model, tokenizer),
        rows["text"][:],
        labels,
        target,
        show_progress=not args.disable_tqdm,
    )
    print(fitted.note)
    return [fitted.note], fitted.record


def push_finished(folder: Path, args: ClassifierTrainingArguments) -> None:
    """Push a finished folder to the Hub if the arguments of the Trainer say so."""
    if args.push_to_hub:
        repo_id = args.hub_model_id or folder.name
        print(f"Pushed to {push_repository(str(folder), repo_id, bool(args.hub_private_repo), args.hub_token)}.")


def record_training(
    run: TrainingRun, model: LstmForSequenceClassification, tokenizer: PreTrainedTokenizerFast
) -> dict[str, dict[str, Any]]:
    """
    Evaluate the saved model, print its metrics, and write `metrics.json`, plots and model card into its folder.

    Args:
        run: The training.
        model: The model, as loaded from the folder.
        tokenizer: Its tokenizer.

    Returns:
        Metrics of the model by split.
    """
    figures: dict[str, dict[str, Any]] = {}
    for split in ("validation", "test"):
        if split in run.splits:
            metrics, logits = evaluate_split(
                model, run.splits[split], show_progress=not run.resolved.training.disable_tqdm
            )
            figures[split] = {"model": metrics}
    final = run.final_split
    if run.resolved.training.baseline and (baseline := fit_baseline(run.corpus, final)):
        figures[final]["baseline"] = baseline
    print(f"\nThe {final} split, {format_count(len(run.splits[final]), 'text')}:")
    print(metrics_table({COLUMN_NAMES[name]: row for name, row in figures[final].items()}))

    record = describe_run(run, figures) | {
        "machine": describe_machine(),
        "bytes": folder_bytes(run.folder, leave_out=[SOFT_LABELS_FILE]),
        "texts_per_second": texts_per_second(model, tokenizer, run.corpus.splits[final]["text"][:TIMED_TEXTS]),
    }
    save_metrics(record, run.folder)
    history, metric = run.trainer.state.log_history, run.resolved.training.metric_for_best_model
    _draw(plot_learning_curve, history, metric, run.folder / "learning_curve.png")
    labels, title = np.array(run.splits[final]["labels"][:]), f"{run.folder.name}, {final} split"
    _draw(plot_predictions, logits, labels, model.config, title, run.folder / "predictions.png")
    if model.config.problem_type != "regression":
        _draw(plot_calibration, logits, labels, model.config, title, run.folder / "calibration.png")
    build_card(model.config, str(run.folder), record).save(run.folder / "README.md")
    plots = [path for name in PLOTS if (path := run.folder / name).is_file()]
    report_results(run.trainer, tracked_values(record, final), plots)
    return {split: by_model["model"] for split, by_model in figures.items()}


def describe_run(run: TrainingRun, figures: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """
    Describe a training for `metrics.json`.

    Args:
        run: The training.
        figures: Metrics by split and by model.

    Returns:
        The record, without the machine, the size of the model and its speed.
    """
    args = run.resolved.training
    return {
        "name": run.folder.name,
        "dataset": run.dataset,
        "dataset_on_hub": run.is_on_hub,
        "language": run.data.language,
        "license": run.data.license,
        "notes": run.notes,
        "splits": {split: len(rows) for split, rows in run.splits.items()},
        "figures": figures,
        "calibration": run.calibration,
        "stop_rule": run.stop_rule,
        "search": list(run.search),
        "training": {
            "command": run.command,
            "defaults": run.resolved.chosen,
            "epochs": run.trainer.state.epoch,
            "seconds": round(run.seconds, 1),
            "precision": precision_of(args),
            "seed": args.seed,
            "metric": args.metric_for_best_model,
            "parameters": run.trainer.model.num_parameters(),
        },
    }


def tracked_values(record: dict[str, Any], final: str) -> dict[str, float]:
    """
    Return the numbers of a record for experiment tracking.

    Args:
        record: Contents of `metrics.json`.
        final: Split whose metrics are reported.

    Returns:
        The metrics with the prefix `test_` or, for the validation split, `eval_saved_`; those of TF-IDF with `tfidf_`
        after it; the limits of the intervals with `_low` and `_high`; the temperature; size and speed.
    """
    values: dict[str, float] = {}
    for split, by_model in record["figures"].items():
        for model, metrics in by_model.items():
            prefix = ("test_" if split == "test" else "eval_saved_") + ("tfidf_" if model == "baseline" else "")
            for name, value in metrics.items():
                if name.endswith("_interval"):
                    name = f"{prefix}{name.removesuffix('_interval')}"
                    values |= dict(zip((f"{name}_low", f"{name}_high"), value, strict=True))
                else:
                    values[f"{prefix}{name}"] = value
    if "temperature" in record["calibration"]:
        values["eval_saved_temperature"] = record["calibration"]["temperature"]
    prefix = "test_" if final == "test" else "eval_saved_"
    return values | {
        f"{prefix}megabytes": record["bytes"] / 1e6,
        f"{prefix}texts_per_second": record["texts_per_second"],
    }


def precision_of(args: TrainingArguments) -> str:
    """Return the precision that a Trainer computes in, such as `bf16`."""
    return "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32"


def fit_baseline(corpus: Corpus, split: str) -> dict[str, float] | None:
    """
    Train TF-IDF with a linear model, and measure it.

    Args:
        corpus: The labelled texts; the `train` split is learned.
        split: Split to measure on.

    Returns:
        The metrics, or `None`, with a printed message, if no word occurs twice.
    """
    train, test = corpus.splits["train"], corpus.splits[split]
    try:
        return tfidf_baseline(
            train["text"][:], train["labels"][:], test["text"][:], test["labels"][:], corpus.problem_type
        )
    except ValueError as error:
        print(f"No TF-IDF baseline: {one_line(error)}.")
        return None


def _draw(plot: Callable[..., None], *arguments: Any) -> None:
    """Draw a plot. If this fails, print a warning: a finished training must not be lost."""
    try:
        plot(*arguments)
    except Exception as error:  # matplotlib raises errors of all kinds
        print(f"Warning: {Path(arguments[-1]).name} could not be drawn ({one_line(error)}).")
