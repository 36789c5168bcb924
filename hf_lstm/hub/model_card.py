"""Metrics file and model card of a trained classifier."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..messages import format_count, markdown_table
from ..models import LstmConfig

METRICS_FILE = "metrics.json"

# Files that describe a training, saved next to the model.
TRAINING_RECORDS = (
    *("README.md", METRICS_FILE, "learning_curve.png", "predictions.png", "calibration.png"),
    *("trials.csv", "trials.png"),
)

# Example text of a card. It is not a text of the data, which may be private.
EXAMPLE_TEXT = "Write your own text here."

TEMPLATE = Path(__file__).with_name("card_template.md")

METRIC_NAMES = {
    "accuracy": "Accuracy",
    "f1_macro": "F1 (macro)",
    "f1_micro": "F1 (micro)",
    "f1_weighted": "F1 (weighted)",
    "precision_macro": "Precision (macro)",
    "recall_macro": "Recall (macro)",
    "matthews_correlation": "Matthews correlation",
    "roc_auc": "ROC-AUC",
    "lrap": "Label ranking average precision",
    "subset_accuracy": "Subset accuracy",
    "mse": "Mean squared error",
    "mae": "Mean absolute error",
    "r2": "R²",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
}

# Labels that the card lists by name.
MAX_LISTED_LABELS = 8


def metrics_table(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """
    Format metrics as a Markdown table.

    Args:
        columns: Metrics by name, for the heading of each column. `NAME_interval` is the interval of the metric `NAME`.

    Returns:
        A table with one row for each metric that occurs in any column, and one for its confidence interval.
    """
    rows = [["", *columns]]
    for name, full_name in METRIC_NAMES.items():
        if not any(name in metrics for metrics in columns.values()):
            continue
        rows.append([full_name, *(f"{column[name]:.4f}" if name in column else "" for column in columns.values())])
        intervals = [column.get(f"{name}_interval") for column in columns.values()]
        if any(intervals):
            rows.append(["95 % interval", *(f"{pair[0]:.4f} to {pair[1]:.4f}" if pair else "" for pair in intervals)])
    return markdown_table(rows)


def save_metrics(metrics: dict[str, Any], folder: str | Path) -> None:
    """Write the record of a training to `metrics.json` in a folder. [`build_card`] describes its keys."""
    (Path(folder) / METRICS_FILE).write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_card(folder: str | Path, location: str | None = None, example: str = EXAMPLE_TEXT) -> None:
    """
    Write `README.md` of a model folder from its `config.json` and `metrics.json`.

    Args:
        folder: Folder of a trained classifier.
        location: Folder or Hub id for the usage example; `None` uses `folder`.
        example: Text for the usage example.
    """
    folder = Path(folder)
    record = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    config = LstmConfig.from_pretrained(folder)
    build_card(config, location or str(folder), record, example).save(folder / "README.md")


def build_card(config, location: str, record: dict[str, Any] | None = None, example: str = EXAMPLE_TEXT) -> ModelCard:
    """
    Build the model card from the template `card_template.md`.

    Args:
        config: Config of the model.
        location: Folder or Hub id for the usage example.
        record: Contents of `metrics.json`; `None` builds a card without results. Keys: `name`, `dataset`,
            `dataset_on_hub`, `language`, `license`, `notes` (messages about the data), `splits` (rows by split),
            `figures` (metrics by split, then `model` or `baseline`), `training` (`command`, `epochs`, `seconds`,
            `precision`, `seed`, `metric`, `parameters`), `machine`, `bytes` and `texts_per_second`. Optional keys:
            `calibration` (what the temperature changed; empty if the scores are not calibrated), `search` (sentences
            on the search that chose the options), `failures` (`on`, `accuracy`, `examples`), `steps` (`command`,
            `seconds` and `machine` of each step) with the command that runs all steps, `reproduce`.
        example: Text for the usage example.

    Returns:
        The card, including the metadata `model-index` that the Hub shows.
    """
    title = record["name"] if record else Path(location).name
    values = {
        "config": config,
        "title": title,
        "location": location,
        "example": json.dumps(example, ensure_ascii=False),
        "direction": "Bidirectional" if config.bidirectional else "Backward" if config.reverse else "Forward",
        "cell": config.cell_type.upper(),
        "pooling": config.pooling,
        "layers": format_count(config.num_hidden_layers, "layer"),
        "vocabulary": f"{config.vocab_size:,}",
        "labels": _label_list(list(config.label2id)),
        "is_regression": config.problem_type == "regression",
        "is_single_label": config.problem_type == "single_label_classification",
        "is_multi_label": config.problem_type == "multi_label_classification",
        "abstains": config.problem_type == "single_label_classification" and isinstance(config.threshold, list | tuple),
    }
    if record:
        values |= _recorded_values(config, record)
    metadata = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["hf_lstm", config.cell_type, "text-classification"],
        model_name=title,
        language=record["language"] if record else None,
        license=record["license"] if record else None,
        datasets=[record["dataset"]] if record and record["dataset_on_hub"] else None,
        metrics=sorted(_final_metrics(record)) if record else None,
        eval_results=_eval_results(record) if record else None,
    )
    return ModelCard.from_template(metadata, template_path=str(TEMPLATE), **values)


def _plain(text: str) -> str:
    """Return a label or text on one line, without the meaning that its characters have in Markdown and HTML."""
    return re.sub(r"([\\`*~$\[\]<>|&]|\b_|_\b)", r"\\\1", " ".join(text.split()))


def _label_list(names: list[str]) -> str:
    listed = ", ".join(map(_plain, names[:MAX_LISTED_LABELS]))
    others = len(names) - MAX_LISTED_LABELS
    return f"{listed} and {format_count(others, 'other')}" if others > 0 else listed


def _final_split(record: dict[str, Any]) -> str:
    """Return the split whose metrics the Hub shows."""
    return "test" if "test" in record["figures"] else "validation"


def _final_metrics(record: dict[str, Any]) -> dict[str, float]:
    """Return the metrics of the model on the final split, without their intervals."""
    metrics = record["figures"][_final_split(record)]["model"]
    return {name: value for name, value in metrics.items() if name in METRIC_NAMES}


def _eval_results(record: dict[str, Any]) -> list[EvalResult]:
    """Return the metrics in the form of the Hub's `model-index`."""
    # The path of a local corpus means nothing to others and may be private, so only the name of the file is published.
    dataset = record["dataset"] if record["dataset_on_hub"] else Path(record["dataset"]).stem
    return [
        EvalResult(
            task_type="text-classification",
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split=_final_split(record),
            metric_type=name,
            metric_name=METRIC_NAMES[name],
            metric_value=round(value, 6),
        )
        for name, value in _final_metrics(record).items()
    ]


def _recorded_values(config, record: dict[str, Any]) -> dict[str, Any]:
    """Return the template values that come from the record of a training."""
    split, training = _final_split(record), record["training"]
    columns = {f"this model, {name}": metrics["model"] for name, metrics in record["figures"].items()}
    baseline = record["figures"][split].get("baseline")
    if baseline:
        columns[f"TF-IDF + linear model, {split}"] = baseline
    calibration_error = _final_metrics(record).get("calibration_error")
    values = {
        "results": metrics_table(columns),
        "split": split,
        "has_baseline": bool(baseline),
        "megabytes": f"{record['bytes'] / 1e6:.1f}",
        "texts_per_second": f"{record['texts_per_second']:,.0f}",
        "notes": "\n".join("- " + " ".join(note.split()).replace("<", r"\<") for note in record["notes"]),
        "training": training,
        "training_rows": f"{record['splits']['train']:,}",
        "parameters": f"{training['parameters']:,}",
        "epochs": f"{training['epochs']:g}",
        "seconds": f"{training['seconds']:,.0f}",
        "machine": record["machine"],
        "calibration_error": None if calibration_error is None else f"{calibration_error:.3f}",
        "plot_title": "Confusion matrix" if config.problem_type == "single_label_classification" else "Predictions",
    }
    if "calibration" in record:
        values |= {
            "has_calibration_plot": config.problem_type != "regression",
            "is_calibrated": bool(record["calibration"]),
        }
    if record.get("search"):
        values["search"] = "\n".join(f"- {sentence}" for sentence in record["search"])
    if "steps" in record:
        values |= {"steps": _step_list(record["steps"]), "reproduce": record["reproduce"]}
    if "failures" in record:
        errors = record["failures"]
        values |= {
            "errors": _error_list(errors["examples"]),
            "errors_on": errors["on"],
            "errors_accuracy": f"{errors['accuracy']:.3f}",
        }
    return values


def _step_list(steps: list[dict[str, Any]]) -> str:
    lines = []
    for number, step in enumerate(steps, 1):
        if step["seconds"] is None:
            cost = "time not recorded"
        else:
            cost = f"{step['seconds']:,.0f} s, {step['machine'].partition(';')[0]}"
        lines.append(f"{number}. `{step['command']}` ({cost})")
    return "\n".join(lines)


def _error_list(examples: list[dict[str, Any]]) -> str:
    lines = []
    for error in examples:
        predicted, label, text = (_plain(str(error[name])) for name in ("predicted", "label", "text"))
        lines.append(f'- predicted {predicted} ({error["score"]:.2f}), label {label}: "{text}"')
    return "\n".join(lines)
