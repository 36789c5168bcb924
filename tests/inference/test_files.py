import csv
import datetime
import decimal
import json
import re
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_lstm import LstmForSequenceClassification
from hf_lstm.inference.files import predict_file, windows
from hf_lstm.inference.prediction import format_predictions, predict_texts

TEXTS = ["a good film", "a bad film", "not a good film at all", "not bad"]


def predict_with_model(model, tokenizer, source, target, **options):
    return predict_file(partial(predict_texts, model, tokenizer), model.config, source, target, **options)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_predict_file_adds_columns_and_counts_missing_texts(model, tokenizer, tmp_path, suffix):
    source, target = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    rows = [{"id": i, "text": text} for i, text in enumerate([*TEXTS, None, ""])]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert predict_with_model(model, tokenizer, str(source), str(target)) == (6, 1)

    if suffix == "jsonl":
        written = [json.loads(line) for line in target.read_text().splitlines()]
    elif suffix == "parquet":
        written = pq.read_table(target).to_pylist()
    else:
        with open(target, newline="") as stream:
            written = list(csv.DictReader(stream, delimiter="\t" if suffix == "tsv" else ","))
    assert [int(row["id"]) for row in written] == list(range(6))
    assert written[4]["predicted_label"] in (None, "")
    expected = format_predictions(predict_texts(model, tokenizer, [*TEXTS, ""]), model.config)
    for row, prediction in zip(written[:4] + written[5:], expected, strict=True):
        assert row["predicted_label"] == prediction["label"]
        assert float(row["predicted_score"]) == pytest.approx(prediction["score"], abs=1e-6)


def test_predict_file_does_not_overwrite_its_input(model, tokenizer, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_text("text\ngood\n")
    with pytest.raises(ValueError, match="is the input file; choose another"):
        predict_with_model(model, tokenizer, str(source), str(tmp_path / "." / "rows.csv"))
    assert source.read_text() == "text\ngood\n"


def test_predict_file_replaces_its_output_only_when_all_rows_are_written(model, tokenizer, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.csv"
    target.write_text("kept")
    source.write_text('{"text": "fine"}\n{"text": 5}\n')
    with pytest.raises(ValueError, match="Column 'text' of .*in.jsonl holds 5 in row 2, not a text"):
        predict_with_model(model, tokenizer, str(source), str(target))
    assert target.read_text() == "kept" and sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.csv"]


def read_rows(path):
    """Rows of a file, without the columns of the predictions."""
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))
    return [{key: value for key, value in row.items() if not key.startswith("predicted_")} for row in rows]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_values_that_first_occur_in_late_windows_are_kept(model, tokenizer, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("hf_lstm.inference.files.WINDOW", 2)
    rows = [{"text": TEXTS[i % 4], "price": i, "note": None, "x": i if i % 2 else str(i)} for i in range(9)]
    rows[7] |= {"price": 2.5, "note": 7, "rating": [5, {"by": "me"}]}
    del rows[8]["price"]
    write_lines(tmp_path / "in.jsonl", rows)
    notes = []
    target = tmp_path / f"out.{suffix}"
    assert predict_with_model(model, tokenizer, tmp_path / "in.jsonl", target, notes=notes) == (9, 0)
    found = read_rows(target)
    if suffix == "jsonl":
        assert repr(found) == repr(rows) and notes == []
        return
    kinds = "Columns of .*in.jsonl with values of several types are written as text: 'x', 'rating'."
    assert len(notes) == 1 and re.fullmatch(kinds, notes[0])
    expected = []
    for row in rows:
        price, rating = row.get("price"), row.get("rating") and json.dumps(row["rating"])
        if suffix == "parquet":
            expected.append({**row, "price": price, "x": str(row["x"]), "rating": rating})
        else:  # whole numbers stay whole
            texts = {"text": row["text"], "price": price, "note": row["note"], "x": row["x"], "rating": rating}
            expected.append({key: "" if value is None else str(value) for key, value in texts.items()})
    assert found == expected


def test_types_of_a_parquet_file_are_kept(model, tokenizer, tmp_path):
    schema = pa.schema(
        [("text", pa.large_string()), ("small", pa.int16()), ("empty", pa.float32()), ("when", pa.timestamp("us"))]
    )
    when = datetime.datetime(2020, 2, 29, 12, 30)
    rows = [{"text": text, "small": None if i else 3, "empty": None, "when": when} for i, text in enumerate(TEXTS)]
    table = pa.Table.from_pylist(rows, schema)
    table = table.append_column("kind", pa.array(["x", "y", "x", "y"]).dictionary_encode())
    pq.write_table(table, tmp_path / "in.parquet")
    predict_with_model(model, tokenizer, tmp_path / "in.parquet", tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.schema.types == [*schema.types, pa.string(), pa.string(), pa.float64()]
    kinds = zip(rows, "xyxy", strict=True)
    assert read_rows(tmp_path / "out.parquet") == [{**row, "kind": kind} for row, kind in kinds]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("source", ["in.jsonl", "in.parquet"])
def test_nested_values_are_kept_and_may_hold_the_text(model, tokenizer, tmp_path, source, suffix):
    tickets = [{"subject": "good", "by": {"name": "x"}}, None, {"subject": None, "by": None}]
    rows = [{"id": i, "ticket": ticket} for i, ticket in enumerate(tickets)]
    write_lines(tmp_path / "in.jsonl", rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    target = tmp_path / f"out.{suffix}"
    counts = predict_with_model(model, tokenizer, tmp_path / source, target, text_column="ticket.subject")
    assert counts == (3, 2)
    if suffix == "csv":
        rows = [{"id": str(i), "ticket": ticket and json.dumps(ticket) or ""} for i, ticket in enumerate(tickets)]
    assert read_rows(target) == rows


def test_every_type_of_a_parquet_file_is_kept(model, tokenizer, tmp_path):
    columns = {
        "text": pa.array(TEXTS[:2]),
        "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
        "price": pa.array([decimal.Decimal("1.10"), None]),
        "half": pa.array([1.5, None], pa.float16()),
        "nanoseconds": pa.array([1, None], pa.timestamp("ns", tz="UTC")),
        "fields": pa.array([[{"x": b"\xff"}], None]),
    }
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "in.parquet")
    predict_with_model(model, tokenizer, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").select(table.column_names).equals(table)


def test_several_labels_of_a_text_are_lists(tiny_config, tokenizer, tmp_path):
    config = tiny_config(num_labels=2, problem_type="multi_label_classification", threshold=0.0)
    model = LstmForSequenceClassification(config).eval()
    write_lines(tmp_path / "in.jsonl", [{"text": text} for text in TEXTS])
    for suffix, parse in (("csv", json.loads), ("parquet", lambda value: value)):
        target = tmp_path / f"out.{suffix}"
        predict_with_model(model, tokenizer, tmp_path / "in.jsonl", target)
        rows = pq.read_table(target).to_pylist() if suffix == "parquet" else list(csv.DictReader(target.open()))
        for row in rows:
            assert sorted(parse(row["predicted_label"])) == ["LABEL_0", "LABEL_1"]
            assert len(parse(row["predicted_score"])) == 2


@pytest.mark.parametrize(
    ("problem_type", "empty"), [("single_label_classification", None), ("multi_label_classification", [])]
)
def test_rows_below_every_threshold_have_no_label_and_are_counted(
    tiny_config, tokenizer, tmp_path, problem_type, empty
):
    config = tiny_config(num_labels=2, problem_type=problem_type, threshold=[1.0, 1.0])
    model, notes = LstmForSequenceClassification(config).eval(), []
    write_lines(tmp_path / "in.jsonl", [{"text": text} for text in [*TEXTS, None]])
    predict_with_model(model, tokenizer, tmp_path / "in.jsonl", tmp_path / "out.parquet", notes=notes)
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["predicted_label"] for row in rows] == [empty] * 4 + [None]
    assert [row["predicted_score"] is None for row in rows] == [False] * 4 + [True]
    (note,) = notes
    assert note == f"Rows of {tmp_path / 'in.jsonl'} without a label, because none reaches its threshold: 4."


def test_old_predictions_are_replaced_and_named(model, tokenizer, tmp_path):
    notes = []
    write_lines(tmp_path / "in.jsonl", [{"text": "good", "predicted_label": 5, "predicted_score": "x"}])
    predict_with_model(model, tokenizer, tmp_path / "in.jsonl", tmp_path / "out.parquet", notes=notes)
    replaced = "'predicted_label', 'predicted_score'"
    assert notes == [f"Columns of {tmp_path / 'in.jsonl'} that the predictions replace: {replaced}."]
    (row,) = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert row["predicted_label"] in ("neg", "pos") and 0 <= row["predicted_score"] <= 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_table_without_rows_gives_a_table_without_rows(model, tokenizer, tmp_path, suffix):
    (tmp_path / "in.csv").write_text("id,text\n")
    assert predict_with_model(model, tokenizer, tmp_path / "in.csv", tmp_path / f"out.{suffix}") == (0, 0)
    assert read_rows(tmp_path / f"out.{suffix}") == []


def test_unusable_rows_are_found_before_anything_is_predicted(tokenizer, tmp_path):
    write_lines(tmp_path / "in.jsonl", [{"text": "good"}] * 3 + [{"text": 1.5}])
    with pytest.raises(ValueError, match=r"holds 1.5 in row 4, not a text"):
        predict_file(None, None, tmp_path / "in.jsonl", tmp_path / "out.csv")


def test_a_missing_output_folder_is_an_error_before_the_rows_are_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"There is no folder {tmp_path / 'absent'} for the output file"):
        predict_file(None, None, tmp_path / "in.csv", tmp_path / "absent" / "out.csv")


def test_windows_are_consecutive_lists():
    assert list(windows(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
    assert list(windows([], 2)) == []


def test_predict_file_draws_no_bar_in_a_log_file(model, tokenizer, tmp_path, capsys):
    (tmp_path / "rows.csv").write_text("text\ngood\n")
    predict_with_model(model, tokenizer, tmp_path / "rows.csv", tmp_path / "out.csv")
    assert capsys.readouterr() == ("", "")
