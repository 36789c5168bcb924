"""Train a `tokenizers` model and wrap it as a `PreTrainedTokenizerFast`.

All kinds of tokenizers share one normaliser and one rule for where a token may end. A text can therefore be tokenised
in pieces: if it is cut where `stable_length` allows, the tokens of the pieces, joined, are those of the whole text.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import chain, islice
from typing import Any, Literal, get_args

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from ..messages import show_progress as progress_is_visible
from .ascii_words import ARABIC_MARKS, LONG_RUN, PIECE
from .boundaries import MAX_RUN_LENGTH, SEPARATOR, SPECIAL_TOKENS, clean_text
from .inputs import iterate_checked

TokenizerKind = Literal["bpe", "wordpiece", "unigram", "word"]

_BATCH_SIZE = 1_000


def is_streamable(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Return whether [`stable_length`] is valid for a tokenizer.

    It is valid if the tokenizer has the special tokens, the normaliser and the pre-tokenizer of [`train_tokenizer`].
    """
    backend = tokenizer.backend_tokenizer
    if {token.content for token in tokenizer.added_tokens_decoder.values()} != set(SPECIAL_TOKENS):
        return False  # an added token may contain white space
    # Tokenizers that were saved by earlier versions have the basic steps only; they can be streamed as well.
    lower = [normalizers.Lowercase()]
    basic = [normalizers.Sequence(_basic_steps() + steps) for steps in ([], lower)]
    known = [
        (normalizer, split)
        for normalizer in (*basic, *map(_build_normalizer, (True, False)))
        for split in _pre_tokenizers()
    ]
    parts = (backend.normalizer, backend.pre_tokenizer)
    return None not in parts and any(
        all(part.__getstate__() == expected.__getstate__() for part, expected in zip(parts, pair, strict=True))
        for pair in known
    )


def train_tokenizer(
    texts: Iterable[str],
    kind: TokenizerKind = "word",
    vocab_size: int = 30_000,
    lowercase: bool = True,
    show_progress: bool = True,
) -> PreTrainedTokenizerFast:
    """Train a tokenizer on texts, which are read once and not held in memory.

    Args:
        texts: Any iterable of strings: a list, a generator, a column of a (streamed) dataset.
        kind: `"word"` is the fastest, and the most accurate if there are enough texts to learn the important words.
            `"bpe"` and `"unigram"` work on UTF-8 bytes, so no text in any script has an unknown token. `"wordpiece"`
            and `"word"` give `[UNK]` for unknown characters or words. The same texts give the same vocabulary with
            `"bpe"` and `"word"`; the trainers of the other two kinds break ties at random.
        vocab_size: Upper limit of the vocabulary, including the special tokens.
        lowercase: Convert to lower case. On small corpora the smaller vocabulary is worth more than the capitals.
        show_progress: Show the progress bar of the trainer, on a terminal or in a notebook.

    Returns:
        A stock `PreTrainedTokenizerFast` that puts `[CLS]` first (so an empty text has one token), pads on the right
        and does not truncate by default. For a language model, `[CLS]` marks the start of a text and `[SEP]` its end.

    Raises:
        ValueError: `kind` is unknown, `vocab_size` is too small for it, or no text has a visible character.
        TypeError: `texts` is a single string, or one of its items is not a string.
    """
    if kind not in get_args(TokenizerKind):
        raise ValueError(f"Unknown tokenizer kind {kind!r}; choose one of: {', '.join(get_args(TokenizerKind))}.")
    trainer = _build_trainer(kind, vocab_size, show_progress and progress_is_visible())
    tokenizer = _build_backend(kind, lowercase)
    length = len(texts) if isinstance(texts, Sized) else None
    tokenizer.train_from_iterator(_clean_batches(texts), trainer=trainer, length=length)
    return _wrap(tokenizer)


def build_given_tokenizer(
    tokens: Sequence[str], kind: Literal["word", "wordpiece"], lowercase: bool = True
) -> PreTrainedTokenizerFast:
    """Build a tokenizer with a given vocabulary, and with all other parts as in [`train_tokenizer`].

    Args:
        tokens: The tokens after the special tokens, without duplicates. With `"wordpiece"`, a token that continues a
            word starts with `##`.
        kind: Model of the tokenizer.
        lowercase: Convert to lower case.

    Returns:
        The tokenizer. The ids of the special tokens are 0 to 3, and those of the tokens follow in their order.
    """
    return _wrap(_build_backend(kind, lowercase, {token: i for i, token in enumerate([*SPECIAL_TOKENS, *tokens])}))


def count_words(texts: Iterable[str], lowercase: bool = True) -> Counter[str]:
    """Count the words of texts as a tokenizer of the kind `"word"` splits them.

    Args:
        texts: The texts.
        lowercase: Convert to lower case.

    Returns:
        How often each word occurs, in decreasing order.
    """
    tokenizer = _build_backend("word", lowercase)
    texts = [clean_text(text) for text in iterate_checked(texts)]
    tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(vocab_size=2**31, show_progress=False))
    counts = np.zeros(tokenizer.get_vocab_size(), dtype=np.int64)
    for start in range(0, len(texts), _BATCH_SIZE):
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts[start : start + _BATCH_SIZE])]
        counts += np.bincount(list(chain.from_iterable(ids)), minlength=len(counts))
    # The trainer orders the words by frequency, and words of the same frequency by their characters.
    words = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return Counter({word: int(counts[i]) for word, i in words})


def are_words(strings: Sequence[str], lowercase: bool = True) -> np.ndarray:
    """Return for each string whether a tokenizer of the kind `"word"` has it as one word.

    It is not if the normaliser changes it or the pre-tokenizer splits it: no text has such a word.

    Args:
        strings: The strings.
        lowercase: Convert to lower case.

    Returns:
        `(strings,)`, Boolean.
    """
    result = np.zeros(len(strings), dtype=bool)
    for start in range(0, len(strings), _BATCH_SIZE * 10):
        batch = strings[start : start + _BATCH_SIZE * 10]
        ids = {string: i for i, string in enumerate(dict.fromkeys(["[UNK]", *batch]))}
        tokenizer = _build_backend("word", lowercase, ids)
        encodings = tokenizer.encode_batch_fast([clean_text(string) for string in batch])
        result[start : start + len(batch)] = [
            encoding.ids == [ids[string]] for string, encoding in zip(batch, encodings, strict=True)
        ]
    return result


def _build_backend(kind: TokenizerKind, lowercase: bool, vocabulary: dict[str, int] | None = None) -> Tokenizer:
    """Return a tokenizer with a vocabulary, or to be trained."""
    split, byte_level = _pre_tokenizers()
    given: dict[str, Any] = {} if vocabulary is None else {"vocab": vocabulary}
    model: models.Model
    pre_tokenizer: pre_tokenizers.PreTokenizer
    decoder: decoders.Decoder
    if kind == "word":
        model, pre_tokenizer, decoder = models.WordLevel(**given, unk_token="[UNK]"), split, _build_decoder()
    elif kind == "wordpiece":
        # Compatibility normalisation turns one character into up to 18.
        model = models.WordPiece(**given, unk_token="[UNK]", max_input_chars_per_word=18 * MAX_RUN_LENGTH)
        pre_tokenizer, decoder = split, _build_decoder(decoders.Replace(Regex(r"\A ##(?=.)"), ""))
    else:
        model = models.BPE() if kind == "bpe" else models.Unigram()
        pre_tokenizer, decoder = byte_level, decoders.ByteLevel()
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = _build_normalizer(lowercase)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    return tokenizer


def _wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """Add the special tokens to a tokenizer that has a vocabulary."""
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A",
        pair="[CLS] $A [SEP] $B:1",
        special_tokens=[(token, SPECIAL_TOKENS.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        bos_token="[CLS]",
        eos_token="[SEP]",
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
    )


def _build_trainer(kind: TokenizerKind, vocab_size: int, show_progress: bool) -> trainers.Trainer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet()) if kind in ("bpe", "unigram") else []
    smallest = 2 * len(SPECIAL_TOKENS) + len(alphabet)
    if vocab_size < smallest:
        raise ValueError(f"vocab_size={vocab_size} is too small: a {kind!r} tokenizer needs at least {smallest}.")

    common: dict[str, Any] = {
        "vocab_size": vocab_size,
        "special_tokens": SPECIAL_TOKENS,
        "show_progress": show_progress,
    }
    if kind == "word":
        return trainers.WordLevelTrainer(min_frequency=2, **common)
    if kind == "wordpiece":
        # Each character may take two entries ("x" and "##x"); half of the vocabulary is left for longer pieces.
        return trainers.WordPieceTrainer(min_frequency=2, limit_alphabet=vocab_size // 4, **common)
    if kind == "bpe":
        return trainers.BpeTrainer(min_frequency=2, initial_alphabet=alphabet, **common)
    return trainers.UnigramTrainer(initial_alphabet=alphabet, unk_token="[UNK]", **common)


def _pre_tokenizers() -> tuple[pre_tokenizers.PreTokenizer, pre_tokenizers.PreTokenizer]:
    """Return a splitter into pieces of characters and one into pieces of bytes."""
    split = pre_tokenizers.Split(Regex(PIECE), behavior="removed", invert=True)
    # The prefix space marks the first token of every piece, even if no space precedes it. "good" after "(" is then the
    # same token as "good" after a space, and the tokens of a piece depend only on its own characters.
    return split, pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)])


def _build_decoder(*joins: decoders.Decoder) -> decoders.Decoder:
    """Return a decoder that puts a space before each token, as the byte-level one does, and then applies `joins`.

    A generated text is decoded without its prompt. The space between the two must therefore belong to the second one.
    """
    return decoders.Sequence([decoders.Replace(Regex(r"\A"), " "), *joins, decoders.Fuse()])


def _build_normalizer(lowercase: bool) -> normalizers.Normalizer:
    """Return a normaliser that gives the spellings of a word that mean the same to a classifier one form."""
    # Arabic vowel signs and the stretching of a word (tatweel) are optional.
    steps = [*_basic_steps(), normalizers.Replace(Regex(ARABIC_MARKS), "")]
    if lowercase:
        # The lower case of the Turkish letter U+0130 is "i" with a second dot, and letters such as U+01F0 have no
        # capital form, so that lower case can leave decomposed characters.
        steps += [normalizers.Lowercase(), normalizers.Replace("i\u0307", "i"), normalizers.NFC()]
    return normalizers.Sequence(steps)


def _basic_steps() -> list[normalizers.Normalizer]:
    """Return steps that replace separators by spaces, cut long runs and then normalise Unicode."""
    return [
        normalizers.Replace(Regex(SEPARATOR), " "),
        # Before NFKC, so that the cuts depend only on the raw text and NFKC does not combine characters across a cut.
        normalizers.Replace(Regex(LONG_RUN), " "),
        normalizers.Replace("’", "'"),
        # NFKC rather than NFC: full-width letters, ligatures and "…" make no difference to a classifier.
        normalizers.NFKC(),
    ]


def _clean_batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield batches of clean texts; the trainer takes a batch much faster than its texts one by one."""
    iterator = iterate_checked(texts)
    count, blank = 0, True
    while batch := list(islice(iterator, _BATCH_SIZE)):
        count += len(batch)
        blank = blank and not any(text.strip() for text in batch)
        yield [clean_text(text) for text in batch]
    if blank:
        raise ValueError(f"There is no text to train a tokenizer on: {count} texts, none with a visible character.")
