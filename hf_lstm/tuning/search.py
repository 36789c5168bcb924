"""Search for the best options of a training within a time budget."""

import itertools
import statistics
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from ..messages import one_line
from ..training import fit_baseline
from .limits import Budget, Limits, TooSlow, Watch
from .processes import run_in_processes
from .report import describe_trial
from .search_space import RECIPES, SMALLEST, open_choices, recipe_parameters
from .study import (
    COMPLETE,
    INTERRUPTED,
    NO_TIME,
    PRUNED,
    REPEATED,
    STAGES,
    TrialRow,
    ask_trial,
    best_row,
    is_another_running,
    record_trial,
    study_rows,
)
from .trials import Candidate, Trained, Trials

if TYPE_CHECKING:
    from optuna import Study, Trial

# The search ends after this number of successive trials that were refused before they were trained.
MAX_REFUSED = 30

PROCESS_ENDED = (
    "The search ends because one of its processes was ended, often because the memory is full. With the environment "
    "variable OMP_NUM_THREADS=1, there is one process."
)

# Share of the budget for the evaluation of the final model and its plots. With cross-validation, the final training has
# more rows than those of the trials.
RESERVED_SHARE, FINAL_SHARE = 0.05, 1.5


@dataclass
class Search:
    """
    A search.

    Args:
        trials: Builds and trains models.
        study: Proposes parameters, and stores the trials.
        metric: Name of the validation metric.
        greater_is_better: Its direction.
        budget: The time.
        processes: Number of trials that run at the same time.
        reported: Numbers and stages of the trials whose metric was reported to the study.
        refused: Number of successive trials that were not trained.
    """

    trials: Trials
    study: "Study"
    metric: str
    greater_is_better: bool
    budget: Budget
    processes: int = 1
    reported: set[tuple[int, int]] = field(default_factory=set)
    refused: int = 0

    @property
    def rows(self) -> list[TrialRow]:
        """The finished trials, also of earlier processes."""
        return study_rows(self.study)

    @property
    def best_row(self) -> TrialRow | None:
        """The best trial, or `None` if none is complete."""
        return best_row(self.rows, self.greater_is_better)

    def baseline(self) -> float | None:
        """Return the validation metric of TF-IDF with logistic regression, and reserve its time for the final test."""
        started = self.budget.spent
        figures = [fit_baseline(part.corpus, "validation") for part in self.trials.parts]
        self.budget.reserved += (self.budget.spent - started) / len(figures)
        values = [figure[self.metric] for figure in figures if figure and self.metric in figure]
        return statistics.mean(values) if len(values) == len(figures) else None

    def run(self) -> TrialRow:
        """
        Run trials, and print one line for each, until the time is over, nothing new is proposed, or Ctrl-C is pressed.

        Returns:
            The best trial.

        Raises:
            ValueError: No trial could be completed.
            KeyboardInterrupt: Ctrl-C was pressed before a trial was complete.
        """
        try:
            for row in run_in_processes(self.run_trial, self._seeds(), self.processes):
                if row is None:
                    continue
                print(describe_trial(row, self.metric), flush=True)
                self.refused = self.refused + 1 if row.value is None and row.outcome != NO_TIME else 0
        except KeyboardInterrupt:
            if self.best_row is None:
                raise
            print("Interrupted. The best trial is saved; the same command continues the search.")
        except BrokenProcessPool:
            if self.best_row is None:
                raise ValueError(PROCESS_ENDED) from None
            print(f"Warning: {PROCESS_ENDED}")
        best = self.best_row
        if best is None:
            raise ValueError(
                f"No trial of the search was completed in {self.budget.spent:.0f} s: allow more time with --autotune, "
                "or a larger model with --max_megabytes and --max_latency_ms."
            )
        return best

    def _seeds(self) -> Iterator[int]:
        """Yield a seed for each trial that can still be started."""
        for seed in itertools.count(self.trials.given.training.seed + len(self.study.trials)):
            if self.refused >= MAX_REFUSED or self._is_over():
                return
            yield seed

    def _is_over(self) -> bool:
        """Return whether there is a model, and no time for another one."""
        complete = [row.seconds for row in self.rows if row.outcome == COMPLETE]
        return bool(complete) and self.left <= 0.5 * min(complete)  # a trial may need half the time of the shortest one

    @property
    def left(self) -> float:
        """Seconds that are left for trials, without those to train the best model again if it is not kept."""
        best = self.best_row
        if best is None or self.trials.is_kept(best.number):
            return self.budget.left
        return self.budget.left - FINAL_SHARE * best.seconds / len(self.trials.parts)

    def run_trial(self, seed: int) -> TrialRow | None:
        """
        Run a trial, store its row in the study, and return it, or `None` if the time is over.

        Args:
            seed: Seed of its parameters.
        """
        if self._is_over():  # since the seed was read
            return None
        trial, parameters = ask_trial(self.study, open_choices(self.trials.given), seed)
        started = self.budget.spent
        row = TrialRow(trial.number, {}, INTERRUPTED, None, None, None, 0.0)
        try:
            candidate = self.trials.propose(parameters)
            cost = candidate.cost
            row = replace(row, options=candidate.options, megabytes=cost.megabytes, latency_ms=cost.latency_ms)
            row = self._measure(trial, candidate, row)
        except (ValueError, torch.OutOfMemoryError) as error:
            if self.best_row is None and (trial.number == 0 or not is_another_running(self.study, trial)):
                raise  # the reason is probably not the trial
            row = replace(row, outcome=f"failed: {one_line(error)}")
        finally:
            row = replace(row, seconds=round(self.budget.spent - started, 1))
            record_trial(self.study, trial, row)
        return row

    def _measure(self, trial: "Trial", candidate: Candidate, row: TrialRow) -> TrialRow:
        """Train the models of a trial, and return its row with the outcome and the metric."""
        from optuna import TrialPruned

        if outcome := self.trials.limits.exceeded(candidate.cost):
            return replace(row, outcome=outcome)
        if any(other.options == candidate.options and other.value is not None for other in self.rows):
            return replace(row, outcome=REPEATED)
        try:
            try:
                value, trained = self._train(trial, candidate.options, must_finish=False)
            except TooSlow as too_slow:
                # There must be a model: train for as many epochs as fit. Later, half of the epochs are worth a try.
                is_first = self.best_row is None
                if not is_first and too_slow.epochs < too_slow.wanted / 2:
                    return replace(row, outcome=NO_TIME)
                row.options["num_train_epochs"] = max(1, too_slow.epochs)
                value, trained = self._train(trial, row.options, must_finish=is_first)
        except TooSlow:  # although it was shortened
            return replace(row, outcome=NO_TIME)
        except TrialPruned as pruned:
            return replace(row, outcome=PRUNED, value=float(str(pruned)))
        row = replace(row, outcome=COMPLETE, value=value)
        if not self.trials.is_cross_validated and best_row([*self.rows, row], self.greater_is_better) is row:
            self.trials.keep(row.number, trained)
        return row

    def _train(self, trial: "Trial", options: dict[str, Any], must_finish: bool) -> tuple[float, Trained]:
        """Train on the corpus or on each fold; return the mean metric and the last training."""
        values: list[float] = []
        # The final training after a cross-validation needs about the time of one more fold.
        more = 1 if self.trials.is_cross_validated and self.best_row is None else 0
        for number, part in enumerate(self.trials.parts):

            def report(share: float, metrics: dict[str, float]) -> None:
                if not self.trials.is_cross_validated and not must_finish:
                    self._report(trial, metrics[f"eval_{self.metric}"], int(STAGES * share))

            seconds = self.left / (len(self.trials.parts) - number + more)
            watch = Watch(report, seconds, self.budget.clock, must_finish)
            trained = self.trials.train(part, options, watch)
            values.append(trained.value)
            if self.trials.is_cross_validated and not must_finish:
                self._report(trial, statistics.mean(values), STAGES + number)
        return statistics.mean(values), trained

    def _report(self, trial: "Trial", value: float, stage: int) -> None:
        """Report a metric, and end the trial if it is below the median of earlier trials at the same stage."""
        from optuna import TrialPruned

        if (trial.number, stage) in self.reported:  # a stage can have several evaluations
            return
        self.reported.add((trial.number, stage))
        trial.report(value, stage)
        if trial.should_prune():
            raise TrialPruned(value)


def check_limits(trials: Trials) -> None:
    """
    Check that the smallest model of a search is within its limits.

    Args:
        trials: Builds models.

    Raises:
        ValueError: It is not; the message has its size and latency.
    """
    if trials.limits == Limits():
        return
    cost = trials.propose(recipe_parameters(SMALLEST, open_choices(trials.given))).cost
    if trials.limits.exceeded(cost):
        raise ValueError(
            f"No model of the search is within the limits: the smallest one has {cost.megabytes:.3g} MB and needs "
            f"{cost.latency_ms:.3g} ms for a text. Raise --max_megabytes or --max_latency_ms."
        )


def first_parameters(trials: Trials) -> list[dict[str, Any]]:
    """Return the parameters of the first trials, without repetitions; with limits, the smallest model is the last."""
    choices = open_choices(trials.given)
    recipes = [*RECIPES] if trials.limits == Limits() else [*RECIPES, SMALLEST]
    parameters: list[dict[str, Any]] = []
    for recipe in recipes:
        if (wanted := recipe_parameters(recipe, choices)) not in parameters:
            parameters.append(wanted)
    return parameters
