"""Check texts that a caller passes."""

import reprlib
from collections.abc import Iterable, Iterator, Mapping, Set


def check_texts(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list of strings.

    Args:
        texts: A list, tuple, pandas Series, numpy array, column of a `datasets.Dataset` or any other iterable of
            strings.

    Returns:
        The same texts in the same order.

    Raises:
        TypeError: `texts` is a single string, a table, a mapping or a set, or one of its items is not a string.
    """
    return list(iterate_checked(texts))


def iterate_checked(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts one by one, with the same checks as [`check_texts`], without holding them in memory."""
    kind = type(texts).__name__
    if isinstance(texts, str | bytes):
        raise TypeError("Expected several texts, got a single string; pass a list such as ['a good film'].")
    # Iterating over a table or a mapping gives the names of its columns; a set has no order.
    if isinstance(texts, Mapping | Set) or hasattr(texts, "columns") or hasattr(texts, "column_names"):
        raise TypeError(f"Expected a list of texts, got a {kind}; pass one column or a list.")
    if not isinstance(texts, Iterable):
        raise TypeError(f"Expected a list of texts, got {reprlib.repr(texts)} ({kind}).")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(
                f"texts[{index}] is {reprlib.repr(text)} ({type(text).__name__}), not a string; remove or convert it."
            )
        yield text
