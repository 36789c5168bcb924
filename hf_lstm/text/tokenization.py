"""Train a `tokenizers` model on any text and wrap it as a `PreTrainedTokenizerFast`.

Every kind of tokenizer shares one normaliser and one rule for where a token may end, so that a text can be tokenised in
pieces: cut it where `stable_length` allows and the tokens of the pieces, joined, are the tokens of the whole.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal, get_args

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from .boundaries import MAX_RUN_LENGTH, SEPARATOR, SPECIAL_TOKENS, clean_text

TokenizerKind = Literal["bpe", "wordpiece", "unigram", "word"]

# Contractions stay whole ("don't"), since the negation they carry is what a classifier needs. The joiners U+200C and
# U+200D hold Persian and Indic words together. At most three equal symbols make one piece, so that "!!!!!!!" needs no
# vocabulary entry of its own.
_PIECE = r"[\p{L}\p{M}\u200c\u200d]+(?:'[\p{L}\p{M}\u200c\u200d]+)*|\p{N}+|([^ \p{L}\p{M}\p{N}])\1{0,2}[\p{M}\u200d]*"

_BATCH_SIZE = 1_000


def is_streamable(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether `stable_length` holds for a tokenizer: it is as `train_tokenizer` made it, but for its vocabulary."""
    backend = tokenizer.backend_tokenizer
    if {token.content for token in tokenizer.added_tokens_decoder.values()} != set(SPECIAL_TOKENS):
        return False  # such tokens may reach across white space
    known = [(_build_normalizer(lowercase), split) for lowercase in (True, False) for split in _pre_tokenizers()]
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
    """Train a tokenizer from any iterable of texts; the texts are read once and never held in memory.

    Args:
        texts: Strings: a list, a generator, a column of a (streamed) dataset.
        kind: `"word"` classifies best where there are enough texts to meet the words that matter, and is the fastest.
            `"bpe"` and `"unigram"` work on UTF-8 bytes, so no text in any script has an unknown token; `"wordpiece"`
            and `"word"` give `[UNK]` for characters or words they have not learned. The same texts give the same
            vocabulary for `"bpe"` and `"word"`; the library's other two trainers break ties at random.
        vocab_size: Upper limit of the vocabulary, special tokens included.
        lowercase: Fold case; on small corpora the halved vocabulary is worth more than the capitals.
        show_progress: Show the trainer's progress bar.

    Returns:
        A stock `PreTrainedTokenizerFast` that puts `[CLS]` first (an empty text is one token), pads right and never
        truncates unless told. `[CLS]` doubles as the start of a text for a language model, `[SEP]` as its end.

    Raises:
        ValueError: If `kind` is unknown, `vocab_size` too small for it, an item not a string, or there is no text.
    """
    if kind not in get_args(TokenizerKind):
        raise ValueError(f"Unknown tokenizer kind {kind!r}; choose one of: {', '.join(get_args(TokenizerKind))}.")
    if isinstance(texts, str):
        raise ValueError("texts is a single string; pass an iterable of strings, for example [text].")
    model, trainer, pre_tokenizer, decoder = _build_parts(kind, vocab_size, show_progress)

    tokenizer = Tokenizer(model)
    tokenizer.normalizer = _build_normalizer(lowercase)
    tokenizer.pre_tokenizer = pre_tokenizer
    if decoder is not None:
        tokenizer.decoder = decoder
    tokenizer.train_from_iterator(
        _checked_batches(texts), trainer=trainer, length=len(texts) if hasattr(texts, "__len__") else None
    )
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


def _build_parts(kind: TokenizerKind, vocab_size: int, show_progress: bool):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet()) if kind in ("bpe", "unigram") else []
    smallest = 2 * len(SPECIAL_TOKENS) + len(alphabet)
    if vocab_size < smallest:
        raise ValueError(f"vocab_size={vocab_size} is too small: a {kind!r} tokenizer needs at least {smallest}.")

    split, byte_level = _pre_tokenizers()
    common = {"vocab_size": vocab_size, "special_tokens": SPECIAL_TOKENS, "show_progress": show_progress}
    if kind == "word":
        return models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(min_frequency=2, **common), split, None
    if kind == "wordpiece":
        # Each character may take two entries ("x" and "##x"); half of the vocabulary is left for longer pieces.
        trainer = trainers.WordPieceTrainer(min_frequency=2, limit_alphabet=vocab_size // 4, **common)
        # Compatibility normalisation makes up to 18 characters of one.
        model = models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=18 * MAX_RUN_LENGTH)
        return model, trainer, split, decoders.WordPiece()

    if kind == "bpe":
        trainer = trainers.BpeTrainer(min_frequency=2, initial_alphabet=alphabet, **common)
        return models.BPE(), trainer, byte_level, decoders.ByteLevel()
    trainer = trainers.UnigramTrainer(initial_alphabet=alphabet, unk_token="[UNK]", **common)
    return models.Unigram(), trainer, byte_level, decoders.ByteLevel()


def _pre_tokenizers() -> tuple[pre_tokenizers.PreTokenizer, pre_tokenizers.PreTokenizer]:
    """Into pieces, and into pieces as bytes."""
    split = pre_tokenizers.Split(Regex(_PIECE), behavior="removed", invert=True)
    # The prefix space marks the first token of every piece, whether or not a space preceded: "good" after "(" is the
    # same token as "good" after a space, and a piece's tokens depend on nothing but its own characters.
    return split, pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)])


def _build_normalizer(lowercase: bool) -> normalizers.Normalizer:
    """Separators to spaces, bounded runs, then Unicode."""
    steps = [
        normalizers.Replace(Regex(SEPARATOR), " "),
        # Before NFKC, so that the cuts are a matter of the raw text alone and no normalisation reaches across one.
        normalizers.Replace(Regex(rf"[^ ]{{{MAX_RUN_LENGTH}}}\K(?=[^ ])"), " "),
        normalizers.Replace("’", "'"),
        # NFKC rather than NFC: full-width letters, ligatures and "…" are spelling, not meaning, to a classifier.
        normalizers.NFKC(),
    ]
    return normalizers.Sequence(steps + [normalizers.Lowercase()] * lowercase)


def _checked_batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Batches of clean texts; one batch crosses into the trainer much faster than its texts one by one."""
    iterator = iter(texts)
    seen, blank = 0, True
    while batch := list(islice(iterator, _BATCH_SIZE)):
        for index, text in enumerate(batch, start=seen):
            if not isinstance(text, str):
                raise ValueError(f"texts[{index}] is {type(text).__name__}, not a string; drop or convert that row.")
        seen += len(batch)
        blank = blank and not any(text.strip() for text in batch)
        yield [clean_text(text) for text in batch]
    if blank:
        raise ValueError(f"There is no text to train a tokenizer on: {seen} texts, none with a visible character.")
