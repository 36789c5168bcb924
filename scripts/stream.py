"""Classify standard input while it arrives: the same as `hf-lstm stream`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("stream")
