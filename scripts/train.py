"""Train a text classifier: the same as `hf-lstm train`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("train")
