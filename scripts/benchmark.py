"""Measure the speed of training, scoring, tokenizing and loading: `python scripts/benchmark.py --help`."""

from hf_lstm.cli.arguments import run
from hf_lstm.cli.benchmark import main

if __name__ == "__main__":
    run(main)
