"""Measure the speed of training and inference: the same as `hf-lstm benchmark`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("benchmark")
