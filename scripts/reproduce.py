"""Train the published checkpoints or their teacher again: the same as `hf-lstm reproduce`."""

import sys

sys.path.pop(0)  # this folder: its evaluate.py would hide the library `evaluate`

from hf_lstm.cli.reproduce import main

if __name__ == "__main__":
    main()
