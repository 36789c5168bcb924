"""`hf-lstm reproduce`: train the published checkpoints, and the language-model teacher."""

import argparse
from collections.abc import Sequence
from shlex import quote

from ..recipes import CHECKPOINTS, CORPUS
from .parsing import HelpFormatter, command_parser

DESCRIPTION = """Train the checkpoints of model_cards/ again, from the corpus to the folder that is pushed.

  hf-lstm reproduce lstm-imdb-small
  hf-lstm reproduce lstm-imdb --dataset path/to/imdb

A step that is already trained, in runs/, is not trained again; an interrupted step is resumed.

Their teacher is a large language model, whose probabilities are in model_cards/lstm-imdb-lm. To train a teacher, which
takes ten minutes on one GPU, pack the corpus into one file on any machine. Train a language model and a classifier on a
machine with a GPU; torch, transformers, tokenizers, safetensors and numpy are enough there. Distil the probabilities
that it writes into the checkpoints on any machine:

  hf-lstm reproduce pack --dataset stanfordnlp/imdb --output corpus.npz
  hf-lstm reproduce lstm-imdb-lm --packed corpus.npz --minutes 9 --output_dir runs/lstm-imdb-lm
  hf-lstm reproduce distil --probabilities runs/lstm-imdb-lm/probabilities.npz --dataset stanfordnlp/imdb"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command and its subcommands."""
    parser = command_parser("reproduce", DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in CHECKPOINTS:
        command = commands.add_parser(name, help=f"train model_cards/{name} again", formatter_class=HelpFormatter)
        add_dataset(command)

    command = commands.add_parser(
        "pack", help="pack a corpus into one file of token ids", formatter_class=HelpFormatter
    )
    add_dataset(command)
    command.add_argument("--output", default="corpus.npz", help="file to write")
    command.add_argument("--vocab_size", type=int, help="maximum vocabulary size (default: 12,000)")

    command = commands.add_parser(
        "lstm-imdb-lm",
        help="train a language model, a classifier on it, and write its probabilities",
        description="Train a language model on a packed corpus and fine-tune a classifier on it. Do the same in the\n"
        "reverse direction if time is left. Write models, probabilities of every text and report.json,\n"
        "each as soon as it exists. A model that is too large for the time is reduced, which is reported.",
        formatter_class=HelpFormatter,
    )
    command.add_argument("--packed", required=True, help="file that `hf-lstm reproduce pack` wrote")
    command.add_argument("--minutes", type=float, default=9.0, help="time budget")
    command.add_argument("--output_dir", default="runs/lstm-imdb-lm", help="folder to write to")
    command.add_argument("--embedding_size", type=int, default=400, help="width of the embeddings")
    command.add_argument("--hidden_size", type=int, default=1152, help="units of a layer; multiples of 8 are fast")
    command.add_argument("--num_hidden_layers", type=int, default=3, help="number of layers")
    command.add_argument(
        "--precision", choices=("auto", "bf16", "fp16", "fp32"), default="auto", help="precision of the training"
    )
    command.add_argument("--seed", type=int, default=42, help="seed of weights, dropouts and orders")

    command = commands.add_parser(
        "distil", help="train the checkpoints with a teacher file and write them", formatter_class=HelpFormatter
    )
    command.add_argument(
        "--probabilities", required=True, help="probabilities.npz that `hf-lstm reproduce lstm-imdb-lm` wrote"
    )
    add_dataset(command)
    return parser


def add_dataset(command: argparse.ArgumentParser) -> None:
    """Add the option that names the corpus."""
    command.add_argument("--dataset", default=CORPUS, help="the corpus, or a copy of it on this machine")


def main(argv: Sequence[str]) -> None:
    """Run the command with the options `argv`."""
    args = build_parser().parse_args(argv)
    if args.command == "lstm-imdb-lm":
        train_teacher(args)
    else:
        run_with_datasets(args)


def train_teacher(args: argparse.Namespace) -> None:
    """Train a language model and a classifier. Nothing here may import `datasets`, `evaluate` or `accelerate`."""
    from ..language_model import ModelSize, RecipeSettings, run_recipe

    size = ModelSize(args.embedding_size, args.hidden_size, args.num_hidden_layers)
    settings = RecipeSettings(args.minutes, args.output_dir, size, args.precision, args.seed)
    results = run_recipe(args.packed, settings)
    test = results["test_accuracy"]
    print(
        f"Validation accuracy {results['validation_accuracy']:.4f}, "
        f"test accuracy {'not known' if test is None else f'{test:.4f}'}, {results['seconds']:.0f} s. "
        f"Saved to {args.output_dir}. Distil it into the checkpoints with:"
    )
    print(f"  hf-lstm reproduce distil --probabilities {quote(args.output_dir)}/probabilities.npz")


def run_with_datasets(args: argparse.Namespace) -> None:
    """Run a command that reads the original corpus."""
    from ..recipes import PACKED_VOCAB_SIZE, distil, pack_corpus, reproduce_checkpoint

    if args.command == "pack":
        corpus, notes = pack_corpus(args.dataset, args.vocab_size or PACKED_VOCAB_SIZE)
        print(*notes, sep="\n")
        print("Compressing the token ids, which takes minutes for a large corpus ...", flush=True)
        print(f"{args.output}: {corpus.write(args.output) / 1e6:.1f} MB")
    elif args.command == "distil":
        distil(args.probabilities, args.dataset)
    else:
        reproduce_checkpoint(args.command, args.dataset)
