"""Train a tokenizer: the same as `hf-lstm tokenizer`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("tokenizer")
