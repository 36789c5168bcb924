import json
import math
import shutil

import pytest


def test_arguments_and_standard_input(command, trained):
    folder, _ = trained
    done = command("predict", "--model", folder, "good film", "bad\nbook")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["good", "bad"], done.stderr
    piped = command("predict", "--model", folder, stdin="good book\n\nbad film\n")
    assert [line.split("\t")[0] for line in piped.stdout.splitlines()][::2] == ["good", "bad"]
    assert len(piped.stdout.splitlines()) == 3


def test_lines_that_are_not_utf_8_are_one_error(command, trained):
    done = command("predict", "--model", trained[0], stdin="good film\n\udce9t\udce9\n")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.endswith(
        "error: Standard input cannot be read as utf-8: name its encoding with --encoding, for instance cp1252."
    )
    done = command("predict", "--model", trained[0], "--encoding", "cp1252", stdin="good film\n\udce9t\udce9\n")
    assert done.returncode == 0 and done.stdout.splitlines()[1].endswith("\tété")


def test_rows_of_a_file(command, trained, table, tmp_path):
    folder, _ = trained
    done = command("predict", "--model", folder, "--input", table, "--output", tmp_path / "out.jsonl")
    assert done.returncode == 0 and "300 rows written" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    right = [row["predicted_label"] == row["sentiment"] for row in rows]
    assert len(right) == 300 and sum(right) > 270


def test_a_classifier_that_abstains_says_so(command, trained, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(trained[0], folder)
    config = json.loads((folder / "config.json").read_text())
    config["threshold"] = [1.0 if config["id2label"][str(i)] == "bad" else 0.0 for i in range(2)]
    (folder / "config.json").write_text(json.dumps(config))
    done = command("predict", "--model", folder, "good film", "bad film")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["good", "(no label)"]
    (tmp_path / "in.csv").write_text('text\ngood film\nbad film\n""\nbad book\n')
    done = command("predict", "--model", folder, "--input", tmp_path / "in.csv", "--output", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["predicted_label"] for row in rows if row["text"]] == ["good", None, None]
    assert all(row["predicted_score"] > 0.5 for row in rows if row["text"])
    assert f"Rows of {tmp_path / 'in.csv'} without a label, because none reaches its threshold: " in done.stderr


def test_options_that_exclude_each_other(command, table):
    assert command("predict", "--model", "x", "--input", table).returncode == 2
    unquoted = command("predict", "--model", "x", "--input", table, table, "--output", "out/")  # the shell's `*.csv`
    assert unquoted.returncode == 2 and "enclose a pattern of files in quotes" in unquoted.stderr
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


def test_runners_of_an_export_give_the_predictions_of_the_model(command, trained, table, tmp_path):
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "model"
    shutil.copytree(trained[0], folder)
    absent = command("predict", "--model", folder, "--runner", "int8", "good film")
    assert absent.returncode == 1 and f"`hf-lstm export {folder} --int8` writes" in absent.stderr
    assert command("export", folder, "--int8").returncode == 0
    predicted = {}
    for runner in ("torch", "onnx", "int8"):
        options = ("--model", folder, "--runner", runner)
        target = tmp_path / f"{runner}.jsonl"
        done = command("predict", *options, "--input", table, "--output", target)
        assert done.returncode == 0 and "300 rows written" in done.stderr, done.stderr
        predicted[runner] = [json.loads(line) for line in target.read_text().splitlines()]
        done = command("predict", *options, "--input", table, "--output", f"{tmp_path}/{runner}/")
        assert (tmp_path / runner / table.name).exists() and "300 rows written to 1 file" in done.stderr
        assert command("predict", *options, "good film").stdout.startswith("good\t")
    for runner, tolerance in (("onnx", 1e-4), ("int8", 5e-2)):
        for row, expected in zip(predicted[runner], predicted["torch"], strict=True):
            assert row.keys() == expected.keys()
            assert row["predicted_score"] == pytest.approx(expected["predicted_score"], abs=tolerance)
    other = command("predict", "--model", folder, "--runner", "onnx", "--input", table, "--output", f"{tmp_path}/int8/")
    assert other.returncode == 1 and f"has the predictions of {folder} with another runner: choose" in other.stderr
    config = json.loads((folder / "onnx" / "config.json").read_text())
    config["id2label"]["0"] = "other"
    (folder / "onnx" / "config.json").write_text(json.dumps(config))
    stale = command("predict", "--model", folder, "--runner", "onnx", "good film")
    assert stale.returncode == 1 and "has other labels" in stale.stderr


def write_folder(folder):
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text("text\ngood film\nbad film\n")
    (folder / "c.csv").write_text("")
    return folder


def test_a_folder_gets_a_file_for_each_input(command, trained, tmp_path):
    data, scored = write_folder(tmp_path / "data"), tmp_path / "scored"
    options = ("--model", trained[0], "--input", f"{data}/*.csv", "--output", f"{scored}/")
    done = command("predict", *options)
    assert done.returncode == 1 and f"4 rows written to 2 files in {scored}/" in done.stderr
    assert f"{data}/c.csv is empty" in done.stderr and "error: 1 file of 3 could not be predicted" in done.stderr
    assert (scored / "b.csv").read_text().splitlines()[2].startswith("bad film,bad,0.")
    (data / "c.csv").write_text("text\ngood book\n")
    done = command("predict", *options)
    assert done.returncode == 0 and f"1 rows written to 1 file in {scored}/" in done.stderr
    assert f"2 files already in {scored}/" in done.stderr
    other = tmp_path / "other"
    shutil.copytree(trained[0], other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"threshold": [0.9, 0.9]}))
    refused = command("predict", "--model", other, *options[2:])
    assert refused.returncode == 1
    assert f"error: {scored} has the predictions of another model, {trained[0]}: choose another" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["torch", "int8"])
def test_actors_of_ray_write_the_same_folder(command, trained, tmp_path, monkeypatch, runner):
    pytest.importorskip("ray", reason="Ray is not installed")
    folder = trained[0]
    if runner == "int8":
        pytest.importorskip("onnxruntime")
        folder = shutil.copytree(folder, tmp_path / "model")
        assert command("export", folder, "--int8").returncode == 0
    monkeypatch.setenv("RAY_worker_niceness", "0")
    # The lines of a long prediction depend on the order in which the actors end.
    monkeypatch.setattr("hf_lstm.inference.many_files.LINE_SECONDS", math.inf)
    texts = f"{write_folder(tmp_path / 'data')}/*.csv"
    options = ("--model", folder, "--runner", runner, "--input", texts, "--output")
    alone = command("predict", *options, f"{tmp_path}/alone/")
    done = command("predict", *options, f"{tmp_path}/actors/", "--ray", "--actors", 2)
    assert done.returncode == 1 and done.stderr == alone.stderr.replace("alone", "actors")
    assert done.stderr.startswith("3 files to predict ...\n")
    for name in ("a.csv", "b.csv"):
        assert (tmp_path / "actors" / name).read_text() == (tmp_path / "alone" / name).read_text()


def test_options_for_many_files(command, tmp_path):
    some = ("--model", "x", "--input", f"{tmp_path}/*.csv")
    for options in (("--output", "o.csv"), ("--output", "o.csv", "--ray"), ("--output", "o/", "--actors", 2)):
        assert command("predict", *some, *options).returncode == 2
    assert command("predict", *some, "--output", "o/", "--ray", "--actors", 0).returncode == 2
    assert command("predict", "--model", "x", "--ray", "a text").returncode == 2
    absent = command("predict", *some, "--output", f"{tmp_path}/o/", "--runner", "int8")
    assert absent.returncode == 1 and "`hf-lstm export x --int8` writes" in absent.stderr
    assert not (tmp_path / "o").exists()
