"""Measure a saved classifier, or the average of several.

python scripts/evaluate.py --model runs/imdb --dataset reviews.csv
python scripts/evaluate.py --model runs/imdb runs/imdb-seed-1 --dataset reviews.csv
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.pop(0)  # this folder: its evaluate.py would hide the library `evaluate`

import numpy as np
from transformers import HfArgumentParser

from hf_lstm.cli.arguments import HelpFormatter, run
from hf_lstm.data.corpus import load_corpus
from hf_lstm.evaluation import choose_split, evaluate_average
from hf_lstm.evaluation.plots import plot_predictions
from hf_lstm.hub.model_card import metrics_table
from hf_lstm.inference.loading import fastest_device, load_model_and_tokenizer


@dataclass
class Arguments:
    model: list[str] = field(metadata={"help": "Folder or Hub id of a trained classifier; of several, the average."})
    dataset: str | None = field(default=None, metadata={"help": "As in train.py; of a single file, all rows are used."})
    dataset_config: str | None = field(default=None, metadata={"help": "Configuration of a corpus that has several."})
    text_column: str | None = field(default=None, metadata={"help": "Text column."})
    label_column: str | None = field(default=None, metadata={"help": "Label column."})
    split: str | None = field(default=None, metadata={"help": "Default: test, or validation where there is no test."})
    json: str | None = field(default=None, metadata={"help": "File to write the figures to."})
    plot: str | None = field(default=None, metadata={"help": "PNG file for the confusion matrix."})


def main() -> None:
    parser = HfArgumentParser(Arguments, description=__doc__, formatter_class=HelpFormatter)
    args = parser.parse_args_into_dataclasses()[0]
    classifiers = [load_model_and_tokenizer(model) for model in args.model]
    for model, _ in classifiers:
        model.to(fastest_device())
    corpus = load_corpus(
        args.dataset,
        config_name=args.dataset_config,
        text_column=args.text_column,
        label_column=args.label_column,
    )
    print(*corpus.notes, sep="\n")
    if args.plot:
        Path(args.plot).parent.mkdir(parents=True, exist_ok=True)
    name, rows = choose_split(corpus, args.dataset, args.split, classifiers[0][0].config)
    figures, logits, config = evaluate_average(classifiers, rows, show_progress=True)
    headings = args.model if len(args.model) == 1 else [*args.model, "average"]
    columns = dict(zip(headings, figures, strict=False))  # the average of one is that one
    print(f"{name}, {len(rows):,} texts:\n{metrics_table(columns)}")
    if args.json:
        written = figures[0] if len(args.model) == 1 else columns
        Path(args.json).write_text(json.dumps(written, indent=2) + "\n")
    if args.plot:
        plot_predictions(logits, np.array(rows["labels"][:]), config, f"{headings[-1]}, {name}", args.plot)


if __name__ == "__main__":
    run(main)
