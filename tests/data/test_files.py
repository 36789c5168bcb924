import datetime
import gzip
import json
import os
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from hf_lstm.data.files import is_data_file, read_files, stream_file
from hf_lstm.data.reading import read_source

ROWS = [
    {"text": 'comma, "quotes"\nand a line', "label": "007"},
    {"text": "None", "label": "NA"},
    {"text": "", "label": "x"},
]


WRITERS = {
    "csv": lambda rows, path: pd.DataFrame(rows).to_csv(path, index=False),
    "tsv": lambda rows, path: pd.DataFrame(rows).to_csv(path, index=False, sep="\t"),
    "json": lambda rows, path: path.write_text(json.dumps(rows, indent=1)),
    "jsonl": lambda rows, path: path.write_text("\n".join(map(json.dumps, rows)) + "\n\n"),
    "parquet": lambda rows, path: pd.DataFrame(rows).to_parquet(path),
}


@pytest.mark.parametrize("ending", WRITERS)
def test_every_format_gives_the_rows_as_written(tmp_path, ending):
    path = tmp_path / f"odd [name] ü.{ending}"
    WRITERS[ending](ROWS, path)
    assert read_source(str(path))["train"].to_list() == ROWS
    assert list(stream_file(str(path))) == ROWS


def test_json_documents_of_columns(tmp_path):
    path, rows = tmp_path / "a.json", [{"text": "x", "label": [1]}, {"text": "y", "label": []}]
    for columns in (
        {"text": ["x", "y"], "label": [[1], []]},
        {"text": {"0": "x", "7": "y"}, "label": {"7": [], "0": [1]}},
    ):
        path.write_text(json.dumps(columns))
        assert read_source(path)["train"].to_list() == list(stream_file(path)) == rows
    path.write_text(json.dumps({"text": ["x", "y"], "label": ["z"]}))
    assert len(read_source(path)["train"]) == 1  # one row with two lists
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": ["x", "y"], "label": ["z", "z"]}))
    assert len(list(stream_file(tmp_path / "a.jsonl"))) == 1


def test_byte_order_marks_are_removed(tmp_path):
    for name, content in {"a.csv": "text,label\nx,y\n", "a.jsonl": '{"text": "x", "label": "y"}\n'}.items():
        (tmp_path / name).write_text(content, encoding="utf-8-sig")
        assert read_source(str(tmp_path / name))["train"].to_list() == [{"text": "x", "label": "y"}]


def test_fasttext_lines(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("__label__pos __label__long it was  good\n\n__label__neg\n")
    assert read_source(str(path))["train"].to_list() == [
        {"text": "it was  good", "labels": ["pos", "long"]},
        {"text": "", "labels": ["neg"]},
    ]
    # A line given for prediction has one result each, blank or not.
    assert [row["text"] for row in stream_file(str(path))] == ["it was  good", "", ""]


def test_json_types_are_valid_for_all_rows(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"text": "x", "score": 1, "id": 2**60 + 1}] * 1500 + [{"text": "y", "score": 0.5, "more": 1}, {"text": "z"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert read_source(str(path))["train"].select(range(1499, 1502)).to_list() == [
        {"text": "x", "score": 1.0, "id": 2**60 + 1, "more": None},
        {"text": "y", "score": 0.5, "id": None, "more": 1},
        {"text": "z", "score": None, "id": None, "more": None},
    ]


def test_values_of_several_types_become_text_and_are_reported(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"text": "x", "price": 1, "note": None, "x": "0", "list": []}] * 1500
    rows += [{"text": "y", "price": 2.5, "note": 3, "x": 1, "list": [{"a": 1}]}]
    path.write_text("\n".join(map(json.dumps, rows)))
    notes = []
    found = read_source(path, notes=notes)["train"]
    assert found[0] == {"text": "x", "price": 1.0, "note": None, "x": "0"}
    assert found[1500] == {"text": "y", "price": 2.5, "note": 3, "x": "1"}
    assert notes == [
        f"Column 'x' of {path} has text and whole numbers; all its values are read as text.",
        f"Did not read columns with lists of objects in {path}: 'list'.",
    ]


def test_nested_fields_have_dotted_names_in_a_stream(tmp_path):
    rows = [{"id": 1, "ticket": {"subject": "a", "by": {"name": "b"}}}, {"id": 2, "ticket": {}}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pd.DataFrame(rows[:1]).to_parquet(tmp_path / "a.parquet")
    first = {"id": 1, "ticket.subject": "a", "ticket.by.name": "b"}
    assert list(stream_file(tmp_path / "a.jsonl")) == [first, {"id": 2, "ticket": {}}]
    assert list(stream_file(tmp_path / "a.parquet")) == [first]
    for name in ("a.jsonl", "a.parquet"):
        assert next(iter(stream_file(tmp_path / name, flatten=False))) == rows[0]
    streamed = read_source(Dataset.from_list(rows[:1]), streaming=True)["train"]
    assert list(streamed) == [first]


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "a.jsonl"
    for word in ("one", "two"):
        path.write_text(json.dumps({"text": word}))
        assert read_source(str(path))["train"]["text"][0] == word


def test_long_texts_are_read_completely(tmp_path):
    long = "word " * 1_000_000
    for ending, write in WRITERS.items():
        path = tmp_path / f"long.{ending}"
        write([{"text": long, "label": "a"}], path)
        assert read_source(str(path))["train"]["text"][0] == long


BAD_FILES = {
    "empty.csv": (b"", "is empty"),
    "blank.jsonl": (b"\n\n", "has no rows"),
    "header.csv": (b"text,label\n", "no rows"),
    "longer.csv": (b"text,label\na,b,c\n", "line 2"),
    "ragged.csv": (b"text,label\na,b\na,b,c\n", "line 3"),
    "quote.csv": (b'text,label\na,b\n"a,b\n', "line 3: the quotes"),
    "damaged.csv": ("text,label\nüü,a\n".encode() + b"caf\xe9,b\n", "line 3 is not UTF-8"),
    "binary.jsonl": (b"\x80\x00\xff" * 50, "line 1 is not UTF-8"),
    "list.json": (b'[{"text": "a"}', "delimiter"),
    "lines.jsonl": (b'{"text": "a"}\n{"text": oops}\n', "line 2"),
    "scalar.jsonl": (b'{"text": "a"}\n3\n', "line 2"),
    "text.parquet": (b"hello there " * 9, "not a parquet file"),
    "plain.txt": (b"__label__a x\nno label\n", "line 2"),
    "page.html": (b"<p>", ".csv, .tsv"),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("in_folder", [False, True])
def test_broken_files_give_one_sentence_that_names_them(tmp_path, name, in_folder, caplog):
    content, part = BAD_FILES[name]
    folder = tmp_path / "c"
    folder.mkdir()
    path = folder / f"train-{name}"
    path.write_bytes(content)
    if in_folder and path.suffix == ".html":
        pytest.skip("a folder is searched for known formats only")
    with pytest.raises(ValueError) as error:
        read_source(str(folder if in_folder else path))
    message = str(error.value)
    assert str(path) in message and part in message
    assert "\n" not in message and message.endswith(".")
    assert not caplog.records


def test_parquet_files_without_rows_and_with_empty_row_groups_are_read(tmp_path):
    path, rows = tmp_path / "a.parquet", pa.table({"text": ["good", "bad"]})
    with pq.ParquetWriter(path, rows.schema) as writer:
        writer.write_table(rows.slice(0, 0))
    assert list(stream_file(path)) == []
    with pq.ParquetWriter(path, rows.schema) as writer:
        for table in (rows.slice(0, 0), rows, rows.slice(0, 1)):
            writer.write_table(table)
    assert [row["text"] for row in stream_file(path)] == ["good", "bad", "good"]


def test_a_parquet_file_with_two_columns_of_one_name_is_refused(tmp_path):
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="a.parquet has several columns 'text'; rename or remove all but one"):
        list(stream_file(tmp_path / "a.parquet"))


def test_damaged_text_in_a_parquet_file_is_found(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"text": ["first", "second"], "label": ["a", "b"]})
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"second", b"sec\xc3nd"))
    for read in (read_source, lambda path: list(stream_file(path))):
        with pytest.raises(ValueError, match="a.parquet could not be read; check that its content"):
            read(path)


def test_broken_rows_are_found_while_streaming(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n' * 20 + "{oops\n")
    seen = []
    with pytest.raises(ValueError, match="a.jsonl, line 21 is not JSON"):
        for batch in stream_file(str(path)).iter(batch_size=10):
            seen += batch["text"]
    assert seen == ["a"] * 20


def test_lines_are_texts_if_no_labels_are_expected(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("it was  good\n\n__label__pos marked\n")
    lines = [{"text": "it was  good"}, {"text": ""}, {"text": "marked"}]
    assert read_source(str(path), labelled=False)["train"].to_list() == lines
    (tmp_path / "c").mkdir()
    for name in ("train.txt", "dev.txt"):
        (tmp_path / "c" / name).write_text(path.read_text())
    splits = read_source(str(tmp_path / "c"), labelled=False)
    assert {name: rows.to_list() for name, rows in splits.items()} == {"train": lines, "validation": lines}
    with pytest.raises(ValueError, match="a.txt, line 1: expected a label"):
        read_source(str(path))


def test_rows_are_cached_by_content_and_not_by_time(tmp_path):
    for ending in ("csv", "parquet"):
        path = tmp_path / f"a.{ending}"
        for word in ("one", "two"):
            WRITERS[ending]([{"text": word, "label": "x"}], path)
            os.utime(path, (1_000_000_000, 1_000_000_000))
            assert read_source(path)["train"]["text"][0] == word


@pytest.mark.parametrize("labelled", [True, False])
def test_notes_report_the_detected_format(tmp_path, labelled):
    (tmp_path / "a.csv").write_text("text;label\ncafé, noir;x\n", encoding="cp1252")
    notes = []
    rows = read_files({"train": [str(tmp_path / "a.csv")]}, labelled=labelled, notes=notes)["train"]
    assert rows.to_list() == [{"text": "café, noir", "label": "x"}]
    assert [note.split("; set ")[0] for note in notes] == [
        f"Read {tmp_path}/a.csv with the encoding cp1252",
        f"The columns of {tmp_path}/a.csv are separated by semicolons",
    ]
    streamed = []
    assert list(stream_file(tmp_path / "a.csv", notes=streamed)) == rows.to_list() and streamed == notes


def test_separator_and_encoding_can_be_given(tmp_path):
    (tmp_path / "a.csv").write_text("text:label\nżółć:x\n", encoding="cp1250")
    expected = [{"text": "żółć", "label": "x"}]
    assert list(stream_file(tmp_path / "a.csv", separator=":", encoding="cp1250")) == expected
    assert read_source(tmp_path / "a.csv", separator=":", encoding="cp1250")["train"].to_list() == expected
    with pytest.raises(ValueError, match="encoding is 'utf-9', which is unknown"):
        read_source(tmp_path / "a.csv", encoding="utf-9")


@pytest.mark.parametrize("name", ["a.csv", "a.CSV.gz", "a.jsonl.zst", "b/c.parquet"])
def test_names_of_data_files(name):
    assert is_data_file(name)
    assert not is_data_file(name + ".exe") and not is_data_file("stanfordnlp/imdb")


def write_sheets(path, **sheets):
    openpyxl = pytest.importorskip("openpyxl")
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
    workbook.save(path)


def test_the_first_sheet_of_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "a.xlsx"
    rows = [["text", "stars", "good", "on", None], ["x, y", 1, True, datetime.date(2024, 5, 6)], [], ["z", 2.5, None]]
    write_sheets(path, reviews=rows, notes=[["other"]])
    expected = [
        {"text": "x, y", "stars": 1.0, "good": True, "on": "2024-05-06T00:00:00"},
        {"text": "z", "stars": 2.5, "good": None, "on": None},
    ]
    notes = []
    assert read_source(path, notes=notes)["train"].to_list() == list(stream_file(path)) == expected
    assert notes == [f"Read the first sheet of {path}, 'reviews'; did not read 'notes'."]
    (tmp_path / "b.xlsx.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_source(tmp_path / "b.xlsx.gz")["train"].to_list() == expected


@pytest.mark.parametrize(
    ("rows", "message"), [([], "has no rows"), ([["a", "b", "a"]], "several columns 'a'"), ([["a"]], "has no rows")]
)
def test_unusable_spreadsheets_give_one_sentence(tmp_path, rows, message):
    write_sheets(tmp_path / "a.xlsx", first=rows)
    with pytest.raises(ValueError, match=f"a.xlsx.*{message}"):
        read_source(tmp_path / "a.xlsx")
    (tmp_path / "b.xlsx").write_bytes(b"PK damaged")
    with pytest.raises(ValueError, match="b.xlsx could not be read"):
        read_source(tmp_path / "b.xlsx")


def test_a_spreadsheet_without_openpyxl_gives_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r'needs the package openpyxl; run: pip install "hf_lstm\[tables\]"'):
        read_source(tmp_path / "a.xlsx")
