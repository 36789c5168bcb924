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
