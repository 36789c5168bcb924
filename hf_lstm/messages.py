"""Helpers for messages and progress bars."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm


def one_line(error: object) -> str:
    """Return the message of an error on one line, without a full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def capitalize(sentence: str) -> str:
    """Return a sentence with a capital first letter, unless it starts with a name such as that of a file."""
    return "T" + sentence[1:] if sentence.startswith("the ") else sentence


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 row" or "2,000 rows"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def plain_number(value: Any) -> Any:
    """Return a float without a fraction as a whole number, so that 2.0 epochs are shown as 2; others unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def format_names(names: list[str], limit: int = 20) -> str:
    """Return the names in one line: the first `limit` of them, and how many more there are."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit:,} more" if len(names) > limit else "")


def markdown_table(rows: list[list[str]]) -> str:
    """Return a Markdown table whose source is aligned as well; the first row is the header."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def show_progress() -> bool:
    """Return whether progress bars are shown: on a terminal and in a notebook, but not in a log file or a pipe."""
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


def progress_bar(visible: bool = True, **options: Any) -> tqdm:
    """Return a `tqdm` bar that is drawn if `visible` is true and [`show_progress`] allows it.

    Args:
        visible: Whether the caller wants a bar.
        options: Arguments of `tqdm`, such as `total` and `unit`.
    """
    return tqdm(disable=not (visible and show_progress()), **options)


@contextmanager
def library_progress_bars() -> Iterator[None]:
    """Hide the progress bars of `datasets` and `transformers` where [`show_progress`] is false, and restore them after.

    It is used as a decorator of the functions that read, map or train.
    """
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    hidden = not show_progress()
    hide_datasets = hidden and not are_progress_bars_disabled()
    hide_transformers = hidden and logging.is_progress_bar_enabled()
    if hide_datasets:
        disable_progress_bars()
    if hide_transformers:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if hide_datasets:
            enable_progress_bars()
        if hide_transformers:
            logging.enable_progress_bar()
