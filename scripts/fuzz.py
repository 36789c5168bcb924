"""Score random strings with a classifier and check that each one gets a finite score.

python scripts/fuzz.py --model runs/reviews

The strings contain control characters, lone surrogates, right-to-left marks, emoji sequences, combining and zero-width
characters, markup, and words of a megabyte. They go through the tokenizer, the model and `predict_file`.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from hf_lstm.cli import one_line_errors
from hf_lstm.inference import format_predictions, load_model_and_tokenizer, predict_file, predict_texts

BATCH = 250
MEGABYTE = 2**20

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder or Hub id of a trained classifier")
    parser.add_argument("--count", type=int, default=10_000, help="number of strings; default: 10000")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random strings; default: 0")
    args = parser.parse_args()
    if args.count < 1:
        parser.error(f"--count must be at least 1, got {args.count}")

    model, tokenizer = load_model_and_tokenizer(args.model)
    rng = random.Random(args.seed)
    characters = longest = 0
    labels, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        for start in tqdm(range(0, args.count, BATCH), unit_scale=BATCH, unit="string", disable=None):
            texts = random_batch(rng, min(BATCH, args.count - start))
            labels += predicted_labels(model, tokenizer, texts)
            with source.open("a", encoding="utf-8") as stream:
                stream.writelines(json.dumps({"text": text}) + "\n" for text in texts)
            characters += sum(map(len, texts))
            longest = max(longest, *map(len, texts))
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        predict_file(model, tokenizer, str(source), str(target))
        with target.open(encoding="utf-8") as stream:
            differing = [i for i, line in enumerate(stream) if json.loads(line).get("predicted_label") != labels[i]]
    if differing:
        raise ValueError(
            f"`predict_file` and `predict_texts` give different labels for {len(differing):,} strings. The first is "
            f"number {differing[0]:,}."
        )
    print(f"{args.count:,} strings with {characters:,} characters, up to {longest:,} each.")
    print("All scores are finite, and `predict_file` gives the same labels as `predict_texts`.")
    print(f"Peak memory {peaks[-1]:,.0f} MB, of which {peaks[0]:,.0f} MB after the first {BATCH} strings.")


if __name__ == "__main__":
    with one_line_errors():
        main()
