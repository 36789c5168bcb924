"""`hf-lstm stream`: classify standard input while it arrives."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..evaluation import plot_stream
from ..inference import StreamingClassifier, StreamResult, load_model_and_tokenizer
from ..messages import format_count
from ..text import clean_text
from .parsing import command_parser

DESCRIPTION = """Classify standard input while it arrives. The classifier must read in one direction.

  some_program | hf-lstm stream --model runs/stream
  hf-lstm stream --model runs/stream --stop_when negative 0.9 5 < review.txt
  hf-lstm stream --model runs/stream --plot scores.png < review.txt"""

# Bytes that are read at a time, at most.
PIECE = 65_536
# Status of a process that the stop rule has ended.
STOPPED = 3


def main(argv: Sequence[str]) -> None:
    parser = command_parser("stream", DESCRIPTION)
    parser.add_argument("--model", required=True, help="folder or Hub id of a classifier that reads in one direction")
    parser.add_argument(
        "--stop_when",
        nargs=3,
        metavar=("LABEL", "PROBABILITY", "TOKENS"),
        help=f"stop, with status {STOPPED}, after TOKENS tokens in a row at which LABEL has this PROBABILITY",
    )
    parser.add_argument("--plot", help="PNG file: the probability of the predicted label after each token")
    args = parser.parse_args(argv)
    stream = StreamingClassifier(*load_model_and_tokenizer(args.model))
    if args.stop_when:
        stream = add_stop_rule(parser, stream, *args.stop_when)
    if args.plot:
        check_plot(parser, stream, args.plot)
    results, text, position = read_stream(stream, each_token=bool(args.plot))
    if sys.stdout.isatty():
        print()
    if args.plot:
        plot_results(stream, results, text, args.plot)
    stopped_at = results[-1].stopped_at
    if stopped_at is not None and stream.stop_rule is not None:
        rule = stream.stop_rule
        print(
            f"stopped at character {stopped_at:,} of {position:,}: {rule.label} had a probability of "
            f"{rule.probability:g} or more for {format_count(rule.for_tokens, 'token')}",
            file=sys.stderr,
        )
        sys.exit(STOPPED)


def add_stop_rule(
    parser: argparse.ArgumentParser, stream: StreamingClassifier, label: str, probability: str, tokens: str
) -> StreamingClassifier:
    try:
        return stream.stop_when(label, float(probability), int(tokens))
    except ValueError as error:
        parser.error(f"--stop_when {label} {probability} {tokens}: {error}")


def check_plot(parser: argparse.ArgumentParser, stream: StreamingClassifier, path: str) -> None:
    if stream.model.config.problem_type == "regression":
        parser.error("--plot draws probabilities, but this model is a regression")
    if Path(path).suffix != ".png":
        parser.error(f"--plot requires a file that ends in .png, got {path}")
    Path(path).parent.mkdir(parents=True, exist_ok=True)


def read_stream(stream: StreamingClassifier, each_token: bool) -> tuple[list[StreamResult], bytes, int]:
    """Read standard input to its end or to the stop; return all results, the text, and the characters read."""
    state, results, text, shown = stream.start(), [], b"", None
    while piece := sys.stdin.buffer.read1(PIECE):
        result, state = stream.feed(state, piece, each_token=each_token)
        shown = show(result, shown)
        results.append(result)
        text += piece if each_token else b""
        if result.stopped_at is not None:
            return results, text, state.position
    if not results:
        raise ValueError("Standard input is empty.")
    result = stream.finish(state, each_token=each_token)
    show(result, shown)
    return [*results, result], text, state.position


def plot_results(stream: StreamingClassifier, results: list[StreamResult], text: bytes, path: str) -> None:
    """Plot the probability of the label that was predicted last."""
    label = max(results[-1].scores, key=lambda name: results[-1].scores[name])
    column = stream.model.config.label2id[label]
    scores = np.concatenate([result.token_scores for result in results if result.token_scores is not None])[:, column]
    spans = [span for result in results for span in result.token_spans or []]
    plot_stream(clean_text(text.decode("utf-8", "replace")), spans, scores, label, path)


def show(result: StreamResult, shown: str | None) -> str:
    """Print a result that differs from the line shown: on a terminal in its place, elsewhere below it."""
    labels = [result.label] if isinstance(result.label, str) else result.label
    verdict = "  ".join(f"{label} {result.scores[label]:.4f}" for label in labels or result.scores)
    line = f"{format_count(result.num_tokens, 'token')}  {verdict}"
    if line != shown and sys.stdout.isatty():
        print(f"\r\033[K{line}", end="", flush=True)
    elif line != shown:
        print(line, flush=True)
    return line
