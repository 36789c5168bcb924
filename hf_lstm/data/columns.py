"""Find the text and label columns of a table."""

from collections.abc import Iterator

from datasets import Dataset, Features, IterableDataset, Value

TEXT_COLUMNS = ("text", "sentence", "review", "content", "question", "document", "comment", "tweet", "message", "body")

LABEL_COLUMNS = ("label", "labels", "sentiment", "category", "class", "target", "intent", "emotion", "topic", "score")


def find_column(columns: list[str], usual: tuple[str, ...], wanted: str | None, *, role: str, where: str) -> str:
    """Finds the text or label column of a table.

    Args:
        columns: Column names of the table.
        usual: Usual names in lower case; the first of them wins over the others.
        wanted: The name the user gave, if any.
        role: "text" or "label", for the message.
        where: What the table is called in the message.

    Returns:
        The name of the column.

    Raises:
        ValueError: There is no such column, or more than one.
    """
    listed = ", ".join(columns)
    if wanted is not None:
        if wanted not in columns:
            raise ValueError(f"{where} has no column {wanted!r}; its columns are: {listed}.")
        return wanted
    # What predict.py has added is no label to learn from or to measure against.
    candidates = [column for column in columns if not column.startswith("predicted_")]
    found = [column for column in candidates if column.lower() in usual or column.lower().endswith(f"_{role}")]
    best = [column for column in found if column.lower() == usual[0]] or found
    if len(best) != 1:
        problem = (
            f"several columns that may hold the {role}" if found else f"no column that is known to hold the {role}"
        )
        raise ValueError(f"{where} has {problem}; name one as {role}_column. Its columns are: {listed}.")
    return best[0]


def select_texts(rows: Dataset | IterableDataset, text_column: str) -> Dataset | IterableDataset:
    """The column `text` of the rows in which something stands."""
    rows = rows.select_columns([text_column]).rename_columns({text_column: "text"} if text_column != "text" else {})
    # One type for all splits, which would not join otherwise.
    return rows.filter(lambda row: bool(row["text"] and row["text"].strip())).cast(Features({"text": Value("string")}))


def iterate_texts(rows: Dataset) -> Iterator[str]:
    """The texts of a split, without loading all of its columns."""
    for batch in rows.select_columns("text").iter(batch_size=1000):
        yield from batch["text"]
