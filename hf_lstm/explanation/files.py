"""Write explanations to HTML and JSON files."""

import os
from collections.abc import Iterable
from pathlib import Path

from .rendering import PAGE_END, PAGE_START
from .result import Explanation

# What precedes, separates and follows the explanations in a file of each type.
LAYOUTS = {".html": (PAGE_START, "\n", PAGE_END), ".json": ("[\n", ",\n", "\n]\n"), ".jsonl": ("", "\n", "\n")}


def check_explanation_file(path: str | Path) -> str:
    """Return the suffix of a file in lower case, or raise a `ValueError` if explanations cannot be written to it."""
    suffix = Path(path).suffix.lower()
    if suffix not in LAYOUTS:
        raise ValueError(f"{path} must end in {', '.join(LAYOUTS)}; the suffix selects the format of the output.")
    return suffix


def write_explanations(explanations: Iterable[Explanation], path: str | Path) -> int:
    """
    Write explanations one by one. The file appears when all of them are written.

    Args:
        explanations: The explanations.
        path: File that ends in .html (a page that needs no other file), .json (a list) or .jsonl (one per line).

    Returns:
        Number of explanations.

    Raises:
        ValueError: The path has another suffix.
    """
    suffix = check_explanation_file(path)
    start, separator, end = LAYOUTS[suffix]
    partial, count = Path(f"{path}.partial"), 0
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(start)
            for explanation in explanations:
                file.write(separator if count else "")
                file.write(explanation.to_figure() if suffix == ".html" else explanation.to_json())
                count += 1
            file.write(end if count or suffix != ".jsonl" else "")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return count
