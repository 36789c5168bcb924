"""Show which words lead to a prediction: the same as `hf-lstm explain`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("explain")
