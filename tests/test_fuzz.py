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


@pytest.mark.slow
def test_random_strings_get_finite_scores(folder):
    command = [sys.executable, str(ROOT / "scripts" / "fuzz.py"), "--model", str(folder), "--count", "260"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("260 strings with ")
    assert "All scores are finite, and `predict_file` gives the same labels" in done.stdout
