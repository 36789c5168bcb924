"""Measure a saved classifier: `python scripts/evaluate.py --model runs/imdb --dataset reviews.csv`."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.pop(0)  # this folder: its evaluate.py would hide the library `evaluate`

import numpy as np
from transformers import HfArgumentParser

from hf_lstm.cli import run
from hf_lstm.data import load_corpus, tokenize_corpus
from hf_lstm.evaluation import choose_split, evaluate_split
from hf_lstm.model_card import figure_table
from hf_lstm.plots import plot_predictions
from hf_lstm.prediction import load_classifier


@dataclass
class Arguments:
    model: str = field(metadata={"help": "Folder or Hub id of a trained classifier."})
    dataset: str | None = field(default=None, metadata={"help": "As in train.py; of a single file, all rows are used."})
    dataset_config: str | None = field(default=None, metadata={"help": "Configuration of a corpus that has several."})
    text_column: str | None = field(default=None, metadata={"help": "Text column."})
    label_column: str | None = field(default=None, metadata={"help": "Label column."})
    split: str | None = field(default=None, metadata={"help": "Default: test, or validation where there is no test."})
    json: str | None = field(default=None, metadata={"help": "File to write the figures to."})
    plot: str | None = field(default=None, metadata={"help": "PNG file for the confusion matrix."})


def main() -> None:
    args = HfArgumentParser(Arguments, description=__doc__).parse_args_into_dataclasses()[0]
    model, tokenizer = load_classifier(args.model)
    corpus = load_corpus(
        args.dataset,
        config_name=args.dataset_config,
        text_column=args.text_column,
        label_column=args.label_column,
    )
    print(*corpus.notes, sep="\n")
    if args.plot:
        Path(args.plot).parent.mkdir(parents=True, exist_ok=True)
    name, rows = choose_split(corpus, args.dataset, args.split, model.config)
    split = tokenize_corpus({name: rows}, tokenizer)[name]

    figures, logits = evaluate_split(model, split, show_progress=True)
    print(f"{args.model} on {name}, {len(split):,} texts:\n{figure_table({'figure': figures})}")
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=2) + "\n")
    if args.plot:
        labels = np.array(split["labels"][:])
        plot_predictions(logits, labels, model.config, f"{args.model}, {name}", args.plot)


if __name__ == "__main__":
    run(main)
