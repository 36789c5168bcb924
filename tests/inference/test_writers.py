import csv
import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_lstm.inference.columns import find_schema
from hf_lstm.inference.writers import open_writer

ROWS = [
    {"text": 'a "quoted",\ttext\nof two lines', "number": 1, "mixed": 1, "list": ["a", "b,c"]},
    {"text": "", "number": 2.5, "mixed": "1", "extra": {"x": 1, "y": None}},
    {"number": None, "mixed": None, "list": [], "extra": {"x": 0.5}, "late": True},
]


def write(path, *windows):
    schema, _ = find_schema(row for rows in windows for row in rows)
    with open_writer(str(path), schema) as write_rows:
        for rows in windows:
            write_rows(rows)


@pytest.mark.parametrize("name", ["out.csv", "out.tsv"])
def test_tables_of_text_hold_all_columns_and_json_for_lists_and_objects(tmp_path, name):
    write(tmp_path / name, ROWS[:1], ROWS[1:])
    with open(tmp_path / name, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t" if name.endswith("tsv") else ","))
    assert rows == [
        ["text", "number", "mixed", "list", "extra", "late"],
        [ROWS[0]["text"], "1", "1", '["a", "b,c"]', "", ""],
        ["", "2.5", "1", "", '{"x": 1, "y": null}', ""],
        ["", "", "", "[]", '{"x": 0.5}', "True"],
    ]


def test_jsonl_keeps_the_keys_and_types_of_each_row(tmp_path):
    write(tmp_path / "out.jsonl", ROWS[:1], ROWS[1:])
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [repr(json.loads(line)) for line in lines] == [repr(row) for row in ROWS]


def test_parquet_has_types_that_fit_all_rows(tmp_path):
    write(tmp_path / "out.parquet", ROWS[:1], ROWS[1:])
    read = pq.read_table(tmp_path / "out.parquet")
    number = pa.float64()
    assert read.schema.types == [
        *(pa.string(), number, pa.string(), pa.list_(pa.string())),
        *(pa.struct([("x", number), ("y", pa.string())]), pa.bool_()),
    ]
    assert read["number"].to_pylist() == [1.0, 2.5, None] and read["mixed"].to_pylist() == ["1", "1", None]
    assert read["list"].to_pylist() == [["a", "b,c"], None, []]
    assert read["extra"].to_pylist() == [None, {"x": 1.0, "y": None}, {"x": 0.5, "y": None}]
    assert read["late"].to_pylist() == [None, None, True] and read["text"].to_pylist() == [ROWS[0]["text"], "", None]


def test_parquet_keeps_declared_types(tmp_path):
    schema = pa.schema([("day", pa.date32()), ("small", pa.float32()), ("bytes", pa.binary()), ("none", pa.null())])
    row = {"day": datetime.date(2020, 2, 29), "small": 0.5, "bytes": b"\xff", "none": None}
    with open_writer(str(tmp_path / "out.parquet"), schema) as write_rows:
        write_rows([row])
    read = pq.read_table(tmp_path / "out.parquet")
    assert read.schema == schema and read.to_pylist() == [row]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_nested_text_without_a_utf8_form_is_written(tmp_path, suffix):
    write(tmp_path / f"out.{suffix}", [{"a": {"b": "x\ud83d"}, "c": ["\udc00"], "d": {}}])
    assert (tmp_path / f"out.{suffix}").stat().st_size > 0


def test_writer_refuses_an_unknown_ending(tmp_path):
    with pytest.raises(ValueError, match="must end in .csv"), open_writer(str(tmp_path / "out.xlsx"), pa.schema([])):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_failed_writing_leaves_no_file(tmp_path, suffix):
    with (
        pytest.raises(KeyError),
        open_writer(str(tmp_path / f"out.{suffix}"), pa.schema([("a", pa.int64())])) as write_rows,
    ):
        write_rows([{"a": 1}])
        raise KeyError
    assert not list(tmp_path.iterdir())
