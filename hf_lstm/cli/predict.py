"""`hf-lstm predict`: classify texts, lines or the rows of a file."""

import sys
from collections.abc import Sequence
from typing import Any

from ..inference import WINDOW, fastest_device, format_predictions, load_model_and_tokenizer, predict_texts, windows
from ..inference import predict_file as predict_rows
from .parsing import add_text_options, command_parser, given_texts

DESCRIPTION = """Classify texts: arguments, lines of standard input, or the rows of a file.

  hf-lstm predict --model runs/reviews "What a film."
  hf-lstm predict --model runs/reviews --input reviews.csv --output scored.parquet"""


def main(argv: Sequence[str]) -> None:
    """
    Classify texts, and print or write the predictions.

    Args:
        argv: Options of the command.
    """
    parser = command_parser("predict", DESCRIPTION)
    add_text_options(parser, "classify")
    parser.add_argument("--output", help="csv, tsv, jsonl or parquet file for the rows with their predictions")
    args = parser.parse_args(argv)
    if bool(args.input) != bool(args.output):
        parser.error("--input and --output require each other")
    if args.input and args.texts:
        parser.error("texts and --input exclude each other")

    model, tokenizer = load_model_and_tokenizer(args.model)
    model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    if args.input:
        notes: list[str] = []
        count, skipped = predict_rows(
            model,
            tokenizer,
            args.input,
            args.output,
            args.text_column,
            separator=args.separator,
            encoding=args.encoding,
            notes=notes,
        )
        for note in notes:
            print(note, file=sys.stderr)
        print(f"{count:,} rows written to {args.output}", file=sys.stderr)
        if skipped:
            print(f"{skipped:,} of them have no text and therefore no prediction", file=sys.stderr)
        return
    # Lines of a pipe are classified in windows, which is faster. On a terminal, each line is answered immediately.
    window = 1 if not args.texts and sys.stdin.isatty() else WINDOW
    for texts in windows(given_texts(args), window):
        predictions = format_predictions(predict_texts(model, tokenizer, texts), model.config)
        for text, prediction in zip(texts, predictions, strict=True):
            print(format_line(prediction, text), flush=window == 1)


def format_line(prediction: dict[str, Any], text: str) -> str:
    """
    Format a prediction as `label<TAB>score<TAB>text`.

    Args:
        prediction: Prediction with `score` and, except for regression, `label`. Several are joined by commas; a label
            of `None` is left empty.
        text: The text, whose white space is reduced to single spaces.
    """
    label, score = prediction.get("label") or "", prediction["score"]
    scores = [score] if isinstance(score, float) else score
    label = label if isinstance(label, str) else ",".join(label)
    shown = " ".join(text.split())
    return f"{label}\t{','.join(f'{value:.4f}' for value in scores)}\t{shown}".encode("utf-8", "replace").decode()
