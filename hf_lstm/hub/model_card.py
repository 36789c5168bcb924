"""The README of a trained model, made from its recorded figures."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..messages import markdown_table

METRICS_FILE = "metrics.json"

# What is recorded of a training beside the model.
TRAINING_RECORDS = ("README.md", METRICS_FILE, "learning_curve.png", "predictions.png")

_NAMES = {
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

_TEMPLATE = """---
{{ card_data }}
---

# {{ title }}

{{ summary }}

```python
from transformers import pipeline

# The code is in files beside the weights; after `import hf_lstm` the installed package is used instead.
classify = pipeline("text-classification", model="{{ location }}", trust_remote_code=True)
print(classify({{ example }}))
```

A text of any length is read whole, and its scores do not depend on what it is batched with or how it is padded.
{%- if figures %}

## Figures

{{ figures }}

Measured at full length in single precision on the saved weights. {{ baseline_note }}

{{ cost }}
{%- if failures %}

## Known failures

{{ failures }}
{%- endif %}

## Data

{{ data }}

## Training

{{ training }}
{%- if tried %}

### What was tried

{{ tried }}
{%- endif %}

![Learning curve](learning_curve.png)

![{{ predictions_title }}](predictions.png)
{%- endif %}

## Intended use

{{ use }}

## Limits

{{ limits }}
"""


def metrics_table(columns: dict[str, dict[str, float]]) -> str:
    """
    A Markdown table of figures.

    Args:
        columns: Figures by name, for each column's heading; the pair `NAME_interval` belongs to `NAME`.

    Returns:
        One row for each figure that any column has, under the figures' full names, and one for its interval.
    """
    names = [name for name in _NAMES if any(name in figures for figures in columns.values())]
    rows = [["", *columns]]
    for name in names:
        rows.append([_NAMES[name], *(f"{row[name]:.4f}" if name in row else "" for row in columns.values())])
        if any(f"{name}_interval" in figures for figures in columns.values()):
            intervals = [row.get(f"{name}_interval") for row in columns.values()]
            rows.append(["95 % interval", *("{:.4f} to {:.4f}".format(*pair) if pair else "" for pair in intervals)])
    return markdown_table(rows)


def save_metrics(metrics: dict[str, Any], folder: str | Path) -> None:
    """Writes `metrics.json`, the record that the card is made from."""
    (Path(folder) / METRICS_FILE).write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def build_card(config, location: str, metrics: dict[str, Any] | None = None, example: str = "A text.") -> ModelCard:
    """
    Makes the model card.

    Args:
        config: The model's.
        location: Folder or Hub id that the usage snippet opens.
        metrics: What `scripts/train.py` records: `name`, `dataset`, `language`, `license`, `notes`, `splits`, `figures`
            (by split, then by model), `training`, `machine`, `bytes` and `texts_per_second`; where there are, also
            `failures` (`on`, `accuracy` and `examples`), `steps` (`command`, `seconds` and `machine` of each) with the
            command that takes them all, `reproduce`, and `tried` (rows of a table, the heading first). Without it the
            card has no figures.
        example: A text for the usage snippet.

    Returns:
        A card with `model-index`, to save as the folder's `README.md`.
    """
    title = metrics["name"] if metrics else Path(location).name
    direction = "bidirectional" if config.bidirectional else "backward-reading" if config.reverse else "one-direction"
    described = {
        "title": title,
        "location": location,
        "example": json.dumps(example, ensure_ascii=False),
        "summary": (
            f"A {direction} {config.cell_type.upper()} text classifier "
            f"({config.num_hidden_layers} × {config.hidden_size}, embeddings {config.embedding_size}, "
            f"{config.vocab_size:,} tokens, pooling {config.pooling}), trained with hf_lstm."
        ),
        "use": _intended_use(config),
        "limits": "\n".join(f"- {limit}" for limit in _limits(config, metrics)),
    }
    data = {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["hf_lstm", config.cell_type, "text-classification"],
        "model_name": title,
    }
    if metrics:
        described |= _measured_sections(config, metrics)
        data |= _measured_metadata(metrics)
    return ModelCard.from_template(ModelCardData(**data), template_str=_TEMPLATE, **described)


def _final_split(metrics: dict[str, Any]) -> str:
    return "test" if "test" in metrics["figures"] else "validation"


def _measured_metadata(metrics: dict[str, Any]) -> dict[str, Any]:
    """Metadata of the card that are known of a recorded training, in the Hub's terms."""
    split = _final_split(metrics)
    # A path says nothing to others, and may say too much.
    dataset = metrics["dataset"] if metrics["dataset_on_hub"] else Path(metrics["dataset"]).stem
    own = {name: value for name, value in metrics["figures"][split]["model"].items() if name in _NAMES}
    return {
        "language": metrics["language"],
        "license": metrics["license"],
        "datasets": [dataset] if metrics["dataset_on_hub"] else None,
        "metrics": sorted(own),
        "eval_results": [
            EvalResult(
                task_type="text-classification",
                dataset_type=dataset,
                dataset_name=dataset,
                dataset_split=split,
                metric_type=metric,
                metric_name=_NAMES.get(metric, metric),
                metric_value=round(value, 6),
            )
            for metric, value in own.items()
        ],
    }


def _measured_sections(config, metrics: dict[str, Any]) -> dict[str, str]:
    """Figures, data and training of a recorded training, as the card's sections."""
    split, training = _final_split(metrics), metrics["training"]
    columns = {f"this model, {part}": figures["model"] for part, figures in metrics["figures"].items()}
    baseline = metrics["figures"][split].get("baseline")
    if baseline:
        columns[f"TF-IDF + linear model, {split}"] = baseline
    single = config.problem_type == "single_label_classification"
    return {
        "figures": metrics_table(columns),
        "baseline_note": "The linear model learned from the labelled training texts alone." if baseline else "",
        "data": "\n".join(f"- {note}" for note in metrics["notes"]),
        "training": "\n".join(
            [
                f"- Command: `{training['command']}`",
                f"- {training['parameters']:,} parameters; epochs: {training['epochs']:g}, in "
                f"{training['seconds']:,.0f} s, {training['precision']}, seed {training['seed']}; best checkpoint by "
                f"validation {training['metric']}",
                f"- Machine: {metrics['machine']}",
                *_steps(metrics),
            ]
        ),
        "cost": (
            f"{metrics['bytes'] / 1e6:.1f} MB in all; it scores {metrics['texts_per_second']:,.0f} texts of the "
            f"{split} split a second on the machine below, tokenizing included."
        ),
        "failures": _failures(metrics["failures"]) if "failures" in metrics else None,
        "tried": markdown_table(metrics["tried"]) if "tried" in metrics else None,
        "predictions_title": "Confusion matrix" if single else "Predictions",
    }


def _steps(metrics: dict[str, Any]) -> list[str]:
    """Where a model was trained in several steps: the one command for all, and each step with its time."""
    if "steps" not in metrics:
        return []
    lines = [f"- All its steps, from the corpus on: `{metrics['reproduce']}`", ""]
    for number, step in enumerate(metrics["steps"], 1):
        known = step["seconds"] is not None
        took = f"{step['seconds']:,.0f} s, {step['machine'].partition(';')[0]}" if known else "its time was not kept"
        lines.append(f"{number}. `{step['command']}` ({took})")
    return lines


def _failures(failures: dict[str, Any]) -> str:
    """Examples of what it gets wrong, the surest first."""
    rows = [["text", "it says", "score", "right"]]
    for example in failures["examples"]:
        rows.append(
            [example["text"].replace("|", "\\|"), example["predicted"], f"{example['score']:.2f}", example["label"]]
        )
    return (
        f"On {failures['on']} it is right in {failures['accuracy']:.1%}. Where it is the surest and wrong:\n\n"
        f"{markdown_table(rows)}"
    )


def _intended_use(config) -> str:
    """What the model is for."""
    if config.problem_type == "regression":
        return "To give texts of the kind above a score, in large numbers or where a small model has to do."
    ways = " It can also read a text while it arrives (`scripts/stream.py`)." if config.reads_forward else ""
    return (
        f"To sort texts of the kind above by {', '.join(list(config.label2id)[:8])}, in large numbers or where a small "
        f"model has to do, and as a start for other labels on like texts (`scripts/train.py --pretrained`).{ways}"
    )


def _limits(config, metrics: dict[str, Any] | None) -> list[str]:
    """What a user of the model should not expect of it."""
    limits = []
    if metrics:
        limits.append(
            f"It knows the words and the kind of text of its {metrics['splits']['train']:,} training rows only; on "
            "other texts, other languages or other subjects the figures above say nothing. Measure it on yours."
        )
    else:
        limits.append("Nothing was recorded of its training, and nothing measured. Measure it on your own texts.")
    if config.problem_type != "regression":
        limits.append("It answers with one of its labels for any text, also where none fits, and an empty one.")
        smoothed = f" (it was trained with label smoothing {config.label_smoothing:g})" * (config.label_smoothing > 0)
        error = metrics and metrics["figures"][_final_split(metrics)]["model"].get("calibration_error")
        limits.append(
            f"Its scores are as the training left them{smoothed}: on the {_final_split(metrics)} split, the "
            f"probability of the label it names differs from how often that is right by {error:.3f} on average; on "
            "other texts this is not known."
            if error is not None
            else f"Its scores rank; as probabilities they were not calibrated{smoothed}."
        )
    limits.append("Whatever bias towards names, groups or subjects its training texts have, it has too.")
    if not config.reads_forward:
        limits.append("It reads from the end, so it needs the whole text: it cannot score a stream token by token.")
    return limits
