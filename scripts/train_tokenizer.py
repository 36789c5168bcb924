"""Train a tokenizer alone: `python scripts/train_tokenizer.py --dataset reviews.csv --output_dir runs/tokenizer`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from transformers import HfArgumentParser

from hf_lstm.cli.arguments import HelpFormatter, run
from hf_lstm.data.tables import TEXT_COLUMNS, find_column
from hf_lstm.data.files import stream_file
from hf_lstm.data.reading import read_source
from hf_lstm.text.tokenization import train_tokenizer


@dataclass
class Arguments:
    dataset: str = field(
        metadata={"help": "Hub id, folder, or csv / tsv / json / jsonl / parquet / txt file (streamed)."}
    )
    output_dir: str = field(metadata={"help": "Folder for the tokenizer; AutoTokenizer.from_pretrained opens it."})
    split: str = field(default="train", metadata={"help": "Split to learn from; never one to measure on."})
    text_column: str | None = field(default=None, metadata={"help": "Default: the column with a usual name."})
    kind: Literal["bpe", "wordpiece", "unigram", "word"] = field(
        default="word", metadata={"help": "Kind of tokenizer."}
    )
    vocab_size: int = field(default=30_000, metadata={"help": "Most tokens that the tokenizer may learn."})
    lowercase: bool = field(default=True, metadata={"help": "Whether the tokenizer folds case."})


def main() -> None:
    parser = HfArgumentParser(Arguments, description=__doc__, formatter_class=HelpFormatter)
    args = parser.parse_args_into_dataclasses()[0]
    tokenizer = train_tokenizer(read_texts(args), args.kind, args.vocab_size, args.lowercase)
    tokenizer.save_pretrained(args.output_dir)
    print(f"{len(tokenizer):,} tokens saved to {args.output_dir}")


def read_texts(args: Arguments) -> Iterator[str]:
    if Path(args.dataset).is_file():
        rows = stream_file(args.dataset)
    else:
        splits = read_source(args.dataset)
        if args.split not in splits:
            raise ValueError(f"{args.dataset} has no split {args.split!r}; it has {', '.join(splits)}.")
        rows = splits[args.split]
    column = None
    for row in rows:
        column = column or find_column(list(row), TEXT_COLUMNS, args.text_column, role="text", where=args.dataset)
        if row[column] is not None:
            yield row[column]


if __name__ == "__main__":
    run(main)
