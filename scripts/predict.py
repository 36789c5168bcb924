"""Classify texts: arguments, lines on standard input, or a csv / tsv / json / jsonl / parquet / txt file.

python scripts/predict.py --model runs/imdb "What a film."
python scripts/predict.py --model runs/imdb --input reviews.csv --output scored.parquet
"""

import argparse
import sys

from hf_lstm.cli.arguments import run
from hf_lstm.inference.files import WINDOW, predict_file, windows
from hf_lstm.inference.loading import fastest_device, load_model_and_tokenizer
from hf_lstm.inference.prediction import format_predictions, predict_texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", help="texts to classify; none reads lines from standard input")
    parser.add_argument("--model", required=True, help="folder or Hub id of a trained classifier")
    parser.add_argument("--input", help="file of texts")
    parser.add_argument("--output", help="csv, tsv, jsonl or parquet file: the rows with what was predicted added")
    parser.add_argument("--text_column", help="column of the input; by default the one with a usual name")
    args = parser.parse_args()
    if bool(args.input) != bool(args.output):
        parser.error("--input and --output go together")
    if args.input and args.texts:
        parser.error("give texts or --input, not both")

    model, tokenizer = load_model_and_tokenizer(args.model)
    model.to(fastest_device())
    if args.input:
        count, skipped = predict_file(model, tokenizer, args.input, args.output, args.text_column)
        print(f"{count:,} rows written to {args.output}", file=sys.stderr)
        if skipped:
            print(f"{skipped:,} of them have no text, and so no prediction", file=sys.stderr)
        return
    lines = args.texts or (line.rstrip("\r\n") for line in sys.stdin)
    # A pipe is answered in windows, a person line by line.
    window = 1 if not args.texts and sys.stdin.isatty() else WINDOW
    for texts in windows(lines, window):
        for text, prediction in zip(
            texts, format_predictions(predict_texts(model, tokenizer, texts), model.config), strict=True
        ):
            print(format_line(prediction, text), flush=window == 1)


def format_line(prediction: dict, text: str) -> str:
    """`label<TAB>score<TAB>text`; several labels are joined by commas."""
    label, score = prediction.get("label", ""), prediction["score"]
    scores = [score] if isinstance(score, float) else score
    label = label if isinstance(label, str) else ",".join(label)
    shown = " ".join(text.split())
    return f"{label}\t{','.join(f'{value:.4f}' for value in scores)}\t{shown}".encode("utf-8", "replace").decode()


if __name__ == "__main__":
    run(main)
