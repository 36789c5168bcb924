"""Find where a text that arrives in pieces may be cut.

This module uses only the standard library, because exported models include a copy of it.
"""

import codecs
import re

# The order is the ids: [PAD] is 0, the default `pad_token_id` of the config.
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]

# A run without white space is cut after this many characters, counted before normalisation. This bounds the cost of a
# "word" of a megabyte and the text that a streaming caller has to hold back.
MAX_RUN_LENGTH = 64

# Unicode white space and control characters. They are listed because `\s` differs between Python and Oniguruma (the
# regex engine of `tokenizers`), and written as `\u` because Oniguruma reads `\xa0` as a byte.
SPACE = r"[\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"

SEPARATOR = rf"(?i:<br{SPACE}?/?>)|{SPACE}"

# The name of a special token in a text becomes that token, as in every tokenizer of transformers, and ends a run.
SPECIAL = "|".join(map(re.escape, SPECIAL_TOKENS))

# The beginning of a `<br />` or of a special token, which the next piece of the text may complete.
UNFINISHED = re.compile(
    rf"(?:(?i:<(?:b(?:r{SPACE}?/?)?)?)|{'|'.join(re.escape(t[:n]) for t in SPECIAL_TOKENS for n in (1, 2, 3, 4))})\Z"
)

# What ends a run of characters.
RUN_END = re.compile(f"{SEPARATOR}|{SPECIAL}")

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean_text(text: str) -> str:
    r"""Return the text in a form that is safe to tokenise, save and print.

    Args:
        text: Any string, for example one read from JSON with escaped surrogates or from a file with stray bytes.

    Returns:
        The text with surrogate pairs joined to the character that they encode, lone surrogates replaced by U+FFFD (they
        have no UTF-8 form and make `tokenizers` raise `TypeError`), and control characters other than `\n` and `\t`
        replaced by spaces.
    """
    return CONTROL.sub(" ", join_surrogates(text))


def join_surrogates(text: str) -> str:
    """Return the text with surrogate pairs joined to their character, and lone surrogates replaced by U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def stable_length(text: str) -> int:
    """Return the number of leading characters whose tokens do not depend on the text that follows.

    The tokens of `text[:n]` and of `text[n:] + more`, joined, are the tokens of `text + more` (without the leading
    `[CLS]`). The rest `text[n:]` is shorter than `MAX_RUN_LENGTH` characters plus an unfinished `<br />` or `[CLS]`.

    Args:
        text: Text that has arrived and is not yet tokenised, after [`clean_text`]. It starts the whole text or
            continues it at an earlier stable length.

    Returns:
        A length from 0 to `len(text)`.
    """
    unfinished = UNFINISHED.search(text)
    end = unfinished.start() if unfinished else len(text)
    run_start = 0
    for separator in RUN_END.finditer(text, 0, end):
        run_start = separator.end()
    return end - (end - run_start) % MAX_RUN_LENGTH


def take_stable_text(held: str, undecoded: bytes, piece: str | bytes, at_end: bool) -> tuple[str, str, bytes]:
    """Split the text that has arrived into a part that can be tokenised and a part that has to wait.

    Args:
        held: Text that waited before.
        undecoded: Bytes that waited before: the beginning of a UTF-8 character.
        piece: The next piece of the text; bytes are UTF-8.
        at_end: Whether the text ends with this piece, so that nothing has to wait.

    Returns:
        The text to tokenise, the text that waits, and the bytes that wait.

    Raises:
        TypeError: The piece is neither a string nor bytes.
    """
    if not isinstance(piece, str | bytes | bytearray):
        raise TypeError(f"Expected a piece of text (str or bytes), got {type(piece).__name__}.")
    if undecoded or not isinstance(piece, str):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.setstate((undecoded, 0))
        if not isinstance(piece, str):
            piece = decoder.decode(piece, final=at_end)
        elif piece or at_end:
            # The piece is a string, so the character that the bytes began remains incomplete.
            piece = decoder.decode(b"", final=True) + piece
        undecoded = decoder.getstate()[0]
    text = held + piece
    # The first half of a surrogate pair waits for the second.
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" and not at_end else ""
    text = clean_text(text[: len(text) - len(half)])
    ready = len(text) if at_end else stable_length(text)
    return text[:ready], text[ready:] + half, undecoded
