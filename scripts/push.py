"""Push a classifier to the Hub: the same as `hf-lstm push`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("push")
