"""`hf-lstm stream`: classify standard input while it arrives."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from ..early import describe_rule
from ..evaluation import plot_stream
from ..inference import StreamingClassifier, StreamResult, load_model_and_tokenizer, stored_stop_rule
from ..messages import format_count
from ..text import clean_text
from .parsing import command_parser

DESCRIPTION = """Classify standard input while it arrives. The classifier must read in one direction.

  some_program | hf-lstm stream --model runs/stream
  hf-lstm stream --model runs/stream --stop_when negative 0.9 5 < review.txt
  hf-lstm stream --model runs/stream --plot scores.png < review.txt"""

# Maximum number of bytes per read.
PIECE = 65_536
# Exit status after the stop rule has ended the stream.
STOPPED = 3


def main(argv: Sequence[str]) -> None:
    """
    Classify standard input. If the stop rule ends the stream, the process exits with status `STOPPED`.

    Args:
        argv: Options of the command.
    """
    parser = command_parser("stream", DESCRIPTION)
    parser.add_argument("--model", required=True, help="folder or Hub id of a classifier that reads in one direction")
    parser.add_argument(
        "--stop_when",
        nargs=3,
        metavar=("LABEL", "PROBABILITY", "TOKENS"),
        help=f"stop, with status {STOPPED}, when LABEL had at least this PROBABILITY for TOKENS consecutive tokens "
        "(default: the rule that was fitted in training, if any)",
    )
    parser.add_argument("--plot", help="PNG file: the probability of the predicted label after each token")
    args = parser.parse_args(argv)
    stream = StreamingClassifier(*load_model_and_tokenizer(args.model))
    if args.stop_when:
        stream = add_stop_rule(parser, stream, *args.stop_when)
    elif rule := stored_stop_rule(stream.model.config):
        stream = stream.stop_when(rule.label, rule.probability, rule.for_tokens)
        print(f"Stop rule of the model: {describe_rule(rule)}; --stop_when sets another", file=sys.stderr)
    if args.plot:
        check_plot(parser, stream, args.plot)
    results, text, length = read_stream(stream, each_token=bool(args.plot))
    if sys.stdout.isatty():
        print()
    if args.plot:
        plot_results(stream, results, text, args.plot)
    stopped_at = results[-1].stopped_at
    if stopped_at is not None and stream.stop_rule is not None:
        met = describe_rule(stream.stop_rule)
        print(f"stopped at character {stopped_at:,} of {length:,}: {met}", file=sys.stderr)
        sys.exit(STOPPED)


def add_stop_rule(
    parser: argparse.ArgumentParser, stream: StreamingClassifier, label: str, probability: str, tokens: str
) -> StreamingClassifier:
    """
    Add the stop rule of the command line. An invalid rule ends the process with status 2.

    Args:
        parser: Parser that reports errors.
        stream: Classifier without a stop rule.
        label: Label to watch.
        probability: Probability that the label must reach, as a decimal number.
        tokens: Number of consecutive tokens for which it must stay there.

    Returns:
        The classifier with the rule.
    """
    try:
        return stream.stop_when(label, float(probability), int(tokens))
    except ValueError as error:
        parser.error(f"--stop_when {label} {probability} {tokens}: {error}")


def check_plot(parser: argparse.ArgumentParser, stream: StreamingClassifier, path: str) -> None:
    """Check before the stream starts that a plot can be drawn and written, and create its folder."""
    if stream.model.config.problem_type == "regression":
        parser.error("--plot draws probabilities, but this model is a regression")
    if Path(path).suffix != ".png":
        parser.error(f"--plot requires a file that ends in .png, got {path}")
    Path(path).parent.mkdir(parents=True, exist_ok=True)


def read_stream(stream: StreamingClassifier, each_token: bool) -> tuple[list[StreamResult], bytes, int]:
    """
    Classify standard input until it ends or the stop rule applies, and print each new result.

    Args:
        stream: The classifier.
        each_token: Keep the scores after each token, and the text, for a plot.

    Returns:
        The results (only the last one unless `each_token` is set), the text (empty unless `each_token` is set), and
        the number of characters that were read.

    Raises:
        ValueError: Standard input is empty.
    """
    state, text, shown = stream.start(), b"", None
    results: list[StreamResult] = []
    problem_type = str(stream.model.config.problem_type)
    # `read1` returns the bytes that have arrived; `BinaryIO`, the declared type, lacks it.
    source = cast(io.BufferedReader, sys.stdin.buffer)
    while piece := source.read1(PIECE):
        result, state = stream.feed(state, piece, each_token=each_token)
        if not each_token:
            results.clear()  # a stream may have no end
        results.append(result)
        text += piece if each_token else b""
        if result.stopped_at is not None:  # the result may be that of later tokens of the piece
            return results, text, state.position
        shown = show(result, shown, problem_type)
    if not results:
        raise ValueError("Standard input is empty.")
    ((result, state),) = stream.feed_many([state], [""], each_token, ended=[True])
    show(result, shown, problem_type)
    return [*results, result], text, state.position


def plot_results(stream: StreamingClassifier, results: list[StreamResult], text: bytes, path: str) -> None:
    """
    Plot the probability of the label that was predicted last, after each token.

    Args:
        stream: The classifier.
        results: All results, with the scores after each token.
        text: The text, in UTF-8.
        path: PNG file to write.
    """
    label = max(results[-1].scores, key=lambda name: results[-1].scores[name])
    column = stream.labels.index(label)
    scores = np.concatenate([result.token_scores for result in results if result.token_scores is not None])[:, column]
    spans = [span for result in results for span in result.token_spans or []]
    plot_stream(clean_text(text.decode("utf-8", "replace")), spans, scores, label, path)


def show(result: StreamResult, shown: str | None, problem_type: str) -> str:
    """
    Print a result as one line, unless it is the line that is already shown.

    The line has the labels that reach their threshold, or `(no label)`; in a regression, it has all scores. On a
    terminal, the new line replaces the old one.

    Args:
        result: Result to print.
        shown: Line of the last result, or `None`.
        problem_type: That of the model.

    Returns:
        The line of the result.
    """
    labels = [result.label] if isinstance(result.label, str) else result.label or []
    if problem_type == "regression":
        labels = [*result.scores]
    verdict = "  ".join(f"{label} {result.scores[label]:.4f}" for label in labels) or "(no label)"
    line = f"{format_count(result.num_tokens, 'token')}  {verdict}"
    if line != shown and sys.stdout.isatty():
        print(f"\r\033[K{line}", end="", flush=True)
    elif line != shown:
        print(line, flush=True)
    return line
