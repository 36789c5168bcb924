"""Classify texts: the same as `hf-lstm predict`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("predict")
