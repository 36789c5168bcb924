"""`hf-lstm evaluate`: measure a classifier, or the average of several."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..evaluation import (
    chance_error,
    confidences,
    coverage_rows,
    evaluate_average,
    load_labelled,
    plot_calibration,
    plot_predictions,
    precision_table,
    threshold_rows,
)
from ..hub import metrics_table
from ..inference import fastest_device, load_model_and_tokenizer
from ..messages import format_count, show_progress
from .parsing import add_dataset_options, command_parser, dataset_options

DESCRIPTION = """Measure a saved classifier, or the average of several, on labelled texts.

  hf-lstm evaluate --model runs/reviews --dataset reviews.csv
  hf-lstm evaluate --model runs/reviews runs/reviews-seed-1 --dataset reviews.csv --plot confusion.png
  hf-lstm evaluate --model runs/reviews --dataset reviews.csv --plot_calibration calibration.png"""


def main(argv: Sequence[str]) -> None:
    """
    Evaluate classifiers, and print the metrics of each one and of their average.

    Args:
        argv: Options of the command.
    """
    parser = command_parser("evaluate", DESCRIPTION)
    parser.add_argument(
        "--model", nargs="+", required=True, help="folders or Hub ids of classifiers; several are averaged"
    )
    add_dataset_options(parser, "texts to evaluate on (default: the bundled reviews)")
    parser.add_argument("--json", help="file to write the metrics to")
    parser.add_argument("--plot", help="PNG file for the confusion matrix")
    parser.add_argument("--plot_calibration", help="PNG file for reliability, and precision against coverage")
    args = parser.parse_args(argv)
    for path in (args.plot, args.plot_calibration):
        if path and Path(path).suffix != ".png":
            parser.error(f"plots are files that end in .png, got {path}")
    classifiers = [load_model_and_tokenizer(model) for model in args.model]
    for model, _ in classifiers:
        model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    is_regression = classifiers[0][0].config.problem_type == "regression"
    if args.plot_calibration and is_regression:
        parser.error("--plot_calibration draws probabilities, but this model is a regression")
    name, rows, notes = load_labelled(args.dataset, classifiers[0][0].config, **dataset_options(args))
    print(*notes, sep="\n")
    metrics, logits, config = evaluate_average(classifiers, rows, show_progress=show_progress())
    headings = args.model if len(args.model) == 1 else [*args.model, "average"]
    columns = dict(zip(headings, metrics, strict=False))  # the average of one model is that model
    print(f"{name}, {format_count(len(rows), 'text')}:\n{metrics_table(columns)}")
    labels = np.array(rows["labels"][:])
    if not is_regression:
        print_precision(logits, labels, config)
    if args.json:
        written = metrics[0] if len(args.model) == 1 else columns
        Path(args.json).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    for plot, path in ((plot_predictions, args.plot), (plot_calibration, args.plot_calibration)):
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            plot(logits, labels, config, f"{headings[-1]}, {name}", path)


def print_precision(logits: np.ndarray, labels: np.ndarray, config) -> None:
    """
    Print how far the scores can be trusted: precision by coverage, and by label if the model has thresholds.

    Args:
        logits: Logits `(texts, num_labels)`.
        labels: Class ids `(texts,)`; multi-label: 0/1 indicators `(texts, num_labels)`.
        config: Config of the model.
    """
    confidence, _ = confidences(logits, labels, config.problem_type)
    chance = chance_error(confidence)
    print(f"\nPerfectly calibrated scores would have a calibration error of {chance:.4f} on as many texts, by chance.")
    print(f"\nIf only the most confident texts get a label:\n{precision_table(coverage_rows(logits, labels, config))}")
    if by_label := threshold_rows(logits, labels, config):
        print(f"\nAt the thresholds of the model:\n{precision_table(by_label)}")
