"""Export a classifier to ONNX: the same as `hf-lstm export`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("export")
