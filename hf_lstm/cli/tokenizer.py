"""`hf-lstm tokenizer`: train a tokenizer."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from ..data import TEXT_COLUMNS, find_column, read_source, stream_file
from ..messages import show_progress
from ..text import TokenizerKind, train_tokenizer
from .parsing import add_switch, command_parser

DESCRIPTION = """Train a tokenizer, for `hf-lstm train --tokenizer FOLDER` and for `AutoTokenizer.from_pretrained`.

  hf-lstm tokenizer --dataset reviews.csv --output_dir runs/tokenizer"""


def main(argv: Sequence[str]) -> None:
    """
    Train a tokenizer and save it.

    Args:
        argv: Options of the command.
    """
    parser = command_parser("tokenizer", DESCRIPTION)
    parser.add_argument("--dataset", required=True, help="Hub id, folder or file of texts; a file is read as a stream")
    parser.add_argument("--output_dir", required=True, help="folder to write to")
    parser.add_argument("--split", default="train", help="split to train on; do not use the split you evaluate on")
    parser.add_argument("--text_column", help="column with the texts (default: found by its name)")
    parser.add_argument("--kind", choices=get_args(TokenizerKind), default="word", help="kind of tokenizer")
    parser.add_argument("--vocab_size", type=int, default=30_000, help="maximum vocabulary size")
    add_switch(parser, "lowercase", default=True, help="lowercase all texts")
    args = parser.parse_args(argv)
    tokenizer = train_tokenizer(read_texts(args), args.kind, args.vocab_size, args.lowercase, show_progress())
    tokenizer.save_pretrained(args.output_dir)
    print(f"{len(tokenizer):,} tokens saved to {args.output_dir}")


def read_texts(args: argparse.Namespace) -> Iterator[str]:
    """
    Yield the texts to train on. Rows without a text are skipped.

    Args:
        args: Parsed options of the command.

    Raises:
        ValueError: There is no such split or column.
    """
    if Path(args.dataset).is_file():
        rows = stream_file(args.dataset)
    else:
        splits = read_source(args.dataset)
        if args.split not in splits:
            raise ValueError(f"{args.dataset} has no split {args.split!r}; its splits are {', '.join(splits)}.")
        rows = splits[args.split]
    column = None
    for row in rows:
        column = column or find_column(list(row), TEXT_COLUMNS, args.text_column, role="text", where=args.dataset)
        if row[column] is not None:
            yield row[column]
