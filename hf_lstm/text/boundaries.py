"""Where a text that arrives in pieces may be cut; of the standard library alone, since exported models carry it."""

import codecs
import re

# The order is the ids: [PAD] is 0, the default `pad_token_id` of the config.
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]

# Characters, before normalisation, after which a run without white space is cut. It bounds the cost of a megabyte
# "word" and what a streaming caller has to hold back.
MAX_RUN_LENGTH = 64

# Unicode white space and control characters, spelled out because Python's `\s` and Oniguruma's differ, and as `\u`
# because Oniguruma reads `\xa0` as a byte.
SPACE = r"[\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"

SEPARATOR = rf"(?i:<br{SPACE}?/?>)|{SPACE}"

# The name of a special token in a text is that token, as in every tokenizer of the library, and ends a run.
SPECIAL = "|".join(map(re.escape, SPECIAL_TOKENS))

# The beginning of a `<br />` or of such a name that the next piece of a text may complete.
UNFINISHED = (
    rf"(?:(?i:<(?:b(?:r{SPACE}?/?)?)?)|{'|'.join(re.escape(t[:n]) for t in SPECIAL_TOKENS for n in (1, 2, 3, 4))})\Z"
)

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean_text(text: str) -> str:
    r"""Make any Python string safe to tokenise, save and print.

    Args:
        text: Any string, for example one read from JSON with escaped surrogates or from a file with stray bytes.

    Returns:
        The text with surrogate pairs joined to the character they stand for, lone surrogates (which have no UTF-8 form
        and make `tokenizers` raise `TypeError`) as U+FFFD, and control characters other than `\n` and `\t` as spaces.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return CONTROL.sub(" ", text)


def stable_length(text: str) -> int:
    """Number of leading characters whose tokens no longer depend on what follows.

    Tokenising `text[:n]` now and `text[n:] + more` later gives together the tokens of `text + more` (leading `[CLS]`
    aside). The rest to hold back is shorter than `MAX_RUN_LENGTH` characters plus an unfinished `<br />` or `[CLS]`.

    Args:
        text: What has arrived and is not yet tokenised, after `clean_text`; it starts the whole text or continues it at
            an earlier stable length.

    Returns:
        A length from 0 to `len(text)`.
    """
    unfinished = re.search(UNFINISHED, text)
    end = unfinished.start() if unfinished else len(text)
    run_start = 0
    for separator in re.finditer(f"{SEPARATOR}|{SPECIAL}", text[:end]):
        run_start = separator.end()
    return end - (end - run_start) % MAX_RUN_LENGTH


def take_stable_text(held: str, undecoded: bytes, piece: str | bytes, at_end: bool) -> tuple[str, str, bytes]:
    """Splits what has arrived of a text into what can be tokenised and what has to wait.

    Args:
        held: Text that waited.
        undecoded: Bytes that waited: the beginning of a character.
        piece: What arrives now; bytes are UTF-8.
        at_end: Whether nothing follows, so that nothing has to wait.

    Returns:
        The text to tokenise, and the text and the bytes that wait.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.setstate((undecoded, 0))
    if not isinstance(piece, str):
        piece = decoder.decode(piece, final=at_end)
    elif piece or at_end:
        piece = decoder.decode(b"", final=True) + piece  # characters: what the bytes began stays a fragment
    text = held + piece
    # The first half of a surrogate pair waits for the second.
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" and not at_end else ""
    text = clean_text(text[: len(text) - len(half)])
    ready = len(text) if at_end else stable_length(text)
    return text[:ready], text[ready:] + half, decoder.getstate()[0]
