import json
import random

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from hf_lstm.text import AsciiWords, clean_text, is_word_tokenizer, train_tokenizer
from hf_lstm.text.boundaries import MAX_RUN_LENGTH

TEXTS = ["Don't be a well-known fool!", "It's the DOGS' 2nd 100% win ... (really)", "a b c d e f g h i j k l"] * 2
PARTS = [
    *("<br />", "<BR>", "<br/", "<br\t/>", "\n", "\t", "  ", "\r", "\0", "\x7f", "don't", "'", "''", "a'b'c'", "DOGS"),
    *("!!!!!!!", "...", "a1b2", "12", "_", "-", "--", "<", ">", "x" * 70, "y!" * 70, "z" * 200, "<br />" * 12, " "),
]


def rules_of(tokenizer) -> dict:
    return json.loads(tokenizer.backend_tokenizer.to_str())


@pytest.mark.parametrize("lowercase", [True, False])
def test_tokens_are_those_of_the_tokenizer(lowercase):
    tokenizer = train_tokenizer([*TEXTS, *PARTS, *PARTS], "word", 300, lowercase, show_progress=False)
    words, rng = AsciiWords(rules_of(tokenizer)), random.Random(0)
    for _ in range(2_000):
        pieces = [
            rng.choice(PARTS) if rng.random() < 0.7 else chr(rng.randrange(128)) for _ in range(rng.randrange(12))
        ]
        text = clean_text(rng.choice(["", " "]).join(pieces))
        expected = tokenizer.backend_tokenizer.encode(text).ids
        assert words.encode(text) == (None if "[" in text else expected), text
        piece = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        found = words.encode_piece(text)
        assert found in (None, (piece.ids, piece.offsets)), text
        assert found or len(text) > MAX_RUN_LENGTH or {"[", "<"} & set(text)
    assert words.encode("") == [2]


@pytest.mark.parametrize("length", [MAX_RUN_LENGTH - 1, MAX_RUN_LENGTH, MAX_RUN_LENGTH + 1, 3 * MAX_RUN_LENGTH + 5])
def test_long_words_are_cut(length):
    tokenizer = train_tokenizer(["a" * length] * 2, "word", 100, show_progress=False)
    words, end = AsciiWords(rules_of(tokenizer)), length % MAX_RUN_LENGTH
    ids = words.encode("a" * length)
    assert ids == tokenizer.backend_tokenizer.encode("a" * length).ids
    assert len(ids) == 1 + length // MAX_RUN_LENGTH + (end > 0)


def test_other_texts_require_the_tokenizer():
    words = AsciiWords(rules_of(train_tokenizer(TEXTS, "word", 100, show_progress=False)))
    assert words.encode("naïve") is None
    assert words.encode("a [PAD] b") is None


def test_other_tokenizers_are_recognised():
    rules = [rules_of(train_tokenizer(TEXTS, kind, 300, show_progress=False)) for kind in ("bpe", "wordpiece")]
    other = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    rules.append(json.loads(other.to_str()))
    other.pre_tokenizer = pre_tokenizers.Whitespace()
    rules.append(json.loads(other.to_str()))
    word = rules_of(train_tokenizer(TEXTS, "word", 300, show_progress=False))
    steps = word["normalizer"]["normalizers"]
    extra = {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}
    rules += [word | {"normalizer": word["normalizer"] | {"normalizers": [*steps, extra]}}]
    rules += [word | {"added_tokens": word["added_tokens"][1:]}, word | {"post_processor": None}]
    assert is_word_tokenizer(word) and not any(map(is_word_tokenizer, rules))
