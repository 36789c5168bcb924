"""Plot how early a classifier and its stop rule decide."""

from pathlib import Path
from typing import Any

from ..evaluation import new_figure
from ..inference import StopRule
from ..messages import format_count


def plot_early(measured: dict[str, Any], rule: StopRule | None, title: str, path: str | Path) -> None:
    """
    Plot the main metric and the alarms against the share of the text that was read.

    Args:
        measured: Result of [`measure_early`].
        rule: The stop rule, or `None` if there are no alarms to draw.
        title: Title of the plot.
        path: PNG file to write.
    """
    rows = measured["rows"]
    shares = [row["share"] for row in rows]
    metric = next(name for name in rows[0] if name != "share")
    with new_figure(path, 9 if rule else 4.5, 3.8) as figure:
        figure.suptitle(title)
        axes = figure.subplots(1, 2 if rule else 1, squeeze=False)[0]
        axes[0].plot(shares, [row[metric] for row in rows], marker="o")
        axes[0].set(ylabel=metric.replace("_", " "), title="Prediction from the text so far")
        if rule is not None:
            curves = {
                "texts predicted as the label": "verdict_recall",
                "texts with the label": "recall",
                "texts without the label": "false_alarms",
            }
            for name, key in curves.items():
                if key in rows[0]:
                    axes[1].plot(shares, [row[key] for row in rows], marker="o", label=name)
            axes[1].set(ylabel="share with an alarm", ylim=(-0.02, 1.02))
            axes[1].set_title(f"{rule.label}: {rule.probability:.3f} for {format_count(rule.for_tokens, 'token')}")
            axes[1].legend(fontsize="small")
        for part in axes:
            part.set(xlabel="share of the text read", xlim=(0, 1.02))
            part.grid(alpha=0.3)
