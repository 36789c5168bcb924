"""`python -m hf_lstm` is the same as `hf-lstm`."""

from .cli import main

main()
