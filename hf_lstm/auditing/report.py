"""Write the tables of an audit as CSV files and as one HTML page."""

import csv
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from ..saving import atomic_folder

# Rows of a table on the page; the CSV files have all of them.
SHOWN_ROWS = 200

# Characters of a text on the page.
SHOWN_CHARACTERS = 1_000

STYLE = """
body {font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 0 auto; padding: 1rem; color: #111;
  background: #fff}
table {border-collapse: collapse; width: 100%; margin: 1rem 0}
caption {text-align: left; padding: .3rem 0}
th, td {border: 1px solid #888; padding: .3rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere}
thead th {background: #eee; overflow-wrap: normal}
td.number {text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap}
td.text {white-space: pre-wrap; min-width: 16rem}
td.label {min-width: 7rem}
@media (prefers-color-scheme: dark) {body {color: #eee; background: #161616} thead th {background: #333}}
"""


def write_report(
    folder: str | Path, title: str, summary: Sequence[str], tables: Mapping[str, tuple[str, pd.DataFrame]]
) -> None:
    """
    Write each table to `NAME.csv` and all of them to the self-contained page `audit.html`.

    Args:
        folder: Folder to write to.
        title: Title of the page.
        summary: Sentences at the start of the page.
        tables: Heading and rows of each table, by the name of its file without suffix. The order of the rows is kept.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title><style>{STYLE}</style></head>',
        f"<body><main><h1>{escape(title)}</h1>",
        "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in summary) + "</ul>",
    ]
    with atomic_folder(folder) as partial:
        for name, (heading, table) in tables.items():
            # Unquoted, a text with a lone carriage return would be read as two rows.
            table.to_csv(partial / f"{name}.csv", index=False, quoting=csv.QUOTE_NONNUMERIC)
            parts += [f"<h2>{escape(heading)}</h2>", _html_table(name, heading, table)]
        page = "\n".join([*parts, "</main></body></html>", ""])
        # A lone surrogate has no UTF-8 form.
        (partial / "audit.html").write_text(page, encoding="utf-8", errors="replace")


def _html_table(name: str, heading: str, table: pd.DataFrame) -> str:
    """Return the first rows of a table as HTML, or a sentence if it has none."""
    if table.empty:
        return "<p>None were found.</p>"
    count = f"{len(table):,}" if len(table) <= SHOWN_ROWS else f"the first {SHOWN_ROWS:,} of {len(table):,}"
    lines = [f"<table><caption>{escape(heading)}: {count}. All rows are in {escape(name)}.csv.</caption>"]
    heads = "".join(f'<th scope="col">{escape(str(column).replace("_", " "))}</th>' for column in table.columns)
    lines.append(f"<thead><tr>{heads}</tr></thead><tbody>")
    for row in table.head(SHOWN_ROWS).to_dict("records"):
        lines.append("<tr>" + "".join(_html_cell(str(column), value) for column, value in row.items()) + "</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _html_cell(column: str, value: Any) -> str:
    """Return a cell; numbers are aligned to the right, and long texts are cut."""
    if column.startswith("text"):
        shown = value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}…"
        return f'<td class="text">{escape(shown)}</td>'
    if isinstance(value, float):
        return f'<td class="number">{value:.3f}</td>'
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    return f'<td class="label">{escape(str(value))}</td>'
