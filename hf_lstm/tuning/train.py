"""Train a classifier with given options, or search for the best ones."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datasets import DatasetDict

from ..data import tokenize_corpus
from ..evaluation import precision_targets
from ..hub import TrainedClassifier
from ..messages import format_count, library_progress_bars
from ..saving import PARTIAL, full_disk_errors
from ..teachers import SOFT_LABELS_FILE
from ..training import (
    ARGUMENT_GROUPS,
    ClassifierTrainingArguments,
    TrainingRun,
    arguments_from_call,
    describe_training_data,
    find_resume_checkpoint,
    finish_training,
    format_call,
    name_dataset,
    push_finished,
    read_corpus,
    resolve_output,
    run_training,
)
from .arguments import TuningArguments, parse_duration
from .limits import Budget, Limits, Watch
from .processes import count_processes
from .report import BASELINE, Summary
from .search import RESERVED_SHARE, Search, check_limits, first_parameters
from .search_space import CHOICES, Groups
from .study import open_study, require_optuna
from .trials import Trained, Trials

TRAINING_GROUPS = (*ARGUMENT_GROUPS, TuningArguments)

# Options that may change when a search is resumed.
NOT_COMPARED = ("output_dir", "push_to_hub", "hub_model_id", "hub_token", "hub_private_repo", "language", "license")


def train_classifier(data: Any = None, *, output_dir: str | Path | None = None, **options: Any) -> TrainedClassifier:
    """
    Train a text classifier, evaluate it, and save it with its metrics, plots and model card.

    Args:
        data: Hub id, folder or file; `datasets.Dataset` or `DatasetDict`; pandas or polars DataFrame, or a dictionary
            of them by split; `None` for the bundled reviews. Missing splits are taken from the training rows.
        output_dir: Folder to write to (default: `runs/` and the name of the data).
        options: All options of `hf-lstm train` by name, such as `cell_type="gru"` or `num_train_epochs=5`.
            `hf-lstm train --help_all` lists them. `autotune="10m"` searches for the best values of the options that
            are not given, see [`tune_classifier`].

    Returns:
        The trained classifier, as loaded from its folder.

    Raises:
        TypeError: An option does not exist; the message suggests the closest one.
        ValueError: The data or an option cannot be used; the message names it and what to do.
        OSError: A file or folder does not exist, or the Hub cannot be reached.
        ImportError: A package of an extra is missing.
    """
    command, (*groups, tuning) = arguments_from_call(TRAINING_GROUPS, data, output_dir, options, "train_classifier")
    given = Groups(*groups)
    source = given.data.dataset if data is None else data

    def describe(best: dict[str, Any]) -> str:
        names = {"dataset": given.data.dataset} if given.data.dataset is not None else {}
        return format_call("train_classifier", data, names | given.given() | best)

    return train_or_tune(source, given, tuning, command, describe)


def train_or_tune(
    data: Any, given: Groups, tuning: TuningArguments, command: str, describe: Callable[[dict[str, Any]], str]
) -> TrainedClassifier:
    """
    Train a classifier with arguments of the command line or of [`train_classifier`].

    Args:
        data: Data as in [`train_classifier`].
        given: The arguments of the training.
        tuning: Arguments of the search; without `autotune` there is none.
        command: The command or Python call, for the model card.
        describe: Returns the command without a search that has other options, given by name.

    Returns:
        The trained classifier, as loaded from its folder.
    """
    if tuning.autotune is None:
        return run_training(data, *given, command)
    return tune_classifier(data, given, tuning, describe)


@library_progress_bars()
def tune_classifier(
    data: Any, given: Groups, tuning: TuningArguments, describe: Callable[[dict[str, Any]], str]
) -> TrainedClassifier:
    """
    Search for the best options within a time budget, and save the best model.

    The first trials are recipes that were good on other corpora; a tree-structured Parzen estimator
    (https://papers.nips.cc/paper/4443) proposes the others. A trial that is below the median of earlier ones is ended.
    On a CPU, one trial runs on each core, with one thread, and all of them share their results.
    The model of the best trial is kept and saved: it is the one that the command without the search trains, up to
    rounding, which depends on the number of threads.
    After cross-validation, and if the best trial is from an earlier process, that command's training follows.

    Args:
        data: Data as in [`train_classifier`].
        given: The arguments of the training; options that differ from their default are not searched.
        tuning: Arguments of the search. The same command resumes a search, with the full time.
        describe: Returns the command without a search that has other options, given by name.

    Returns:
        The best classifier, as loaded from its folder.

    Raises:
        ValueError: The options cannot be combined, no model is within the limits, or no trial was completed.
        OSError: A file or folder does not exist, or the Hub cannot be reached.
        ImportError: Optuna is not installed.
    """
    budget = Budget(parse_duration(str(tuning.autotune)))
    budget.reserved = RESERVED_SHARE * budget.seconds
    require_optuna()
    _check_combination(given.training, given.model.pretrained)
    data, args = resolve_output(data, given.training)
    find_resume_checkpoint(args)
    corpus, notes = read_corpus(data, given.data, given.model, args)
    precision_targets(args.min_precision, corpus.label_names, corpus.problem_type)  # checked before the search
    folder, limits = Path(args.output_dir), Limits(tuning.max_megabytes, tuning.max_latency_ms)
    folder.mkdir(parents=True, exist_ok=True)
    disk_errors = full_disk_errors(folder, lambda: "Free some space, and repeat the command to continue the search.")
    with disk_errors, TemporaryDirectory(prefix=PARTIAL, dir=folder) as work:
        trials = Trials(corpus, notes, given._replace(training=args), limits, Path(work))
        search = _open_search(trials, folder, budget)
        measured_on = _describe_measurement(trials)
        print(
            f"Searching for {tuning.autotune}, with {format_count(search.processes, 'trial')} at a time. "
            f"Trials are compared by {search.metric} on {measured_on}."
        )
        baseline = search.baseline() if args.baseline else None
        if baseline is not None:
            print(f"{BASELINE}: {search.metric} {baseline:.4f}")
        best = search.run()
        summary = Summary(
            search.rows, best, search.metric, search.greater_is_better, baseline, measured_on, budget.spent
        )
        command = describe(best.options)
        print("", *summary.sentences(), f"This command trains the model without the search:\n  {command}", sep="\n")
        trained = trials.restore(best.number, best.options)
        if trained is None:
            print("\nTraining the best trial ...", flush=True)
            watch = Watch(lambda *_: None, budget.seconds - budget.spent, budget.clock, must_finish=True)
            trained = trials.train(trials.whole, best.options, watch)
        run = _describe_run(data, trials, trained, best.options, command, summary.sentences())
        classifier = finish_training(run, trained.texts.tokenizer)
    summary.write(folder)
    push_finished(folder, given.training)
    return classifier


def _check_combination(args: ClassifierTrainingArguments, pretrained: str | None) -> None:
    """Raise an error if options cannot be combined with a search."""
    if pretrained is not None:
        raise ValueError("`--autotune` searches for a new model: remove `--pretrained`.")
    if args.resume_from_checkpoint:
        raise ValueError("`--autotune` resumes its search by itself: remove `--resume_from_checkpoint`.")
    if args.eval_strategy == "no":
        raise ValueError("`--autotune` compares evaluations: remove `--eval_strategy no`.")
    if args.world_size > 1:
        raise ValueError("`--autotune` starts its processes by itself: start it without torchrun.")


def _open_search(trials: Trials, folder: Path, budget: Budget) -> Search:
    """Check the limits, and open the study in the output folder."""
    check_limits(trials)
    given, corpus = trials.given, trials.whole.corpus
    resolved, _, _ = trials.resolve(trials.whole, {})
    args = resolved.training
    options = {name: str(value) for name, value in given.given().items() if name not in NOT_COMPARED}
    description = describe_training_data(corpus, given.data, given.model, args.seed) | {
        "options": options,
        "limits": vars(trials.limits),
        "choices": CHOICES,
        "trainings per trial": len(trials.parts),
    }
    better = bool(args.greater_is_better)
    study = open_study(folder, description, first_parameters(trials), better)
    processes = count_processes(given, args.device)
    if processes > 1 and given.data.teacher:
        for part in trials.parts:
            trials.resolve(part, {})  # otherwise, the teacher would label the texts in each process
    return Search(trials, study, str(args.metric_for_best_model), better, budget, processes)


def _describe_measurement(trials: Trials) -> str:
    """Return what the metric of a trial is measured on."""
    splits = trials.whole.corpus.splits
    if not trials.is_cross_validated:
        return format_count(len(splits["validation"]), "validation text")
    rows = len(splits["train"]) + len(splits["validation"])
    return f"{len(trials.parts)} folds of the {rows:,} texts for training and validation"


def _describe_run(
    data: Any, trials: Trials, trained: Trained, options: dict[str, Any], command: str, search: list[str]
) -> TrainingRun:
    """Return the training of the best trial as if it had been trained alone, with the test split."""
    corpus, given, splits = trials.whole.corpus, trials.given, trained.texts.splits
    folder = Path(given.training.output_dir)
    trained.resolved.training.output_dir = str(folder)
    if "test" in corpus.splits:
        test = DatasetDict(test=corpus.splits["test"])
        splits = DatasetDict(splits | tokenize_corpus(test, trained.texts.tokenizer, max_length=given.data.max_length))
    groups = given.changed(options)
    if groups.data.teacher:
        os.replace(trials.whole.soft_labels_folder(groups) / SOFT_LABELS_FILE, folder / SOFT_LABELS_FILE)
    return TrainingRun(
        *name_dataset(data),
        command,
        trained.notes,
        groups.data,
        trained.resolved,
        corpus,
        splits,
        trained.trainer,
        {},
        trained.seconds,
        search,
    )
