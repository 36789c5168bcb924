"""Find likely label errors in labelled texts: the same as `hf-lstm audit`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("audit")
