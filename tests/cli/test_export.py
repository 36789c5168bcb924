import subprocess
import sys

import pytest

pytest.importorskip("onnxruntime")


def test_export_compares_and_writes_a_runner(command, trained, table, tmp_path):
    folder, _ = trained
    columns = ("--text_column", "review", "--label_column", "sentiment")
    options = ("--int8", "--dataset", table, *columns, "--output_dir", tmp_path / "onnx")
    done = command("export", folder, *options)
    assert done.returncode == 0, done.stderr
    assert "Parity with torch" in done.stdout and "| model_int8.onnx |" in done.stdout and "accuracy" in done.stdout
    runner = [sys.executable, str(tmp_path / "onnx" / "run_onnx.py"), "good film"]
    assert subprocess.check_output(runner, text=True).startswith("good\t")


def test_bidirectional_classifier_has_no_stateful_export(command, trained, tmp_path):
    done = command("export", trained[0], "--stateful", "--output_dir", tmp_path / "stream")
    assert done.returncode == 1 and "bidirectional" in done.stderr
