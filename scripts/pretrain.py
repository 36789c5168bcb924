"""Pretrain a language model or word vectors on texts without labels: the same as `hf-lstm pretrain`."""

from hf_lstm.cli import run_command

if __name__ == "__main__":
    run_command("pretrain")
