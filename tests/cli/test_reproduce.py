import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset

from hf_lstm import recipes
from hf_lstm.cli.reproduce import build_parser, main
from hf_lstm.language_model import PUBLISHED_SIZE, PackedCorpus

ROOT = Path(__file__).parents[2]


def test_checkpoint_is_reproduced(monkeypatch):
    called = []
    monkeypatch.setattr(recipes, "reproduce_checkpoint", lambda *args: called.append(args))
    main(["lstm-imdb-small", "--dataset", "my/imdb"])
    main(["lstm-imdb"])
    assert called == [("lstm-imdb-small", "my/imdb"), ("lstm-imdb", "stanfordnlp/imdb")]


def test_teacher_is_distilled(monkeypatch):
    called = []
    monkeypatch.setattr(recipes, "distil", lambda *args: called.append(args))
    main(["distil", "--probabilities", "p.npz", "--dataset", "my/imdb"])
    assert called == [("p.npz", "my/imdb")]


def test_corpus_is_packed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    texts = [f"the {opinion} film" for opinion in range(40)]
    (tmp_path / "reviews").mkdir()
    for split in ("train", "test"):
        rows = Dataset.from_dict({"text": [f"{text} of {split}" for text in texts], "label": [0, 1] * 20})
        rows.to_parquet(str(tmp_path / "reviews" / f"{split}.parquet"))
    main(["pack", "--dataset", str(tmp_path / "reviews"), "--output", str(tmp_path / "corpus.npz")])
    packed = PackedCorpus.read(tmp_path / "corpus.npz")
    assert len(packed.texts) == 80 and len(packed.indices("validation")) > 0
    assert "corpus.npz: 0.0 MB" in capsys.readouterr().out


def test_default_size_is_the_published_one():
    args = build_parser().parse_args(["lstm-imdb-lm", "--packed", "corpus.npz"])
    found = (args.embedding_size, args.hidden_size, args.num_hidden_layers)
    assert found == (PUBLISHED_SIZE.embedding_size, PUBLISHED_SIZE.hidden_size, PUBLISHED_SIZE.num_hidden_layers)
    assert args.minutes == 9


@pytest.mark.parametrize("name", ["pack", "lstm-imdb-lm", "distil", "lstm-imdb"])
def test_help_shows_no_default_that_is_none(name, capsys):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert "None" not in shown and max(map(len, shown.splitlines())) <= 120


def test_wrong_input_is_reported_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model_cards").mkdir()
    with pytest.raises(OSError, match="There is no packed corpus .*missing.npz; .* writes one"):
        main(["lstm-imdb-lm", "--packed", str(tmp_path / "missing.npz")])
    with pytest.raises(OSError, match="There is no teacher file missing.npz"):
        main(["distil", "--probabilities", "missing.npz"])


def test_script_describes_all_commands(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "reproduce.py"), "--help"]
    environment = {"PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    for word in (
        "lstm-imdb-small",
        "pack ",
        "lstm-imdb-lm",
        "distil",
        "--probabilities runs/lstm-imdb-lm/probabilities.npz",
    ):
        assert word in done.stdout
