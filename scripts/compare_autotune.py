"""Compare `--autotune` with fastText's autotune and with TF-IDF + LR, in the same time and on the same splits.

python scripts/compare_autotune.py --dataset labelled.csv --autotune 10m --output_dir runs/autotune

Everything is chosen on the validation split. fastText gets lower-case texts with separate punctuation, as in its
tutorial, all cores, and one threshold per label if a text can have several. Its loss stays softmax: with `ova`, it
ended in NaN on GoEmotions with two threads, and was less accurate with one.
"""

import argparse
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from hf_lstm import train_classifier
from hf_lstm.cli import one_line_errors
from hf_lstm.data import Corpus, load_corpus
from hf_lstm.evaluation import MAIN_METRIC, best_thresholds, compute_metrics
from hf_lstm.messages import markdown_table
from hf_lstm.training import fit_baseline
from hf_lstm.tuning.arguments import parse_duration

SPLITS = ("validation", "test")


def parse_args() -> argparse.Namespace:
    """Read the options."""
    description, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--dataset", required=True, help="labelled texts: Hub id, folder or file")
    parser.add_argument("--output_dir", required=True, help="folder for the classifier of `--autotune`")
    parser.add_argument("--label_column", help="column with the labels (default: found by its name)")
    parser.add_argument("--autotune", default="10m", help="time of each search (default: 10m)")
    return parser.parse_args()


def tokenize_line(text: str) -> str:
    """Return a text as the one line that fastText reads: lower-case words and punctuation marks."""
    return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))


def search_fasttext(corpus: Corpus, seconds: float, folder: Path) -> dict[str, float]:
    """
    Search for the best fastText model.

    Args:
        corpus: The labelled texts.
        seconds: Time of the search.
        folder: Folder for the files that fastText reads.

    Returns:
        The main metric of the problem type, by split.

    Raises:
        ImportError: fastText is not installed.
    """
    try:
        import fasttext
    except ImportError:
        raise ImportError('fastText is missing: pip install "hf_lstm[bench]"') from None
    is_multi_label = corpus.problem_type == "multi_label_classification"
    labels = {split: np.array(corpus.splits[split]["labels"][:]) for split in ("train", *SPLITS)}
    lines = {split: [tokenize_line(text) for text in corpus.splits[split]["text"][:]] for split in labels}
    for split in ("train", "validation"):
        with open(folder / split, "w", encoding="utf-8") as file:
            for line, target in zip(lines[split], labels[split], strict=True):
                ids = np.flatnonzero(target) if is_multi_label else [target]
                print(*(f"__label__{label}" for label in ids), line, file=file)
    model = fasttext.train_supervised(
        str(folder / "train"),
        autotuneValidationFile=str(folder / "validation"),
        autotuneDuration=round(seconds),
        thread=torch.get_num_threads(),
        verbose=0,
    )
    scores = {split: np.zeros((len(lines[split]), len(corpus.label_names))) for split in SPLITS}
    for split in SPLITS:
        for row, (names, values) in enumerate(zip(*model.predict(lines[split], k=-1), strict=True)):
            scores[split][row, [int(name.removeprefix("__label__")) for name in names]] = values
    thresholds = best_thresholds(scores["validation"], labels["validation"]) if is_multi_label else 0.5
    metric = MAIN_METRIC[corpus.problem_type]
    return {
        split: compute_metrics(corpus.problem_type, scores[split], labels[split], thresholds)[metric]
        for split in SPLITS
    }


def main() -> None:
    """Run both searches, one after the other, and print a table."""
    args = parse_args()
    corpus = load_corpus(args.dataset, label_column=args.label_column)
    metric = MAIN_METRIC[corpus.problem_type]
    with TemporaryDirectory() as folder:
        results = {"fastText": search_fasttext(corpus, parse_duration(args.autotune), Path(folder))}
    results["TF-IDF + LR"] = {split: (fit_baseline(corpus, split) or {})[metric] for split in SPLITS}
    classifier = train_classifier(
        args.dataset, label_column=args.label_column, autotune=args.autotune, output_dir=args.output_dir
    )
    results["hf_lstm"] = {split: classifier.metrics[split][metric] for split in SPLITS}
    rows = [[name, *(f"{values[split]:.4f}" for split in SPLITS)] for name, values in results.items()]
    print(markdown_table([[metric, *SPLITS], *rows]))


if __name__ == "__main__":
    with one_line_errors():
        main()
