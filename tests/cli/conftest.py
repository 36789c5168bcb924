"""The commands as a user runs them, on a table of 300 opinions."""

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import OPINIONS, ROOT, SIZE_OPTIONS

from hf_lstm.cli import run_command


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(monkeypatch, capsys) -> Callable[..., Ended]:
    """Run a subcommand in this process, where the imports are done."""

    def run(name: str, *arguments, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode(errors="surrogateescape"))))
        capsys.readouterr()
        code, message = 0, ""
        try:
            run_command(name, list(map(str, arguments)))
        except SystemExit as ended:
            code = ended.code or 0
            if isinstance(code, str):
                code, message = 1, code
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err + message)

    return run


@pytest.fixture(scope="session")
def table(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "opinions.csv"
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["review", "sentiment"])
        writer.writerows([text, text.split()[0]] for text in OPINIONS)
    return path


@pytest.fixture(scope="session")
def lines(tmp_path_factory) -> Path:
    """The texts without their labels, one per line."""
    path = tmp_path_factory.mktemp("data") / "texts.txt"
    path.write_text("\n".join(f"a {text}" for text in OPINIONS) + "\n")
    return path


@pytest.fixture(scope="session")
def trained(table, tmp_path_factory) -> tuple[Path, str]:
    """A folder that a new process has trained with the script, and what the process printed."""
    folder = tmp_path_factory.mktemp("runs") / "opinions"
    options = (*SIZE_OPTIONS, "--num_train_epochs", 20, "--learning_rate", 0.02, "--embedding_dropout", 0)
    words = [sys.executable, ROOT / "scripts" / "train.py", "--dataset", table, "--output_dir", folder, *options]
    done = subprocess.run(
        list(map(str, [*words, "--input_dropout", 0.1])), capture_output=True, text=True, timeout=300, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


@pytest.fixture(scope="session")
def streaming_folder(table, tmp_path_factory) -> Path:
    """A classifier that reads in one direction."""
    folder = tmp_path_factory.mktemp("runs") / "stream"
    run_command(
        "train",
        ["--dataset", str(table), "--output_dir", str(folder), "--no_bidirectional", "--no_baseline"]
        + [*map(str, SIZE_OPTIONS), "--num_train_epochs", "6"],
    )
    return folder
