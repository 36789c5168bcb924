"""`hf-lstm predict`: classify texts, lines, or the rows of one or many files."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from shlex import quote
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..inference import WINDOW, format_predictions, predict_file, windows
from ..messages import format_count
from .parsing import add_text_options, command_parser, given_texts

if TYPE_CHECKING:  # its module imports torch
    from ..inference import Scorer

DESCRIPTION = """Classify texts: arguments, lines of standard input, or the rows of files.

  hf-lstm predict --model runs/reviews "What a film."
  hf-lstm predict --model runs/reviews --input reviews.csv --output scored.parquet
  hf-lstm predict --model runs/reviews --input 'data/*.parquet' --output scored/ --ray

If no label reaches its threshold, `(no label)` is printed, and predicted_label is empty in a file.
A folder as --output gets one file for each input file. Files that are already there are not predicted again; it is an
error if another model predicted them."""

# Notes and errors of this many files are printed.
MAX_SHOWN = 20

# Printed in place of a label if none reaches its threshold, as in run_onnx.py.
NO_LABEL = "(no label)"

# Graph that each runner reads from the folder `onnx` of the model.
GRAPHS = {"onnx": "model.onnx", "int8": "model_int8.onnx"}


def main(argv: Sequence[str]) -> None:
    """
    Classify texts, and print or write the predictions.

    Args:
        argv: Options of the command.
    """
    args = parse(argv)
    if is_folder(args.output):
        classify_files(args)
        return
    score, config = load_model(args.model, args.runner)
    if args.input:
        notes: list[str] = []
        count, skipped = predict_file(
            score,
            config,
            args.input,
            args.output,
            args.text_column,
            separator=args.separator,
            encoding=args.encoding,
            notes=notes,
        )
        report(notes, count, skipped, args.output)
        return
    # Lines of a pipe are classified in windows, which is faster. On a terminal, each line is answered immediately.
    window = 1 if not args.texts and sys.stdin.isatty() else WINDOW
    for texts in windows(given_texts(args), window):
        predictions = format_predictions(score(texts), config)
        for text, prediction in zip(texts, predictions, strict=True):
            print(format_line(prediction, text), flush=window == 1)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the options of the command."""
    parser = command_parser("predict", DESCRIPTION)
    add_text_options(parser, "classify")
    parser.add_argument(
        "--output", help="csv, tsv, jsonl or parquet file for the rows with their predictions, or a folder (ends in /)"
    )
    parser.add_argument(
        "--runner",
        choices=("torch", *GRAPHS),
        default="torch",
        help="onnx and int8 use the files of `hf-lstm export`, and are faster on a CPU",
    )
    parser.add_argument("--ray", action="store_true", help="predict several files at a time, with Ray")
    parser.add_argument("--actors", type=int, help="processes of Ray with one thread each (default: one per core)")
    parser.add_argument("--ray_address", help="address of a Ray cluster, or `auto` (default: only this machine)")
    args = parser.parse_args(argv)
    if bool(args.input) != bool(args.output):
        parser.error("--input and --output require each other")
    if args.input and args.texts:
        parser.error("texts and --input exclude each other; enclose a pattern of files in quotes")
    if (args.actors is not None or args.ray_address) and not args.ray:
        parser.error("--actors and --ray_address require --ray")
    if args.actors is not None and args.actors < 1:
        parser.error(f"--actors must be at least 1, got {args.actors}")
    several = args.ray or (args.input and set(args.input) & set("*?[") and not Path(args.input).exists())
    if several and not is_folder(args.output):
        parser.error("several files and --ray require a folder that ends in / as --output")
    return args


def is_folder(path: str | None) -> bool:
    """Return whether a path is meant as a folder."""
    return bool(path) and (str(path).endswith("/") or Path(str(path)).is_dir())


def classify_files(args: argparse.Namespace) -> None:
    """Classify the rows of several files, and exit with an error if some of them could not be read."""
    from ..inference import RayActors, predict_files, run_here

    if args.runner != "torch":
        check_graph(args.model, args.runner)  # an error comes before other processes are started
    results, finished = predict_files(
        args.model,
        args.input,
        args.output,
        RayActors(args.actors, args.ray_address) if args.ray else run_here,
        load=partial(load_model, runner=args.runner),
        graph=None if args.runner == "torch" else f"onnx/{GRAPHS[args.runner]}",
        text_column=args.text_column,
        separator=args.separator,
        encoding=args.encoding,
    )
    if finished:
        print(f"{format_count(finished, 'file')} already in {args.output}: delete a file to repeat it", file=sys.stderr)
    good = [result for result in results if result.error is None]
    counts = sum(result.rows for result in good), sum(result.skipped for result in good)
    place = f"{format_count(len(good), 'file')} in {args.output}"
    report([note for result in good for note in result.notes], *counts, place)
    if errors := [result.error for result in results if result.error is not None]:
        more = [f"... and {len(errors) - MAX_SHOWN:,} more"] if len(errors) > MAX_SHOWN else []
        print(*errors[:MAX_SHOWN], *more, sep="\n", file=sys.stderr)
        sys.exit(f"error: {format_count(len(errors), 'file')} of {len(results):,} could not be predicted (see above).")


def report(notes: Sequence[str], count: int, skipped: int, place: str) -> None:
    """Print what was written."""
    more = [f"... and {format_count(len(notes) - MAX_SHOWN, 'more note')}"] if len(notes) > MAX_SHOWN else []
    for note in (*notes[:MAX_SHOWN], *more):
        print(note, file=sys.stderr)
    print(f"{count:,} rows written to {place}", file=sys.stderr)
    if skipped:
        print(f"{skipped:,} of them have no text and therefore no prediction", file=sys.stderr)


def load_model(source: str, runner: str) -> tuple["Scorer", Any]:
    """
    Load a model. For a graph, neither torch nor transformers is imported, which takes seconds.

    Args:
        source: Folder of the model, or a Hub id.
        runner: `torch` or a key of `GRAPHS`.

    Returns:
        The function that scores texts, and the label names, problem type and threshold of the model.

    Raises:
        ImportError: onnxruntime is missing.
        ValueError, OSError: The model, or the graph, cannot be used.
    """
    if runner == "torch":
        from ..inference import load_scorer

        return load_scorer(source)
    folder, exported = check_graph(source, runner)
    from ..export import OnnxClassifier  # needs the packages of an extra

    classifier = OnnxClassifier(folder, GRAPHS[runner])
    names = dict(enumerate(classifier.labels))
    config = SimpleNamespace(
        id2label=names, num_labels=len(names), problem_type=classifier.problem_type, threshold=exported["threshold"]
    )
    return classifier.predict_logits, config


def check_graph(source: str, runner: str) -> tuple[Path, dict[str, Any]]:
    """
    Find the exported graph of a model.

    Args:
        source: Folder of the model.
        runner: Key of `GRAPHS`.

    Returns:
        The folder of the graph, and its config.

    Raises:
        FileNotFoundError: The model was not exported.
        ValueError: The model has other labels or thresholds than the graph.
    """
    folder = Path(source).expanduser() / "onnx"
    export = f"hf-lstm export {quote(source)}" + " --int8" * (runner == "int8")
    if not (folder / GRAPHS[runner]).is_file():
        raise FileNotFoundError(f"There is no {folder / GRAPHS[runner]}, which `{export}` writes")
    saved, exported = (json.loads((path / "config.json").read_bytes()) for path in (folder.parent, folder))
    if any(saved.get(name, exported[name]) != exported[name] for name in ("id2label", "threshold")):
        raise ValueError(f"{folder} has other labels or thresholds than {source}; export it again: {export}")
    return folder, exported


def format_line(prediction: dict[str, Any], text: str) -> str:
    """
    Format a prediction as `label<TAB>score<TAB>text`.

    Args:
        prediction: Prediction with `score` and, except for regression, `label`. Several are joined by commas. Without
            a label that reaches its threshold, `NO_LABEL` is shown; a regression has an empty first part.
        text: The text, whose white space is reduced to single spaces.
    """
    label, score = prediction.get("label", ""), prediction["score"]
    scores = [score] if isinstance(score, float) else score
    if label in (None, []):
        label = NO_LABEL
    label = label if isinstance(label, str) else ",".join(label)
    shown = " ".join(text.split())
    return f"{label}\t{','.join(f'{value:.4f}' for value in scores)}\t{shown}".encode("utf-8", "replace").decode()
