"""`hf-lstm explain`: show which words lead to a prediction."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..data import stream_file
from ..explanation import Explanation, check_explanation_file, explain, measure_faithfulness, write_explanations
from ..inference import check_rows, fastest_device, load_model_and_tokenizer, windows
from ..messages import format_count
from .parsing import add_text_options, command_parser, given_texts

DESCRIPTION = """Show how much each word adds to a label: arguments, lines of standard input, or the texts of a file.

  hf-lstm explain --model runs/reviews "What a film."
  hf-lstm explain --model runs/reviews --input reviews.csv --output explanations.html
  hf-lstm explain --model runs/reviews --input reviews.csv --faithfulness"""

# Texts that are explained at a time, which bounds the memory.
WINDOW = 256


def main(argv: Sequence[str]) -> None:
    """
    Explain texts, and print or write the explanations.

    Args:
        argv: Options of the command.
    """
    parser = command_parser("explain", DESCRIPTION)
    add_text_options(parser, "explain")
    parser.add_argument("--label", help="label to explain (default: the predicted ones)")
    parser.add_argument("--output", help=".html, .json or .jsonl file to write (default: print)")
    parser.add_argument(
        "--faithfulness",
        action="store_true",
        help="measure how much more the most important words matter than random ones, and the speed",
    )
    args = parser.parse_args(argv)
    if args.input and args.texts:
        parser.error("texts and --input exclude each other")
    if args.output and args.faithfulness:
        parser.error("--output and --faithfulness exclude each other")
    if args.output:
        check_explanation_file(args.output)
        if args.input and Path(args.output).exists() and Path(args.output).samefile(args.input):
            parser.error(f"{args.output} is the input file; choose another output file")

    model, tokenizer = load_model_and_tokenizer(args.model)
    model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    texts = read_texts(args) if args.input else given_texts(args)
    # On a terminal, each line is explained immediately.
    window = 1 if not (args.texts or args.input) and sys.stdin.isatty() else WINDOW
    explanations = (one for part in windows(texts, window) for one in explain(model, tokenizer, part, args.label))
    if args.faithfulness:
        started = time.perf_counter()
        explained = list(explanations)
        speed = sum(len(one.words) for one in explained) / (time.perf_counter() - started)
        result = measure_faithfulness(model, tokenizer, explained)
        error = f" (standard error {result.standard_error:.4f})" if result.texts > 1 else ""
        print(
            f"{format_count(result.texts, 'explanation')}: area between the curves {result.area:.4f}{error}, "
            f"area below the curve of random words {result.random:.4f}, {speed:,.0f} words per second"
        )
    elif args.output:
        count = write_explanations(explanations, args.output)
        print(f"{format_count(count, 'explanation')} written to {args.output}", file=sys.stderr)
    else:
        print_explanations(explanations)


def read_texts(args: argparse.Namespace) -> Iterator[str]:
    """Yield the texts of a file one by one, and print how many rows have none."""
    notes: list[str] = []
    rows = stream_file(args.input, separator=args.separator, encoding=args.encoding, notes=notes)
    for note in notes:
        print(note, file=sys.stderr)
    # Every row is checked before the first text is explained.
    _, column, _, _ = check_rows(rows, args.text_column, args.input)
    skipped = 0
    for row in rows:
        text = None if column is None else row.get(column)
        if text is None:
            skipped += 1
        else:
            yield text
    if skipped:
        print(f"{format_count(skipped, 'row')} without a text skipped", file=sys.stderr)


def print_explanations(explanations: Iterator[Explanation]) -> None:
    """Print explanations, in colours on a terminal unless the variable NO_COLOR is set (https://no-color.org)."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for explanation in explanations:
        print(explanation.to_terminal(colours).encode("utf-8", "replace").decode(), flush=True)
