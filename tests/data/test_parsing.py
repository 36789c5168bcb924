import json

import pytest

from hf_lstm.data.formats import FileError, detect_format
from hf_lstm.data.parsing import parse_file


def parse(tmp_path, name, content, **options):
    (tmp_path / name).write_text(content, newline="")
    return list(parse_file(detect_format(str(tmp_path / name)), **options))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quoted_fields_and_line_ends(tmp_path, end):
    content = end.join(["text,label", '"a, ""b""",x', "", '"two\nlines",y'])
    assert parse(tmp_path, "a.csv", content) == [{"text": 'a, "b"', "label": "x"}, {"text": "two\nlines", "label": "y"}]


def test_short_rows_have_missing_values_and_trailing_separators_are_ignored(tmp_path):
    rows = parse(tmp_path, "a.csv", "text,label,\na,x,,\nb\n")
    assert rows == [{"text": "a", "label": "x", "column 3": ""}, {"text": "b", "label": None, "column 3": None}]


def test_quotes_in_a_tsv_file_are_text_unless_they_are_consistent(tmp_path):
    rows = [(f'"text {i}' if i % 50 == 0 else f"text {i}", "ab"[i % 2]) for i in range(200)]
    content = "text\tlabel\n" + "".join("\t".join(row) + "\n" for row in rows)
    assert [tuple(row.values()) for row in parse(tmp_path, "a.tsv", content)] == rows
    assert parse(tmp_path, "b.tsv", 'text\tlabel\n"a ""b""\tc"\tx\n') == [{"text": 'a "b"\tc', "label": "x"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('text,label\na,x\n"b,y\nc,x\n', "line 3: the quotes of this row are not closed"),
        ('text,label\n"a" b,x\n', "line 2: the quotes of this row are not closed, or quotes inside them"),
        ("text,label\na,x\nb, c,y\n", "line 3 has 3 fields, but the header has 2; enclose fields"),
        ("text,text\na,x\n", "has several columns 'text'; rename or remove"),
    ],
)
def test_damaged_rows_are_named_by_their_line(tmp_path, content, message):
    with pytest.raises(FileError, match=message):
        parse(tmp_path, "a.csv", content)


ROWS = [{"text": "a", "label": "x"}, {"text": "b", "label": None}]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\n\n".join(map(json.dumps, ROWS)),
        json.dumps({"text": {"0": "a", "1": "b"}, "label": {"0": "x", "1": None}}),
        json.dumps({"text": {"0": "a", "1": "b"}, "label": {"0": "x", "1": None}}, indent=2),
    ],
)
def test_layouts_of_json(tmp_path, content):
    assert parse(tmp_path, "a.json", content) == ROWS


def test_a_single_json_line_with_objects_is_a_row(tmp_path):
    row = {"a": {"x": 1}, "b": {"y": 2}}
    assert parse(tmp_path, "a.jsonl", json.dumps(row)) == [row]


def test_lines_of_text(tmp_path):
    content = "__label__a __label__b it was  good\n\nplain\n"
    assert [row["text"] for row in parse(tmp_path, "a.txt", content, labelled=False)] == ["it was  good", "", "plain"]
    with pytest.raises(FileError, match="line 3: expected a label before the text"):
        parse(tmp_path, "a.txt", content)
