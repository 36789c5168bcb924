import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import make_classifier

from hf_lstm.text import train_tokenizer

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    tokenizer = train_tokenizer(["a good film", "a bad film"] * 2, "word", 100, show_progress=False)
    make_classifier(num_labels=2).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def run_fuzz(*options):
    command = [sys.executable, str(ROOT / "scripts" / "fuzz.py"), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.mark.slow
def test_random_strings_get_finite_scores(folder):
    done = run_fuzz("--model", str(folder), "--count", "260")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("260 strings with ")
    assert "All scores are finite, and `predict_file` gives the same labels" in done.stdout


@pytest.mark.slow
def test_damaged_files_are_read_or_give_a_clear_error():
    done = run_fuzz("--files", "200")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("200 damaged files: ") and "gave a clear error" in done.stdout
