"""`hf-lstm pretrain`: train a language model or word vectors on texts without labels."""

from collections.abc import Sequence
from shlex import quote

from ..pretraining import PRETRAINING_GROUPS, run_pretraining
from .training_parser import TrainingParser, format_command

DESCRIPTION = "Train a language model, or word vectors, on texts without labels, for a classifier to start from."

# Options of `--help`, by section.
SECTIONS = {
    "data": (
        *("dataset", "dataset_config", "text_column", "validation_texts", "streaming", "packed"),
        *("block_size", "carry_state"),
    ),
    "model": (
        *("objective", "pretrained", "tokenizer", "vocab_size", "lowercase", "cell_type", "embedding_size"),
        *("hidden_size", "num_hidden_layers", "reverse", "embedding_dropout", "input_dropout", "hidden_dropout"),
        *("weight_dropout", "sampled_tokens"),
    ),
    "training": (
        *("num_train_epochs", "max_steps", "learning_rate", "per_device_train_batch_size", "average_decay"),
        *("bf16", "seed", "resume_from_checkpoint"),
    ),
    "output": ("output_dir",),
}


def main(argv: Sequence[str]) -> None:
    parser = TrainingParser(PRETRAINING_GROUPS, SECTIONS, "pretrain", DESCRIPTION)
    data_args, model_args, args = parser.parse(argv)
    command = format_command("pretrain", argv, args.hub_token)
    pretrained = run_pretraining(data_args.dataset, data_args, model_args, args, command)
    folder = quote(str(pretrained.folder))
    print(f"Train a classifier on it with:\n  hf-lstm train --pretrained {folder} --dataset labelled.csv")
