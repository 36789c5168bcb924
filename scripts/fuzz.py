"""Score random strings with a classifier, or read randomly damaged files.

python scripts/fuzz.py --model runs/reviews
python scripts/fuzz.py --files 2000

The strings contain control characters, lone surrogates, right-to-left marks, emoji sequences, combining and zero-width
characters, markup, and words of a megabyte. They go through the tokenizer, the model and `predict_file`, and each one
must get a finite score. The files have flipped, removed or repeated bytes, a lost end, or swapped columns. Each of them
must give a corpus, and the same number of rows when it is streamed, or an error of one line that names the file.
"""

import argparse
import gzip
import json
import random
import resource
import signal
import sys
import tempfile
import unicodedata
from collections import Counter
from functools import partial
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from hf_lstm.cli import one_line_errors
from hf_lstm.data import load_corpus, read_source, stream_file
from hf_lstm.inference import format_predictions, load_model_and_tokenizer, predict_file, predict_texts

BATCH = 250
MEGABYTE = 2**20
# A file that takes longer than this to read counts as a hang.
MAX_SECONDS = 60
KINDS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt", ".csv.gz")

ALPHABETS = {
    "control": [chr(code) for code in (*range(32), *range(127, 160))],
    "surrogate": [chr(code) for code in range(0xD800, 0xE000, 7)],
    "right to left": [
        *"אבגדהשלוםابجدهوزحطي",
        "\u200e",
        "\u200f",
        "\u202a",
        "\u202b",
        "\u202c",
        "\u202e",
        "\u2067",
        "\u2069",
    ],
    "emoji": ["👩", "🏽", "\u200d", "❤", "\ufe0f", "🔥", "🇩", "🇪", "🏴", "\U000e0067", "\U000e007f", "1\ufe0f\u20e3"],
    "zero width": ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "a", "b"],
    "combining": ["e", "o", *(chr(code) for code in range(0x300, 0x370))],
    "space": [*" \t\n\r\v\f", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085"],
    "markup": [
        "<br />",
        "<br/><br>",
        "&amp;",
        "[CLS]",
        "[PAD]",
        "[UNK]",
        "</s>",
        "{{",
        "%s",
        "\\x00",
        "__label__x",
        '"',
        ",",
    ],
    "scripts": list("aé中文字かなカナ한국어हिन्दीไทยΩжשع٣Ⅷﬁ𝔄𐍈𒀀"),
    "words": ["good ", "bad ", "not ", "the ", "film ", "1,000.5 ", "don't ", "U.S.A. "],
}


def random_text(rng: random.Random) -> str:
    """Return a string of characters from one alphabet, from all of them, or of any code points."""
    kind = rng.choice([*ALPHABETS, "all", "any"])
    length = int(rng.expovariate(1 / 60))
    if kind == "any":
        return "".join(chr(rng.randrange(sys.maxunicode + 1)) for _ in range(length))
    alphabet = sum(ALPHABETS.values(), []) if kind == "all" else ALPHABETS[kind]
    text = "".join(rng.choices(alphabet, k=length))
    return unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKD"]), text) if rng.random() < 0.2 else text


def random_batch(rng: random.Random, size: int) -> list[str]:
    """Return random strings, of which the first is a single word of a megabyte or two."""
    word = rng.choice(["a", "\u0301", "\ud800", "中", "👩\u200d", "ab"]) * MEGABYTE
    return [word, *(random_text(rng) for _ in range(size - 1))]


def predicted_labels(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list:
    """Return the label of each text. Raise a `ValueError` if a score is not finite."""
    logits = predict_texts(model, tokenizer, texts)  # (texts, num_labels)
    finite = np.isfinite(logits).all(1)  # (texts,)
    if not finite.all():
        raise ValueError(f"The scores of {texts[int(np.flatnonzero(~finite)[0])]!r:.200} are not finite.")
    return [row.get("label") for row in format_predictions(logits, model.config)]


def random_rows(rng: random.Random) -> list[dict]:
    """Return rows with a text, a label and a number."""
    words = "good bad film, plot;\t'" + '"' + "".join(ALPHABETS["scripts"]) * rng.randrange(2)
    return [
        {"text": "".join(rng.choices(words, k=rng.randrange(40))), "label": rng.choice(["yes", "no"]), "number": number}
        for number in range(rng.randrange(1, 40))
    ]


def write_rows(rows: list[dict], path: Path) -> None:
    """Write rows to a file in the format of its suffix."""
    kind = path.name.removeprefix("rows")
    if kind == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif kind in (".csv", ".tsv", ".csv.gz"):
        pd.DataFrame(rows).to_csv(path, index=False, sep="\t" if kind == ".tsv" else ",")
    elif kind == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    elif kind == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        path.write_text("".join(f"__label__{row['label']} {row['text']}\n" for row in rows), encoding="utf-8")


def swap_columns(rng: random.Random, rows: list[dict]) -> list[dict]:
    """Return rows in which some have their values in other columns, or lack a column."""
    damaged = []
    for row in rows:
        values = list(row.values())
        rng.shuffle(values)
        damaged.append(dict(zip(row, values, strict=True)) if rng.random() < 0.3 else row)
    return damaged


def damage_bytes(rng: random.Random, content: bytes) -> bytes:
    """Return the content with flipped, removed or repeated bytes, or without its end."""
    damaged = bytearray(content)
    kind = rng.choice(["flip", "truncate", "remove", "repeat"])
    for _ in range(rng.choice([1, 1, 3, 30])):
        if not damaged:
            break
        start = rng.randrange(len(damaged))
        end = start + rng.randrange(1, 20)
        if kind == "flip":
            damaged[start] ^= 1 << rng.randrange(8)
        elif kind == "truncate":
            del damaged[start:]
            break
        elif kind == "remove":
            del damaged[start:end]
        else:
            damaged[start:start] = damaged[start:end]
    return bytes(damaged)


def write_damaged_file(rng: random.Random, folder: Path) -> Path:
    """Write a file of a random kind with random damage."""
    path = folder / f"rows{rng.choice(KINDS)}"
    rows = random_rows(rng)
    damages_columns = rng.random() < 0.2 and path.suffix not in (".parquet", ".txt")
    write_rows(swap_columns(rng, rows) if damages_columns else rows, path)
    if not damages_columns:
        content = path.read_bytes()
        if path.suffix == ".gz" and rng.random() < 0.5:  # damage inside a valid archive
            path.write_bytes(gzip.compress(damage_bytes(rng, gzip.decompress(content))))
        else:
            path.write_bytes(damage_bytes(rng, content))
    return path


def read_damaged_files(count: int, seed: int) -> None:
    """Read damaged files. Raise a `ValueError` with the first that gives neither a corpus nor an error of one line."""

    def stop(*_: object) -> None:
        raise RuntimeError(f"reading took more than {MAX_SECONDS} seconds")

    signal.signal(signal.SIGALRM, stop)
    datasets.disable_progress_bars()
    results: Counter[str] = Counter()
    for number in tqdm(range(count), unit="file", disable=None):
        with tempfile.TemporaryDirectory() as folder:
            datasets.config.HF_DATASETS_CACHE = f"{folder}/cache"
            path = write_damaged_file(random.Random(f"{seed}-{number}"), Path(folder))
            signal.alarm(MAX_SECONDS)
            try:
                stored = len(read_source(path, labelled=False)["train"])
                if (streamed := sum(1 for _ in stream_file(path))) != stored:
                    raise RuntimeError(f"{streamed:,} rows are streamed, but {stored:,} are read")
                load_corpus(path)
                results["corpora"] += 1
            except (ValueError, OSError) as error:
                message = str(error)
                if str(path) not in message or "\n" in message or not message.endswith("."):
                    raise ValueError(f"File {number:,} ({path.name}) gives an unclear error: {message!r}") from error
                results["errors"] += 1
            except Exception as error:
                raise ValueError(f"File {number:,} ({path.name}) gives {type(error).__name__}: {error}") from error
            finally:
                signal.alarm(0)
    print(f"{count:,} damaged files: {results['corpora']:,} were read, {results['errors']:,} gave a clear error.")


def score_strings(source: str, count: int, seed: int) -> None:
    """Score random strings. Raise a `ValueError` if a score is not finite or depends on how the string is read."""
    model, tokenizer = load_model_and_tokenizer(source)
    rng = random.Random(seed)
    characters = longest = 0
    labels, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        for start in tqdm(range(0, count, BATCH), unit_scale=BATCH, unit="string", disable=None):
            texts = random_batch(rng, min(BATCH, count - start))
            labels += predicted_labels(model, tokenizer, texts)
            with source.open("a", encoding="utf-8") as stream:
                stream.writelines(json.dumps({"text": text}) + "\n" for text in texts)
            characters += sum(map(len, texts))
            longest = max(longest, *map(len, texts))
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        predict_file(partial(predict_texts, model, tokenizer), model.config, str(source), str(target))
        with target.open(encoding="utf-8") as stream:
            differing = [i for i, line in enumerate(stream) if json.loads(line).get("predicted_label") != labels[i]]
    if differing:
        raise ValueError(
            f"`predict_file` and `predict_texts` give different labels for {len(differing):,} strings. The first is "
            f"number {differing[0]:,}."
        )
    print(f"{count:,} strings with {characters:,} characters, up to {longest:,} each.")
    print("All scores are finite, and `predict_file` gives the same labels as `predict_texts`.")
    print(f"Peak memory {peaks[-1]:,.0f} MB, of which {peaks[0]:,.0f} MB after the first {BATCH} strings.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or Hub id of a trained classifier that scores the strings")
    parser.add_argument("--count", type=int, default=10_000, help="number of strings; default: 10000")
    parser.add_argument("--files", type=int, default=0, help="number of damaged files to read; default: 0")
    parser.add_argument("--seed", type=int, default=0, help="seed of the strings and files; default: 0")
    args = parser.parse_args()
    if args.count < 1:
        parser.error(f"--count must be at least 1, got {args.count}")
    if args.model is None and not args.files:
        parser.error("--model or --files is required")
    if args.files:
        read_damaged_files(args.files, args.seed)
    if args.model:
        score_strings(args.model, args.count, args.seed)


if __name__ == "__main__":
    with one_line_errors():
        main()
