import json


def test_arguments_and_standard_input(command, trained):
    folder, _ = trained
    done = command("predict", "--model", folder, "good film", "bad\nbook")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["good", "bad"], done.stderr
    piped = command("predict", "--model", folder, stdin="good book\n\nbad film\n")
    assert [line.split("\t")[0] for line in piped.stdout.splitlines()][::2] == ["good", "bad"]
    assert len(piped.stdout.splitlines()) == 3


def test_rows_of_a_file(command, trained, table, tmp_path):
    folder, _ = trained
    done = command("predict", "--model", folder, "--input", table, "--output", tmp_path / "out.jsonl")
    assert done.returncode == 0 and "300 rows written" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    right = [row["predicted_label"] == row["sentiment"] for row in rows]
    assert len(right) == 300 and sum(right) > 270


def test_options_that_exclude_each_other(command, table):
    assert command("predict", "--model", "x", "--input", table).returncode == 2
    assert command("predict", "--model", "x", "a text", "--input", table, "--output", "out.csv").returncode == 2
    absent = command("predict", "--model", "./absent", "x")
    assert absent.returncode == 1 and "error: There is no folder ./absent." in absent.stderr


def test_separator_and_encoding_of_a_file(command, trained, tmp_path):
    (tmp_path / "in.csv").write_bytes("text|id\ngood film, \xe9t\xe9|1\n".encode("cp1252"))
    options = ("--separator", "|", "--encoding", "cp1252")
    done = command(
        "predict", "--model", trained[0], "--input", tmp_path / "in.csv", "--output", tmp_path / "o.csv", *options
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.csv").read_text(encoding="utf-8").splitlines()[1].startswith('"good film, été",1,good,')


def test_columns_with_values_of_several_types_are_reported(command, trained, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"text": "good film", "x": 1}\n{"text": "bad film", "x": "1"}\n')
    done = command(
        "predict", "--model", trained[0], "--input", tmp_path / "in.jsonl", "--output", tmp_path / "o.parquet"
    )
    assert done.returncode == 0 and "several types are written as text: 'x'." in done.stderr
