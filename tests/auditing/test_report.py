import re

import pandas as pd

from hf_lstm.auditing.report import write_report

HOSTILE = '<script>alert("1")</script> & co'


def write(folder, **tables):
    write_report(folder, HOSTILE, [HOSTILE], {name: (f"Heading {name}", table) for name, table in tables.items()})
    return (folder / "audit.html").read_text(encoding="utf-8")


def test_texts_names_and_titles_are_escaped(tmp_path):
    page = write(tmp_path, errors=pd.DataFrame({"row": [1], "text": [HOSTILE], "label": [HOSTILE]}))
    assert "<script" not in page and page.count("&lt;script&gt;") == 5  # title, heading, summary, text and label
    assert not re.search(r"(src|href)=", page)  # nothing is loaded
    assert '<html lang="en">' in page and '<th scope="col">row</th>' in page and "<caption>" in page
    assert pd.read_csv(tmp_path / "errors.csv")["text"].tolist() == [HOSTILE]


def test_numbers_and_long_tables_and_texts(tmp_path):
    rows = 1_500
    table = pd.DataFrame(
        {
            "row": range(1, rows + 1),
            "text": ["x" * 3_000] * rows,
            "score": [1 / 3] * rows,
            "likely_error": [True] * rows,
        }
    )
    page = write(tmp_path, errors=table, empty=table[:0])
    assert ": the first 200 of 1,500. All rows are in errors.csv." in page and page.count("<tr>") == 201
    (style,) = re.findall(r"td\.number {(.*)}", page)
    assert "white-space: nowrap" in style  # the cells of a table may break anywhere
    assert '<td class="number">200</td>' in page and '<td class="number">0.333</td>' in page and "<td>yes</td>" in page
    assert "x" * 1_000 + "…" in page and "x" * 1_001 not in page
    assert "<p>None were found.</p>" in page
    assert len(pd.read_csv(tmp_path / "errors.csv")) == rows and (tmp_path / "empty.csv").is_file()
