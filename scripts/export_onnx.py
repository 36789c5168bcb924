"""Export a classifier to ONNX, with a runner that needs no torch: `python scripts/export_onnx.py runs/imdb --int8`."""

import argparse
import sys
from pathlib import Path

sys.path.pop(0)  # this folder: its evaluate.py would hide the library `evaluate`

import numpy as np

from hf_lstm.cli.arguments import run
from hf_lstm.data.corpus import load_corpus
from hf_lstm.evaluation import choose_split
from hf_lstm.inference.loading import load_config, load_model_and_tokenizer
from hf_lstm.messages import markdown_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="folder or Hub id of a trained classifier")
    parser.add_argument("--output_dir", help="folder to write to; by default onnx in the model's folder")
    parser.add_argument("--int8", action="store_true", help="also write model_int8.onnx, with 8-bit weights")
    parser.add_argument("--streaming", action="store_true", help="take the state as inputs and give it as outputs")
    parser.add_argument("--dataset", help="labelled texts to compare on, as in evaluate.py; else the bundled reviews")
    parser.add_argument("--split", help="split of the dataset; by default test, or validation where there is no test")
    args = parser.parse_args()
    try:
        from hf_lstm.export.onnx_export import export_onnx
    except ImportError as error:
        parser.error(str(error))
    load_config(args.model)
    if args.output_dir is None and not Path(args.model).is_dir():
        parser.error(f"{args.model} is on the Hub: name an --output_dir")
    model, tokenizer = load_model_and_tokenizer(args.model)
    folder = Path(args.output_dir or Path(args.model) / "onnx")
    corpus = load_corpus(args.dataset)
    print(*corpus.notes, sep="\n")
    name, rows = choose_split(corpus, args.dataset, args.split, model.config if args.dataset else None)
    texts, labels = rows["text"][:], np.array(rows["labels"][:]) if args.dataset else None
    report = export_onnx(model, tokenizer, folder, texts, labels, args.streaming, args.int8)

    parity = report["parity"]
    print(
        f"Parity with torch: {parity['texts']} texts in {parity['batches']} batches of several sizes, lengths and "
        f"paddings differ by at most {parity['largest_difference']:.1e} in a logit."
    )
    print(f"{len(texts):,} texts of {args.dataset or 'the bundled corpus'}, {name}:")
    names = {
        "megabytes": ("MB", ".2f"),
        "documents_per_second": ("documents/s", ",.0f"),
        "largest_difference": ("largest difference of a logit", ".1e"),
        "label_agreement": ("same label", ".4f"),
    }
    figures = list(next(iter(report["models"].values())))
    cells = [["", *(names.get(figure, (figure, ""))[0] for figure in figures)]]
    for model_name, row in report["models"].items():
        cells.append([model_name, *(format(row[figure], names.get(figure, ("", ".4f"))[1]) for figure in figures)])
    print(markdown_table(cells))
    print(f'\nWritten to {folder}. Now try:\n  python {folder / "run_onnx.py"} "your text"')


if __name__ == "__main__":
    run(main)
