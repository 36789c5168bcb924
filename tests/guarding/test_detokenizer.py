import json

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from hf_lstm import train_tokenizer
from hf_lstm.guarding.detokenizer import MAX_TOKENS, Detokenizer

TEXTS = [
    "I don't think so, do you ? It's 5 o'clock … (yes).\n\nNew line\t and  two spaces  ",
    "Emoji 😀👩‍👩‍👧 and 日本語の文章、ünïcode naïve.",
    " leading and trailing ",
]
ALPHABET = pre_tokenizers.ByteLevel.alphabet()


def wrapped(backend: Tokenizer, **options) -> PreTrainedTokenizerFast:
    backend.add_special_tokens(["<s>", "</s>"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", **options)


def byte_level(vocab_size: int = 262) -> PreTrainedTokenizerFast:
    """Like GPT-2 and Llama 3: nearly every byte is a token, so that emoji are divided."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    backend.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=ALPHABET))
    return wrapped(backend)


def wordpiece(**options) -> PreTrainedTokenizerFast:
    """Like BERT."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(cleanup=options.pop("cleanup", True))
    backend.train_from_iterator(TEXTS * 3, trainers.WordPieceTrainer(vocab_size=150, special_tokens=["[UNK]"]))
    return wrapped(backend, unk_token="[UNK]", **options)


def metaspace() -> PreTrainedTokenizerFast:
    """Like T5."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, unk_token="<unk>", special_tokens=["<unk>"])
    backend.train_from_iterator(TEXTS * 3, trainer)
    return wrapped(backend, unk_token="<unk>")


def byte_fallback() -> PreTrainedTokenizerFast:
    """Like Llama 2: spaces are marked, and characters that are no tokens are bytes."""
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=special, initial_alphabet=list("▁abcdefghilnorstuy,.'?"), limit_alphabet=25
    )
    backend.train_from_iterator([text.replace(" ", "▁") for text in TEXTS], trainer)
    state = json.loads(backend.to_str())
    state["added_tokens"] = []  # bytes are tokens of the model, not special ones
    return wrapped(Tokenizer.from_str(json.dumps(state)), unk_token="<unk>")


TOKENIZERS = {
    "byte-level": byte_level(),
    "byte-level, merged": byte_level(330),
    "wordpiece": wordpiece(),
    "wordpiece, cleaned up after": wordpiece(cleanup=False, clean_up_tokenization_spaces=True),
    "metaspace": metaspace(),
    "byte fallback": byte_fallback(),
    "hf_lstm word": train_tokenizer(TEXTS * 3, "word", show_progress=False),
    "hf_lstm bpe": train_tokenizer(TEXTS * 3, "bpe", 300, show_progress=False),
}


def pieces(tokenizer, ids, sizes) -> list[str]:
    detokenizer, start, found = Detokenizer(tokenizer), 0, []
    for size in sizes:
        found.append(detokenizer.put(ids[start : start + size]))
        start += size
    return [*found, detokenizer.put(ids[start:]), detokenizer.finish()]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_pieces_are_the_decoded_text(name):
    tokenizer = TOKENIZERS[name]
    rng = np.random.default_rng(0)
    for text in [*TEXTS, " ".join(TEXTS * 4)]:
        ids = tokenizer(text)["input_ids"]
        for sizes in ([1] * len(ids), rng.integers(0, 4, len(ids)).tolist()):
            found = pieces(tokenizer, ids, sizes)
            assert "".join(found) == tokenizer.decode(ids, skip_special_tokens=True)
            assert not any(piece.endswith("\ufffd") for piece in found)


@pytest.mark.parametrize("name", [name for name in TOKENIZERS if name != "byte fallback"])
def test_random_tokens_are_decoded_as_a_whole(name):
    """A model with random weights generates invalid UTF-8, special tokens and parts of words in any order."""
    tokenizer = TOKENIZERS[name]
    rng = np.random.default_rng(1)
    for length in (1, 5, 40, 300):
        for _ in range(5):
            ids = rng.integers(0, len(tokenizer), length).tolist()
            assert "".join(pieces(tokenizer, ids, [1] * length)) == tokenizer.decode(ids, skip_special_tokens=True)


def test_a_divided_emoji_waits_for_its_last_byte():
    tokenizer = byte_level(256)  # without merges
    ids = tokenizer("a😀b")["input_ids"]
    assert len(ids) == 6
    assert pieces(tokenizer, ids, [1] * 6) == ["a", "", "", "", "😀", "b", "", ""]
    assert pieces(tokenizer, ids[:3], [1] * 3) == ["a", "", "", "", "\ufffd"]


def test_special_tokens_are_skipped():
    tokenizer = TOKENIZERS["byte-level"]
    ids = [tokenizer.bos_token_id, *tokenizer("a b")["input_ids"], tokenizer.eos_token_id]
    assert "".join(pieces(tokenizer, ids, [1] * 5)) == "a b"
    assert Detokenizer(tokenizer, skip_special_tokens=False).put(ids) == "<s>a b</s>"


def test_the_window_is_bounded():
    for name, token in (("byte-level", "a"), ("byte-level", "Ģ")):  # a letter; a byte that continues a character
        detokenizer = Detokenizer(TOKENIZERS[name])
        ids = TOKENIZERS[name].convert_tokens_to_ids([token]) * 1_000
        text = "".join(detokenizer.put([i]) for i in ids) + detokenizer.finish()
        assert len(text) == 1_000 and len(detokenizer._ids) <= 4 * MAX_TOKENS
