"""Train the published checkpoints or their teacher again: the same as `hf-lstm reproduce`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("reproduce")
