"""`hf-lstm export`: export a classifier to ONNX."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from ..data import read_source
from ..evaluation import load_labelled
from ..inference import load_config, load_model_and_tokenizer
from ..messages import markdown_table
from .parsing import add_dataset_options, command_parser, dataset_options

DESCRIPTION = """Export a classifier to ONNX, with a runner that needs no torch, and compare it with the model.

  hf-lstm export runs/reviews --int8 --dataset reviews.csv"""

# Heading and number format of each column of the report.
COLUMNS = {
    "megabytes": ("MB", ".2f"),
    "documents_per_second": ("documents/s", ",.0f"),
    "largest_difference": ("largest difference of a logit", ".1e"),
    "label_agreement": ("same label", ".4f"),
}


def main(argv: Sequence[str]) -> None:
    """
    Export a classifier to ONNX, and print its size, its speed and its difference from the model.

    Args:
        argv: Options of the command.
    """
    parser = command_parser("export", DESCRIPTION)
    parser.add_argument("model", help="folder or Hub id of a trained classifier")
    parser.add_argument("--output_dir", help="folder to write to (default: onnx in the folder of the model)")
    parser.add_argument("--int8", action="store_true", help="also write model_int8.onnx, with 8-bit weights")
    parser.add_argument(
        "--stateful", action="store_true", help="export the state as inputs and outputs, so that texts can be streamed"
    )
    add_dataset_options(parser, "texts to compare on (default: the bundled reviews, without labels)")
    args = parser.parse_args(argv)
    from ..export import export_onnx  # needs the packages of an extra

    load_config(args.model)
    if args.output_dir is None and not Path(args.model).is_dir():
        parser.error(f"{args.model} is on the Hub: choose an --output_dir")
    model, tokenizer = load_model_and_tokenizer(args.model)
    folder = Path(args.output_dir or Path(args.model) / "onnx")
    if args.dataset:
        name, rows, notes = load_labelled(args.dataset, model.config, **dataset_options(args))
        print(*notes, sep="\n")
        texts, labels = rows["text"][:], np.array(rows["labels"][:])
    else:
        name, labels = args.split or "test", None
        reviews = read_source(None)
        if name not in reviews:
            parser.error(f"the bundled reviews have no split {name!r}; choose one of: {', '.join(reviews)}")
        texts = reviews[name]["text"][:]
    report = export_onnx(model, tokenizer, folder, texts, labels, stateful=args.stateful, int8=args.int8)
    parity = report["parity"]
    print(
        f"Parity with torch: in {parity['batches']} batches of {parity['texts']} texts with several sizes, lengths and "
        f"paddings, logits differ by at most {parity['largest_difference']:.1e}."
    )
    print(f"{len(texts):,} texts of {args.dataset or 'the bundled reviews'}, {name}:")
    print(report_table(report["models"]))
    print(f'\nWritten to {folder}. Classify texts with:\n  python {quote(str(folder / "run_onnx.py"))} "your text"')


def report_table(models: dict[str, dict[str, Any]]) -> str:
    """
    Format measurements as a table with one row per model.

    Args:
        models: Measurements by model and by name; `COLUMNS` has their headings and formats.

    Returns:
        A Markdown table.
    """
    names = list(next(iter(models.values())))
    rows = [["", *(COLUMNS.get(name, (name, ""))[0] for name in names)]]
    for model, row in models.items():
        rows.append([model, *(format(row[name], COLUMNS.get(name, ("", ".4f"))[1]) for name in names)])
    return markdown_table(rows)
