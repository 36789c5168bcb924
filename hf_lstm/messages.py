"""Helpers for messages: counts, one-line errors."""

import sys


def one_line(error: object) -> str:
    """The message of an error, which in a library may have many lines, as one without a full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def capitalize(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def format_count(number: int, noun: str) -> str:
    """1 row, 2,000 rows."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def markdown_table(rows: list[list[str]]) -> str:
    """A Markdown table, aligned to be read as it is too; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def show_progress() -> bool:
    """Return whether progress bars make sense: on a terminal and in a notebook, but not in a log file."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
