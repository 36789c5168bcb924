import runpy
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from helpers import OPINIONS, tiny_corpus

SCRIPT = Path(__file__).parents[1] / "scripts" / "compare_autotune.py"
script = runpy.run_path(str(SCRIPT))


def test_fasttext_reads_lower_case_words_and_separate_marks():
    assert script["tokenize_line"]("It's \"Good\",\nisn't it?  Très bien!") == (
        "it ' s \" good \" , isn ' t it ? très bien !"
    )


def test_a_missing_fasttext_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(ImportError, match=r'pip install "hf_lstm\[bench\]"'):
        script["search_fasttext"](tiny_corpus(), 1, tmp_path)


@pytest.mark.slow
def test_the_table_has_all_contestants(tmp_path):
    pytest.importorskip("fasttext", reason="fastText is not installed")
    table = pd.DataFrame({"text": OPINIONS, "label": ["good" if "good" in text else "other" for text in OPINIONS]})
    table.to_csv(tmp_path / "opinions.csv", index=False)
    options = ["--dataset", tmp_path / "opinions.csv", "--output_dir", tmp_path / "run", "--autotune", "5s"]
    command = [sys.executable, SCRIPT, *options]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line for line in printed.splitlines() if line.startswith("|")][-5:]
    assert [row.split("|")[1].strip() for row in rows if "---" not in row] == [
        "accuracy",
        "fastText",
        "TF-IDF + LR",
        "hf_lstm",
    ]
