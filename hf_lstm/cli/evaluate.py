"""`hf-lstm evaluate`: measure a classifier, or the average of several."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..evaluation import evaluate_average, load_labelled, plot_predictions
from ..hub import metrics_table
from ..inference import fastest_device, load_model_and_tokenizer
from ..messages import format_count, show_progress
from .parsing import add_dataset_options, command_parser, dataset_options

DESCRIPTION = """Measure a saved classifier, or the average of several, on labelled texts.

  hf-lstm evaluate --model runs/reviews --dataset reviews.csv
  hf-lstm evaluate --model runs/reviews runs/reviews-seed-1 --dataset reviews.csv --plot confusion.png"""


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
    args = parser.parse_args(argv)
    classifiers = [load_model_and_tokenizer(model) for model in args.model]
    for model, _ in classifiers:
        model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    name, rows, notes = load_labelled(args.dataset, classifiers[0][0].config, **dataset_options(args))
    print(*notes, sep="\n")
    metrics, logits, config = evaluate_average(classifiers, rows, show_progress=show_progress())
    headings = args.model if len(args.model) == 1 else [*args.model, "average"]
    columns = dict(zip(headings, metrics, strict=False))  # the average of one model is that model
    print(f"{name}, {format_count(len(rows), 'text')}:\n{metrics_table(columns)}")
    if args.json:
        written = metrics[0] if len(args.model) == 1 else columns
        Path(args.json).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    if args.plot:
        Path(args.plot).parent.mkdir(parents=True, exist_ok=True)
        plot_predictions(logits, np.array(rows["labels"][:]), config, f"{headings[-1]}, {name}", args.plot)
