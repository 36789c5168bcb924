"""`hf-lstm predict`: classify texts, lines or the rows of a file."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..inference import WINDOW, fastest_device, format_predictions, load_model_and_tokenizer, predict_texts, windows
from ..inference import predict_file as predict_rows
from .parsing import add_text_options, command_parser, given_texts

DESCRIPTION = """Classify texts: arguments, lines of standard input, or the rows of a file.

  hf-lstm predict --model runs/reviews "What a film."
  hf-lstm predict --model runs/reviews --input reviews.csv --output scored.parquet"""

# Graph that each runner reads from the folder `onnx` of the model.
GRAPHS = {"onnx": "model.onnx", "int8": "model_int8.onnx"}


def main(argv: Sequence[str]) -> None:
    """
    Classify texts, and print or write the predictions.

    Args:
        argv: Options of the command.
    """
    parser = command_parser("predict", DESCRIPTION)
    add_text_options(parser, "classify")
    parser.add_argument("--output", help="csv, tsv, jsonl or parquet file for the rows with their predictions")
    parser.add_argument(
        "--runner",
        choices=("torch", *GRAPHS),
        default="torch",
        help="onnx and int8 use the files of `hf-lstm export`, and are faster on a CPU",
    )
    args = parser.parse_args(argv)
    if bool(args.input) != bool(args.output):
        parser.error("--input and --output require each other")
    if args.input and args.texts:
        parser.error("texts and --input exclude each other")

    model, tokenizer = load_model_and_tokenizer(args.model)
    if args.runner == "torch":
        model.to(fastest_device())  # type: ignore[arg-type]  # transformers wraps `to` without its signature
        score: Callable[[list[str]], np.ndarray] = partial(predict_texts, model, tokenizer)
    else:
        score = onnx_scorer(args.model, args.runner, model.config)
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
            score=score,
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
        predictions = format_predictions(score(texts), model.config)
        for text, prediction in zip(texts, predictions, strict=True):
            print(format_line(prediction, text), flush=window == 1)


def onnx_scorer(source: str, runner: str, config: Any) -> Callable[[list[str]], np.ndarray]:
    """
    Load the exported graph of a model.

    Args:
        source: Folder of the model.
        runner: Key of `GRAPHS`.
        config: Config of the model, which must have the labels of the graph.

    Returns:
        A function that computes the logits `(texts, num_labels)` of texts.

    Raises:
        FileNotFoundError: The model was not exported.
        ValueError: The graph has other labels than the model.
        ImportError: onnxruntime is missing.
    """
    folder = Path(source).expanduser() / "onnx"
    export = f"hf-lstm export {source}" + " --int8" * (runner == "int8")
    if not (folder / GRAPHS[runner]).is_file():
        raise FileNotFoundError(f"There is no {folder / GRAPHS[runner]}, which `{export}` writes")
    from ..export import OnnxClassifier  # needs the packages of an extra

    classifier = OnnxClassifier(folder, GRAPHS[runner])
    if classifier.labels != [config.id2label[i] for i in range(config.num_labels)]:
        raise ValueError(f"{folder} has other labels than {source}; export it again: {export}")
    return classifier.predict_logits


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
