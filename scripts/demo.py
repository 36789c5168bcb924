"""Score texts on a web page: the same as `hf-lstm demo`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("demo")
