import json
import os
import shutil
import tempfile
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import LocalFileSystem

from hf_lstm.inference import many_files
from hf_lstm.inference.files import predict_file
from hf_lstm.inference.loading import load_scorer
from hf_lstm.inference.many_files import FileScorer, predict_files
from hf_lstm.inference.prediction import predict_texts

TEXTS = ["a good film", "a bad film", None, "not bad"]


def written(folder):
    """The names of the files in a folder, without the record of the model."""
    return sorted(name for name in os.listdir(folder) if name != ".hf_lstm.json")


@pytest.fixture
def data(tmp_path):
    """Files of several formats in two folders."""
    data = tmp_path / "data"
    for name in ("2023", "2024"):
        (data / name).mkdir(parents=True)
        pq.write_table(pa.table({"text": TEXTS, "n": pa.array(range(4), pa.int16())}), data / name / "a.parquet")
    (data / "2024" / "b.csv").write_text("text;n\ngood;1\n")
    (data / "2024" / "c.txt").write_text("good\nbad\n")
    return data


def test_each_file_is_that_of_one_prediction(folder, data, model, tokenizer, tmp_path):
    results, finished = predict_files(str(folder), f"{data}/*/*", f"{tmp_path}/scored/")
    assert finished == 0 and all(result.error is None for result in results)
    found = {str(path.relative_to(tmp_path / "scored")) for path in (tmp_path / "scored").rglob("[!.]*.*")}
    assert found == {"2023/a.parquet", "2024/a.parquet", "2024/b.csv", "2024/c.txt.jsonl"}
    for name in found:
        source = data / name.removesuffix(".jsonl")
        alone = tmp_path / f"alone{os.path.splitext(name)[1]}"
        predict_file(partial(predict_texts, model, tokenizer), model.config, source, alone)
        assert (tmp_path / "scored" / name).read_bytes() == alone.read_bytes()
    counts = {result.source: (result.rows, result.skipped) for result in results}
    assert counts[f"{data}/2023/a.parquet"] == (4, 1) and counts[f"{data}/2024/c.txt"] == (2, 0)
    (note,) = [note for result in results for note in result.notes]
    assert note.startswith(f"The columns of {data}/2024/b.csv are separated by semicolons")


def test_a_damaged_file_is_reported_and_tried_again(folder, data, tmp_path):
    damaged = data / "2023" / "d.parquet"
    damaged.write_bytes((data / "2023" / "a.parquet").read_bytes()[:-9])
    (data / "2023" / "e.csv").write_text("")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), data / "2023" / "f.parquet")
    results, _ = predict_files(str(folder), f"{data}/2023/*", str(tmp_path / "scored"))
    errors = {result.source: result.error for result in results if result.error}
    assert set(errors) == {str(damaged), f"{data}/2023/e.csv"} and errors[str(damaged)].startswith(f"{damaged} could")
    assert pq.read_table(tmp_path / "scored" / "f.parquet").schema.names == [
        "text",
        "predicted_label",
        "predicted_score",
    ]
    assert written(tmp_path / "scored") == ["a.parquet", "f.parquet"]

    damaged.write_bytes((data / "2023" / "a.parquet").read_bytes())
    (tmp_path / "scored" / "d.parquet.partial").write_text("of a process that was killed")
    (tmp_path / "scored" / "a.parquet").write_text("is not written again")
    results, finished = predict_files(str(folder), f"{data}/2023/*", str(tmp_path / "scored"))
    assert finished == 2 and {result.source for result in results} == set(errors)
    assert (tmp_path / "scored" / "a.parquet").read_text() == "is not written again"
    assert written(tmp_path / "scored") == ["a.parquet", "d.parquet", "f.parquet"]


def test_a_file_that_cannot_be_stored_leaves_nothing_and_does_not_stop_the_others(folder, data, tmp_path, monkeypatch):
    local = LocalFileSystem()
    score = FileScorer(partial(load_scorer, str(folder)), local, local, {}).load()
    source, out = str(data / "2024" / "b.csv"), tmp_path / "out"
    (out / "b.csv" / "full").mkdir(parents=True)  # a folder with content, which a file cannot replace
    assert score((source, str(out / "b.csv"))).error and os.listdir(out) == ["b.csv"]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    result = score((source, str(out / "c.csv")))
    assert result.source == source and "No such file or directory" in result.error


def test_a_name_with_the_characters_of_a_pattern_is_that_file(folder, data, tmp_path):
    (data / "2024" / "b [1].csv").write_text("text\ngood\n")
    (result,), _ = predict_files(str(folder), f"{data}/2024/b [1].csv", f"{tmp_path}/scored here")
    assert result.rows == 1 and written(tmp_path / "scored here") == ["b [1].csv"]
    with pytest.raises(ValueError, match=r"2024 is a folder; give a pattern of its files, such as .*2024/\*\."):
        predict_files(str(folder), f"{data}/2024", f"{tmp_path}/scored")


def test_a_folder_that_cannot_be_created_is_an_error_before_a_file_is_predicted(folder, data, tmp_path):
    def run(scorer, jobs):
        raise AssertionError

    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Cannot create directory"):
        predict_files(str(folder), f"{data}/2024/b.csv", f"{tmp_path}/file/scored", run)


def test_files_and_folders_can_be_uris(folder, data, tmp_path):
    results, _ = predict_files(str(folder), f"file://{data}/**/a.parquet", f"file://{tmp_path}/scored")
    assert len(results) == 2 and (tmp_path / "scored" / "2024" / "a.parquet").is_file()
    (result,), _ = predict_files(str(folder), f"file://{data}/2024/b.csv", f"file://{tmp_path}/one/")
    assert result.rows == 1 and written(tmp_path / "one") == ["b.csv"]


def test_another_filesystem_is_read_and_written(folder, data, tmp_path, monkeypatch):
    """A filesystem in memory, in place of one that needs a server."""
    fs = pa.fs._MockFileSystem()
    fs.create_dir("bucket/in")
    with fs.open_output_stream("bucket/in/a.jsonl") as file:
        file.write(b'{"text": "good", "n": 1}\n')
    monkeypatch.setattr(many_files, "_open_filesystem", lambda location: (fs, location.removeprefix("mock://")))
    (result,), _ = predict_files(str(folder), "mock://bucket/in/*.jsonl", "mock://bucket/out")
    found = [info.path for info in fs.get_file_info(pa.fs.FileSelector("bucket/out"))]
    assert result.error is None and sorted(found) == ["bucket/out/.hf_lstm.json", "bucket/out/a.jsonl"]
    with fs.open_input_stream("bucket/out/a.jsonl") as file:
        assert json.loads(file.read())["n"] == 1


def test_a_folder_has_the_predictions_of_one_model(folder, model, data, tmp_path):
    pattern, scored = f"{data}/2024/b.csv", str(tmp_path / "scored")
    predict_files(str(folder), pattern, scored)
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert predict_files(str(moved), pattern, scored) == ([], 1)
    model.classifier.weight.data *= 2
    model.save_pretrained(moved)
    with pytest.raises(ValueError, match=f"^{scored} has the predictions of another model, {folder}: choose another"):
        predict_files(str(moved), pattern, scored)
    model.save_pretrained(folder)
    with pytest.raises(ValueError, match=f"^{scored} has the predictions of {folder} before it was changed: "):
        predict_files(str(folder), f"{data}/2024/*", scored)
    assert written(scored) == ["b.csv"]
    os.remove(tmp_path / "scored" / "b.csv")
    assert len(predict_files(str(folder), f"{data}/2024/*", scored)[0]) == 3
    assert len(predict_files(str(folder), f"{scored}/*", str(tmp_path / "again"))[0]) == 3  # not the hidden file


def test_progress_is_printed_where_there_is_no_terminal(folder, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(many_files, "LINE_SECONDS", 0)
    (data / "2024" / "e.csv").write_text("")
    predict_files(str(folder), f"{data}/2024/*", f"{tmp_path}/scored")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "4 files to predict ..." and len(lines) == 5  # the smallest file, which is empty, is the last
    assert lines[3:] == ["3 of 4 files, 7 rows, 0 failed", "4 of 4 files, 7 rows, 1 failed"]


def test_unusable_folders_are_refused(folder, data, tmp_path):
    with pytest.raises(FileNotFoundError, match="No file matches .*/absent/\\*.csv"):
        predict_files(str(folder), f"{data}/absent/*.csv", str(tmp_path / "scored"))
    with pytest.raises(ValueError, match="is the folder of the input files; choose another output folder"):
        predict_files(str(folder), f"{data}/2024/*", f"{data}/2024")
    (data / "2024" / "c.txt.jsonl").write_text('{"text": "good"}\n')
    with pytest.raises(ValueError, match="Several input files would be written to .*c.txt.jsonl; rename all but one"):
        predict_files(str(folder), f"{data}/2024/*", str(tmp_path / "scored"))
    with pytest.raises(ValueError, match="Unrecognized filesystem"):
        predict_files(str(folder), "nothing://bucket/*.csv", str(tmp_path / "scored"))
    with pytest.raises(OSError, match="There is no folder"):
        predict_files(str(tmp_path / "absent"), f"{data}/2024/*", str(tmp_path / "scored"))


def test_the_largest_file_is_the_first(folder, data, tmp_path):
    seen = []

    def run(scorer, jobs):
        seen.extend(os.path.getsize(source) for source, _ in jobs)
        return iter(())

    predict_files(str(folder), f"{data}/2024/*", str(tmp_path / "scored"), run)
    assert len(seen) == 3 and seen == sorted(seen, reverse=True)


def test_options_reach_the_reader(folder, data, tmp_path):
    (data / "x.csv").write_bytes("words|n\ngood \xe9|1\n".encode("cp1252"))
    local = LocalFileSystem()
    options = {"text_column": "words", "separator": "|", "encoding": "cp1252"}
    score = FileScorer(partial(load_scorer, str(folder)), local, local, options).load()
    assert score((str(data / "x.csv"), str(tmp_path / "out" / "x.csv"))).error is None
    assert (tmp_path / "out" / "x.csv").read_text(encoding="utf-8").startswith("words,n,predicted_label")
