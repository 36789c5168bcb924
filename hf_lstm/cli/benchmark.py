"""Measure the speed of training, scoring, tokenizing and loading, compared with the usual alternatives."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from ..benchmark import SUITES, Setting, format_table, instruction_sets
from ..data import load_corpus
from ..evaluation import describe_machine
from ..messages import format_count
from .parsing import command_parser

DESCRIPTION = """Measure the speed of training, scoring, tokenizing and loading, compared with the usual alternatives.

  hf-lstm benchmark                                                all suites, on the bundled reviews
  hf-lstm benchmark train limit --dataset stanfordnlp/imdb --json results.json

All contestants of a suite get the same texts and the same number of threads. They run in turns, and a result is the
median of the runs. Compare ratios rather than values: other load on the machine affects them less, as long as a core is
free for each thread. A ratio above 1 is better than the result that it is compared with.
"""


def main(argv: Sequence[str]) -> None:
    """Run the chosen suites and print their results."""
    args = parse(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    setting = load_setting(args)
    machine = f"{describe_machine()}; instruction sets {instruction_sets()}"
    print(f"{machine}; {len(setting.texts):,} texts of {args.dataset or 'the bundled reviews'}")
    if args.smallest:
        print("The sizes are tiny: the results show only that the suites run.")
    results = []
    for name in args.suites or SUITES:
        rows = SUITES[name](setting)
        description = (SUITES[name].__doc__ or "").strip().splitlines()[0]
        print(f"\n{name}: {description}\n{format_table(rows)}", flush=True)
        results += [{"suite": name, **asdict(row), "machine": machine} for row in rows]
        if args.json:  # after each suite, so that an interrupted benchmark keeps its results
            Path(args.json).write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the options of the command."""
    parser = command_parser("benchmark", DESCRIPTION)
    parser.add_argument("suites", nargs="*", help=f"suites to run, from {', '.join(SUITES)} (default: all)")
    parser.add_argument(
        "--dataset",
        help="Hub id, folder or file, of which the train split is used (default: the bundled reviews)",
    )
    parser.add_argument("--json", help="write the results to this JSON file")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="device to run on")
    threads = torch.get_num_threads()
    parser.add_argument("--threads", type=int, default=threads, help="threads (default: OMP_NUM_THREADS, or all cores)")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each contestant")
    parser.add_argument("--smallest", action="store_true", help="use tiny sizes, to check that the suites run")
    args = parser.parse_args(argv)
    if unknown := [name for name in args.suites if name not in SUITES]:
        parser.error(f"there is no suite {unknown[0]!r}; choose from {', '.join(SUITES)}")
    for name in ("threads", "repeats"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(args, name)}")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda requires a GPU that torch can use, and there is none")
    if args.json and not Path(args.json).parent.is_dir():
        parser.error(f"there is no folder {Path(args.json).parent} for --json")
    return args


def load_setting(args: argparse.Namespace) -> Setting:
    """Load a random sample of the training texts."""
    corpus = load_corpus(args.dataset)
    if corpus.problem_type != "single_label_classification" or len(corpus.label_names) != 2:
        raise ValueError(
            f"{args.dataset} has {format_count(len(corpus.label_names), 'label')} ({corpus.problem_type}), but the "
            "benchmark needs two classes with one per text. Choose another --dataset."
        )
    train = corpus.splits["train"]
    chosen = np.random.default_rng(0).permutation(len(train))[: 200 if args.smallest else 8_000]
    return Setting(train[chosen]["text"], train[chosen]["labels"], args.device, args.repeats, args.smallest)
