"""Classify what arrives on standard input while it arrives.

some_program | python scripts/stream.py --model runs/stream
python scripts/stream.py --model runs/stream --stop_when negative 0.9 5 < review.txt
python scripts/stream.py --model runs/stream --plot memory.png < review.txt
"""

import argparse
import sys

import numpy as np

from hf_lstm.cli import run
from hf_lstm.pieces import clean_text
from hf_lstm.plots import plot_stream
from hf_lstm.prediction import load_classifier
from hf_lstm.streaming import StreamingClassifier, StreamResult

PIECE = 65_536  # bytes; what has arrived is read at once, and this is the most at a time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder or Hub id of a classifier of one direction")
    parser.add_argument(
        "--stop_when",
        nargs=3,
        metavar=("LABEL", "PROBABILITY", "TOKENS"),
        help="end as soon as a label is that probable after so many tokens in a row, with status 3",
    )
    parser.add_argument("--plot", help="PNG file: the probability of the last verdict after each token, under the text")
    args = parser.parse_args()

    stream = StreamingClassifier(*load_classifier(args.model))
    if args.stop_when:
        label, probability, tokens = args.stop_when
        try:
            stream = stream.stop_when(label, float(probability), int(tokens))
        except ValueError as error:
            parser.error(f"--stop_when {' '.join(args.stop_when)}: {error}")

    if args.plot and stream.model.config.problem_type == "regression":
        parser.error("--plot draws probabilities, and this model is a regression")

    state, results, text = stream.start(), [], b""
    while piece := sys.stdin.buffer.read1(PIECE):
        result, state = stream.feed(state, piece, each_token=bool(args.plot))
        show(result)
        if args.plot:
            results.append(result)
            text += piece
        if result.stopped_at is not None:
            break
    else:
        result = stream.finish(state, each_token=bool(args.plot))
        results.append(result)
        show(result)
    if sys.stdout.isatty():
        print()
    if args.plot:
        label = max(result.scores, key=result.scores.get)
        scores = np.concatenate([result.token_scores for result in results])[:, stream.model.config.label2id[label]]
        spans = [span for result in results for span in result.token_spans]
        plot_stream(clean_text(text.decode("utf-8", "replace")), spans, scores, label, args.plot)
    if result.stopped_at is not None:
        print(f"stopped at character {result.stopped_at:,}", file=sys.stderr)
        sys.exit(3)


def show(result: StreamResult) -> None:
    """A line that is written over on a terminal, or one for each piece."""
    labels = [result.label] if isinstance(result.label, str) else result.label
    verdict = "  ".join(f"{label} {result.scores[label]:.4f}" for label in labels or result.scores)
    line = f"{result.num_tokens:,} tokens  {verdict}"
    print(f"\r\033[K{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)


if __name__ == "__main__":
    run(main)
