"""Lines, table and plot of a search."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..evaluation import plot_trials
from ..messages import format_count, plain_number
from .study import COMPLETE, TrialRow

TABLE_FILE, PLOT_FILE = "trials.csv", "trials.png"

BASELINE = "TF-IDF + LR"


@dataclass(frozen=True)
class Summary:
    """
    What a search found.

    Args:
        rows: All trials.
        best: The best one.
        metric: Name of the validation metric.
        greater_is_better: Its direction.
        baseline: Metric of TF-IDF with logistic regression; `None` if it was not measured.
        measured_on: Validation texts or folds.
        seconds: Time of this search.
    """

    rows: Sequence[TrialRow]
    best: TrialRow
    metric: str
    greater_is_better: bool
    baseline: float | None
    measured_on: str
    seconds: float

    def sentences(self) -> list[str]:
        """Return sentences for the output and for the model card."""
        complete = sum(row.outcome == COMPLETE for row in self.rows)
        found = [
            f"{format_count(len(self.rows), 'trial')}, {complete} completed, in {self.seconds:.0f} s; `{TABLE_FILE}` "
            "lists all trials. "
            f"The metric is {self.metric} on {self.measured_on}.",
            f"The best one is trial {self.best.number}: {self.metric} {self.best.value:.4f}, "
            f"{self.best.megabytes:.2f} MB, {self.best.latency_ms:.2f} ms for a text of median length on one thread; "
            f"{format_options(self.best)}.",
        ]
        if self.baseline is not None:
            found.append(self._comparison(self.baseline, self.best.value or 0.0))
        return found

    def _comparison(self, baseline: float, value: float) -> str:
        """Return a sentence that compares the best trial with the baseline."""
        is_better = baseline > value if self.greater_is_better else baseline < value
        if is_better:
            return (
                f"{BASELINE} is better, with {self.metric} {baseline:.4f}: use it if its size and speed suit you. The "
                "saved model is the best recurrent one."
            )
        return f"{BASELINE} has {self.metric} {baseline:.4f}."

    def write(self, folder: Path) -> None:
        """Write the table and the plot into a folder."""
        with open(folder / TABLE_FILE, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["trial", "outcome", self.metric, "megabytes", "latency_ms", "seconds", "options"])
            if self.baseline is not None:
                writer.writerow(["", COMPLETE, f"{self.baseline:.4f}", "", "", "", BASELINE])
            for row in self.rows:
                numbers = ("" if number is None else f"{number:.4f}" for number in (row.value, row.megabytes))
                latency = "" if row.latency_ms is None else f"{row.latency_ms:.3f}"
                writer.writerow([row.number, row.outcome, *numbers, latency, row.seconds, format_options(row)])
        points = [
            (row.megabytes, row.value, f"{row.number}: {format_options(row)}")
            for row in self.rows
            if row.outcome == COMPLETE and row.megabytes is not None and row.value is not None
        ]
        baseline = None if self.baseline is None else (BASELINE, self.baseline)
        plot_trials(points, self.metric, self.greater_is_better, baseline, folder / PLOT_FILE)


def format_options(row: TrialRow) -> str:
    """Return the options of a trial, such as "cell_type gru, hidden_size 64"."""
    values = {
        name: " ".join(map(str, value)) if isinstance(value, list) else plain_number(value)
        for name, value in row.options.items()
    }
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "default options"


def describe_trial(row: TrialRow, metric: str) -> str:
    """Return the line that is printed after a trial."""
    value = "" if row.value is None else f"{metric} {row.value:.4f}"
    cost = "" if row.megabytes is None else f"{row.megabytes:6.2f} MB {row.latency_ms:6.2f} ms"
    outcome = "" if row.outcome == COMPLETE else f"  [{row.outcome}]"
    figures = f"{value:<{len(metric) + 7}} {cost:19} {row.seconds:6.1f} s"
    return f"trial {row.number:3}  {figures}  {format_options(row)}{outcome}"
