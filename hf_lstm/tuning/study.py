"""The Optuna study of a search, which is saved in the output folder, and the rows of its table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Study, Trial

# The log of the study, from which a repeated command resumes.
STUDY_FILE = "trials.journal"

# A training is compared with earlier ones at these shares of its steps, so that those with other epochs have them, too.
STAGES = 10

# Trials before the first is pruned, and the stage before which none is pruned: losses of the warm-up mean little.
TRIALS_BEFORE_PRUNING, STAGES_BEFORE_PRUNING = 4, 3

# Outcomes of a trial.
COMPLETE, PRUNED, INTERRUPTED, NO_TIME, REPEATED = "complete", "pruned", "interrupted", "no time", "repeated"


@dataclass(frozen=True)
class TrialRow:
    """
    One trial.

    Args:
        number: Its number, starting with 0.
        options: The options that differ from those of the user, as in the command that repeats it.
        outcome: "complete", or why there is no result.
        value: Validation metric, or that at which the trial was pruned; `None` if there is none.
        megabytes: Size of the weights; `None` if no model was built.
        latency_ms: Milliseconds for a text of median length; `None` if no model was built.
        seconds: Time of the trial.
    """

    number: int
    options: dict[str, Any]
    outcome: str
    value: float | None
    megabytes: float | None
    latency_ms: float | None
    seconds: float


def require_optuna() -> None:
    """Raise an `ImportError` if Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ImportError('`autotune` requires optuna: pip install "hf_lstm[tune]"') from None


def open_study(
    folder: Path, description: Mapping[str, Any], recipes: Sequence[dict[str, Any]], greater_is_better: bool
) -> "Study":
    """
    Start a study, or open the one of an earlier command to resume it.

    Args:
        folder: Folder with the log of the study.
        description: What must be the same when the study is resumed.
        recipes: Parameters of the first trials.
        greater_is_better: Direction of the metric.

    Returns:
        The study. Trials that were interrupted or did not fit in the time are started again.

    Raises:
        ValueError: The study has other data or options.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / STUDY_FILE)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(path, JournalFileOpenLock(path))),
        study_name="autotune",
        pruner=optuna.pruners.MedianPruner(TRIALS_BEFORE_PRUNING, STAGES_BEFORE_PRUNING),
        direction="maximize" if greater_is_better else "minimize",
        load_if_exists=True,
    )
    known = json.loads(json.dumps(description))
    saved = study.user_attrs.get("description", known)
    if changed := sorted(name for name in known.keys() | saved.keys() if known.get(name) != saved.get(name)):
        raise ValueError(
            f"{folder} has the search of other data or options (different: {', '.join(changed)}). Repeat its command "
            f"to resume it, choose another --output_dir, or delete {path}."
        )
    study.set_user_attr("description", known)
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # its process was killed
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.FAIL]):
        study.enqueue_trial(trial.params)
    for recipe in recipes:
        study.enqueue_trial(recipe, skip_if_exists=True)
    return study


def ask_trial(study: "Study", choices: Mapping[str, Sequence[Any]], seed: int) -> tuple["Trial", dict[str, Any]]:
    """
    Start the next trial of a study: one that is waiting, or one that the tree-structured Parzen estimator proposes.

    Args:
        study: The study, which several processes may share.
        choices: The values of each option.
        seed: Seed of the proposal. Trials with the same seed may have the same parameters.

    Returns:
        The trial and its parameters.
    """
    import optuna

    # The first trials are the recipes, which are not random. Trials of other processes, which have no result yet, count
    # as bad ones, so that no two processes try the same.
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, constant_liar=True)
    trial = study.ask()
    return trial, {name: trial.suggest_categorical(name, values) for name, values in choices.items()}


def record_trial(study: "Study", trial: "Trial", row: TrialRow) -> None:
    """Finish a trial, and save its row in the study."""
    from optuna.trial import TrialState

    trial.set_user_attr("row", vars(row))
    if row.outcome == COMPLETE:
        study.tell(trial, row.value)
    else:
        # The sampler avoids the parameters of pruned trials, and ignores those of failed ones.
        is_failed = row.outcome in (INTERRUPTED, NO_TIME)
        study.tell(trial, state=TrialState.FAIL if is_failed else TrialState.PRUNED)


def is_another_running(study: "Study", trial: "Trial") -> bool:
    """Return whether another process runs a trial of the study."""
    from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
    return any(other.number != trial.number for other in running)


def study_rows(study: "Study") -> list[TrialRow]:
    """Return the rows of all finished trials."""
    return [TrialRow(**trial.user_attrs["row"]) for trial in study.trials if "row" in trial.user_attrs]


def best_row(rows: Sequence[TrialRow], greater_is_better: bool) -> TrialRow | None:
    """Return the complete trial with the best metric, of several the smallest, then the first; `None` without any."""
    sign = 1 if greater_is_better else -1
    complete = [row for row in rows if row.outcome == COMPLETE]
    # The number decides last, so that the order in which trials finish has no influence.
    return max(
        complete, key=lambda row: (sign * (row.value or 0.0), -(row.megabytes or 0.0), -row.number), default=None
    )
