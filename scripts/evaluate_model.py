"""Measure a classifier: the same as `hf-lstm evaluate`. The name `evaluate.py` would hide the library `evaluate`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("evaluate")
