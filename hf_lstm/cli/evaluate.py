"""`hf-lstm evaluate`: measure a classifier, or the average of several."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..early import (
    StopTarget,
    TokenScores,
    describe_rule,
    early_table,
    fit_and_store_rule,
    fit_stop_rule,
    has_label,
    measure_early,
    plot_early,
    read_token_scores,
    stop_target,
)
from ..evaluation import (
    LabelledSplit,
    chance_error,
    confidences,
    coverage_rows,
    evaluate_average,
    label_names,
    load_labelled,
    plot_calibration,
    plot_predictions,
    precision_table,
    threshold_rows,
)
from ..hub import metrics_table
from ..inference import (
    StopRule,
    StreamingClassifier,
    fastest_device,
    load_model_and_tokenizer,
    stored_stop_rule,
)
from ..messages import format_count, format_names, show_progress
from .parsing import add_dataset_options, command_parser, dataset_options

DESCRIPTION = """Measure a saved classifier, or the average of several, on labelled texts.

  hf-lstm evaluate --model runs/reviews --dataset reviews.csv
  hf-lstm evaluate --model runs/reviews runs/reviews-seed-1 --dataset reviews.csv --plot confusion.png
  hf-lstm evaluate --model runs/reviews --dataset reviews.csv --plot_calibration calibration.png
  hf-lstm evaluate --model runs/stream --dataset reviews.csv --split validation --stop_false_alarms negative=0.01
  hf-lstm evaluate --model runs/stream --dataset reviews.csv --early --plot_early early.png"""

# Rate of false alarms of a rule that is measured with `--early LABEL`.
EARLY_RATE = 0.01


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
    parser.add_argument(
        "--early", nargs="?", const="", help="decisions before the end, for a label (default: that of the stop rule)"
    )
    parser.add_argument("--plot_early", help="PNG file for these decisions")
    parser.add_argument("--stop_false_alarms", help="LABEL=0.01: fit a stop rule to these texts and store it")
    args = parser.parse_args(argv)
    for path in (args.plot, args.plot_calibration, args.plot_early):
        if path and Path(path).suffix != ".png":
            parser.error(f"plots are files that end in .png, got {path}")
    for path in (args.json, args.plot, args.plot_calibration, args.plot_early):
        if path:  # a folder that cannot be created is an error before hours of work
            Path(path).parent.mkdir(parents=True, exist_ok=True)
    classifiers = [load_model_and_tokenizer(model) for model in args.model]
    for model, _ in classifiers:
        model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    is_regression = classifiers[0][0].config.problem_type == "regression"
    if args.plot_calibration and is_regression:
        parser.error("--plot_calibration draws probabilities, but this model is a regression")
    check_early(parser, args, classifiers[0][0].config)
    is_early = args.early is not None or args.stop_false_alarms
    stream = StreamingClassifier(*classifiers[0]) if is_early else None
    split = load_labelled(args.dataset, classifiers[0][0].config, **dataset_options(args))
    if args.stop_false_alarms and split.name == "test":
        parser.error("--stop_false_alarms must not be fitted to the test split: add --split validation")
    name, rows, notes = split
    print(*notes, sep="\n")
    metrics, logits, config = evaluate_average(classifiers, rows, show_progress=show_progress())
    headings = args.model if len(args.model) == 1 else [*args.model, "average"]
    columns = dict(zip(headings, metrics, strict=False))  # the average of one model is that model
    print(f"{name}, {format_count(len(rows), 'text')}:\n{metrics_table(columns)}")
    labels = np.array(rows["labels"][:])
    if not is_regression:
        print_precision(logits, labels, config)
    written: dict[str, Any] = dict(metrics[0]) if len(args.model) == 1 else dict(columns)
    if stream is not None:
        written["early"] = report_early(args, stream, split)
    if args.json:
        Path(args.json).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    for plot, path in ((plot_predictions, args.plot), (plot_calibration, args.plot_calibration)):
        if path:
            plot(logits, labels, config, f"{headings[-1]}, {name}", path)


def check_early(parser: argparse.ArgumentParser, args: argparse.Namespace, config: Any) -> None:
    """
    Check the options on early decisions, before anything is read. An invalid one ends the process with status 2.

    Args:
        parser: Parser that reports errors.
        args: Options of the command.
        config: Config of the first model.
    """
    if args.plot_early and args.early is None:
        parser.error("--plot_early requires --early")
    if args.early is None and not args.stop_false_alarms:
        return
    if len(args.model) > 1 or config.problem_type == "regression":
        parser.error("--early and --stop_false_alarms need one model, which is not a regression")
    if args.early and args.early not in config.label2id:
        parser.error(f"--early {args.early}: the model has the labels {format_names(label_names(config))}")
    if args.early and args.stop_false_alarms:
        parser.error("--stop_false_alarms names the label, so that --early must not")
    if args.stop_false_alarms and not Path(args.model[0]).is_dir():
        parser.error("--stop_false_alarms stores the rule in the model, which must be a folder")
    stop_target(args.stop_false_alarms, label_names(config), str(config.problem_type))  # raises an error early


def report_early(args: argparse.Namespace, stream: StreamingClassifier, split: LabelledSplit) -> dict[str, Any]:
    """
    Fit a stop rule if wanted, and print and plot how early the classifier decides.

    Args:
        args: Options of the command.
        stream: The classifier.
        split: The labelled texts.

    Returns:
        The figures, see [`measure_early`], with the `stop_rule`.
    """
    labels = np.array(split.rows["labels"][:])
    rule, scores, note = choose_rule(args, stream, split.rows["text"][:], labels)
    print(f"\n{note}")
    measured = measure_early(scores, labels, stream.model.config, rule)
    if args.early is not None:
        print(early_table(measured["rows"]))
        if rule is not None:
            print(f"Alarms are shares of the texts that have, or at their end are predicted as, {rule.label!r}.")
    if rule is not None and "median_share_read" in measured:
        share = f"{measured['median_share_read']:.0%}"
        print(f"Median share of the text read before an alarm, if the text is predicted as {rule.label!r}: {share}.")
    if args.plot_early:
        plot_early(measured, rule, f"{args.model[0]}, {split.name}", args.plot_early)
    return {"stop_rule": None if rule is None else asdict(rule), **measured}


def choose_rule(
    args: argparse.Namespace, stream: StreamingClassifier, texts: Sequence[str], labels: np.ndarray
) -> tuple[StopRule | None, TokenScores, str]:
    """
    Return the stop rule to measure: one that is fitted and stored, that of the model, or one for `--early LABEL`.

    Args:
        args: Options of the command.
        stream: The classifier.
        texts: The texts.
        labels: Their labels.

    Returns:
        The rule, the scores of the texts, and a sentence on where the rule is from.
    """
    names, config = label_names(stream.model.config), stream.model.config
    target = stop_target(args.stop_false_alarms, names, str(config.problem_type))
    if target is not None:
        fitted, scores = fit_and_store_rule(args.model[0], stream, texts, labels, target, show_progress())
        stored = "" if fitted.rule is None else f" It is stored in {args.model[0]}."
        if stored and (Path(args.model[0]) / "onnx").is_dir():
            stored += " Export the model again: the files in its folder onnx have the rule of before."
        return fitted.rule, scores, fitted.note + stored
    rule = stored_stop_rule(config)
    label = args.early or (names[0] if rule is None else rule.label)
    scores = read_token_scores(stream, texts, label, show_progress())
    if rule is not None and rule.label == label:
        return rule, scores, f"Stop rule of the model: {describe_rule(rule)}."
    if not args.early:
        note = "The model has no stop rule: name a label, as in --early LABEL, or fit one with --stop_false_alarms."
        return None, scores, note
    fitted = fit_stop_rule(scores.watched, has_label(labels, label, config), StopTarget(label, EARLY_RATE))
    optimistic = " This rule is measured on the texts that it was fitted to, so that its figures are optimistic."
    return fitted.rule, scores, fitted.note + optimistic * (fitted.rule is not None)


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
