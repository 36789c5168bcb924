import csv
import json

import pyarrow.parquet as pq
import pytest

from hf_lstm.inference.files import open_writer, predict_file, windows
from hf_lstm.inference.prediction import format_predictions, predict_texts

TEXTS = ["a good film", "a bad film", "not a good film at all", "not bad"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_predict_file_adds_columns_and_counts_missing_texts(model, tokenizer, tmp_path, suffix):
    source, target = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    rows = [{"id": i, "text": text} for i, text in enumerate([*TEXTS, None, ""])]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert predict_file(model, tokenizer, str(source), str(target)) == (6, 1)

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
        predict_file(model, tokenizer, str(source), str(tmp_path / "." / "rows.csv"))
    assert source.read_text() == "text\ngood\n"


def test_predict_file_replaces_its_output_only_when_all_rows_are_written(model, tokenizer, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.csv"
    target.write_text("kept")
    source.write_text('{"text": "fine"}\n{"text": 5}\n')
    with pytest.raises(ValueError, match="Column 'text' of .*in.jsonl holds 5 in row 2, not a text"):
        predict_file(model, tokenizer, str(source), str(target))
    assert target.read_text() == "kept" and sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.csv"]


def test_writer_refuses_an_unknown_ending(tmp_path):
    with pytest.raises(ValueError, match="must end in .csv"), open_writer(str(tmp_path / "out.xlsx")):
        pass


def test_windows_are_consecutive_lists():
    assert list(windows(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
    assert list(windows([], 2)) == []


def test_predict_file_draws_no_bar_in_a_log_file(model, tokenizer, tmp_path, capsys):
    (tmp_path / "rows.csv").write_text("text\ngood\n")
    predict_file(model, tokenizer, tmp_path / "rows.csv", tmp_path / "out.csv")
    assert capsys.readouterr() == ("", "")
