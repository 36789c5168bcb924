"""Classify what arrives on standard input while it arrives.

some_program | python scripts/stream.py --model runs/stream
python scripts/stream.py --model runs/stream --stop_when negative 0.9 5 < review.txt
python scripts/stream.py --model runs/stream --plot memory.png < review.txt
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from hf_lstm.cli.arguments import run
from hf_lstm.evaluation.plots import plot_stream
from hf_lstm.inference.loading import load_model_and_tokenizer
from hf_lstm.inference.stream_state import StreamResult
from hf_lstm.inference.streaming import StreamingClassifier
from hf_lstm.messages import format_count
from hf_lstm.text.boundaries import clean_text

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

    stream = StreamingClassifier(*load_model_and_tokenizer(args.model))
    if args.stop_when:
        label, probability, tokens = args.stop_when
        try:
            probability, tokens = float(probability), int(tokens)
        except ValueError:
            parser.error(f"--stop_when needs a label, a number and a whole number, got {' '.join(args.stop_when)}")
        stream = stream.stop_when(label, probability, tokens)
    if args.plot:
        if stream.model.config.problem_type == "regression":
            parser.error("--plot draws probabilities, and this model is a regression")
        if Path(args.plot).suffix != ".png":
            parser.error(f"--plot needs a file that ends in .png, got {args.plot}")
        Path(args.plot).parent.mkdir(parents=True, exist_ok=True)

    state, result, results, text, shown = stream.start(), None, [], b"", None
    while piece := sys.stdin.buffer.read1(PIECE):
        result, state = stream.feed(state, piece, each_token=bool(args.plot))
        shown = show(result, shown)
        if args.plot:
            results.append(result)
            text += piece
        if result.stopped_at is not None:
            break
    else:
        if result is None:
            raise ValueError("There was nothing on standard input.")
        result = stream.finish(state, each_token=bool(args.plot))
        results.append(result)
        show(result, shown)
    if sys.stdout.isatty():
        print()
    if args.plot:
        label = max(result.scores, key=result.scores.get)
        scores = np.concatenate([result.token_scores for result in results])[:, stream.model.config.label2id[label]]
        spans = [span for result in results for span in result.token_spans]
        plot_stream(clean_text(text.decode("utf-8", "replace")), spans, scores, label, args.plot)
    if result.stopped_at is not None:
        rule = stream.stop_rule
        print(
            f"stopped: {rule.label} had {rule.probability:g} for {format_count(rule.for_tokens, 'token')} at character "
            f"{result.stopped_at:,} of {state.position:,} read",
            file=sys.stderr,
        )
        sys.exit(3)


def show(result: StreamResult, shown: str | None) -> str:
    """Prints a line, if it is not the one shown: on a terminal over the last one, else below it."""
    labels = [result.label] if isinstance(result.label, str) else result.label
    verdict = "  ".join(f"{label} {result.scores[label]:.4f}" for label in labels or result.scores)
    line = f"{format_count(result.num_tokens, 'token')}  {verdict}"
    if line != shown and sys.stdout.isatty():
        print(f"\r\033[K{line}", end="", flush=True)
    elif line != shown:
        print(line, flush=True)
    return line


if __name__ == "__main__":
    run(main)
