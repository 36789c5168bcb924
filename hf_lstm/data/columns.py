"""Find the text and label columns of a table, and read the texts."""

from collections.abc import Iterator
from typing import TypeVar

from datasets import Dataset, Features, IterableDataset, Value

from ..messages import capitalize

TEXT_COLUMNS = ("text", "sentence", "review", "content", "question", "document", "comment", "tweet", "message", "body")

LABEL_COLUMNS = ("label", "labels", "sentiment", "category", "class", "target", "intent", "emotion", "topic", "score")

Rows = TypeVar("Rows", Dataset, IterableDataset)


def find_column(columns: list[str], usual: tuple[str, ...], wanted: str | None, *, role: str, where: str) -> str:
    """Find the text or label column of a table.

    Args:
        columns: Column names of the table.
        usual: Usual names in lower case; the first of them has priority over the others.
        wanted: The name that the user gave, if any.
        role: "text" or "label", for the message.
        where: What the message calls the table.

    Returns:
        The name of the column.

    Raises:
        ValueError: There is no such column, or more than one.
    """
    listed = ", ".join(columns)
    where = capitalize(where)
    if wanted is not None:
        if wanted not in columns:
            raise ValueError(f"{where} has no column {wanted!r}; its columns are: {listed}.")
        return wanted
    # The columns that prediction adds to a file are not labels to train on or to evaluate with.
    candidates = [column for column in columns if not column.startswith("predicted_")]
    found = [column for column in candidates if column.lower() in usual or column.lower().endswith(f"_{role}")]
    best = [column for column in found if column.lower() == usual[0]] or found
    if len(best) != 1:
        problem = f"several columns that may be the {role} column" if found else f"no column with a usual {role} name"
        raise ValueError(f"{where} has {problem}; set {role}_column. Its columns are: {listed}.")
    return best[0]


def select_texts(rows: Rows, text_column: str) -> Rows:
    """Return the texts as the only column `text`, without empty and blank ones."""
    rows = rows.select_columns([text_column]).rename_columns({text_column: "text"} if text_column != "text" else {})
    # The splits must have the same type before they can be concatenated.
    return rows.filter(lambda row: bool(row["text"] and row["text"].strip())).cast(Features({"text": Value("string")}))


def iterate_texts(rows: Dataset) -> Iterator[str]:
    """Yield the texts of a split without loading all of them into memory."""
    for batch in rows.select_columns("text").iter(batch_size=1000):
        yield from batch["text"]
