import json
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, load_dataset

from hf_lstm.recipes import checkpoints, distillation
from hf_lstm.recipes.checkpoints import required_steps
from hf_lstm.recipes.distillation import distil, distilled_steps, write_teacher_file
from hf_lstm.recipes.steps import CHECKPOINTS, STEPS
from hf_lstm.teachers.teacher_kinds import read_probabilities


@pytest.fixture
def corpus(tmp_path) -> str:
    folder = tmp_path / "imdb"
    folder.mkdir()
    rows = {
        "train": {"text": ["a good film", "a bad film", "<br />fine\x00"], "label": [1, 0, 1]},
        "test": {"text": ["a test text"], "label": [1]},
        "unsupervised": {"text": ["one", "two"], "label": [-1, -1]},
    }
    for split, columns in rows.items():
        Dataset.from_dict(columns).to_parquet(str(folder / f"{split}.parquet"))
    files = "".join(f"  - split: {split}\n    path: {split}.parquet\n" for split in rows)
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n")
    return str(folder)


@pytest.fixture
def teacher(tmp_path) -> str:
    tables = {
        "train": np.array([[0.1, 0.9], [np.nan, np.nan], [0.25, 0.75]], np.float16),
        "unsupervised": np.array([[0.6, 0.4], [0.0, 1.0]], np.float16),
        "test": np.array([[0.5, 0.5]], np.float16),
    }
    np.savez(tmp_path / "probabilities.npz", label_names=np.array(["neg", "pos"]), **tables)
    return str(tmp_path / "probabilities.npz")


def test_teacher_file_has_the_texts_of_the_rows(corpus, teacher, tmp_path):
    path = tmp_path / "out" / "teacher.parquet"
    assert write_teacher_file(teacher, corpus, path) == 4
    rows = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["text", "neg", "pos"]
    assert rows["text"][:] == ["a good film", "<br />fine\x00", "one", "two"]  # no text of the test split
    np.testing.assert_allclose(rows["pos"][:], [0.9, 0.75, 0.4, 1.0], atol=1e-3)
    np.testing.assert_allclose(np.add(rows["neg"][:], rows["pos"][:]), 1, atol=1e-6)
    # The students' reader accepts it.
    found = read_probabilities(str(path), ["two", "<br />fine\x00"], ["neg", "pos"], "single_label_classification")
    np.testing.assert_allclose(found, [[0, 1], [0.25, 0.75]], atol=1e-3)


def test_file_of_another_corpus_is_refused(corpus, tmp_path):
    table = np.full((4, 2), 0.5, np.float16)
    np.savez(tmp_path / "other.npz", label_names=np.array(["neg", "pos"]), train=table)
    with pytest.raises(ValueError, match="has 4 rows of train, .*imdb has 3"):
        write_teacher_file(str(tmp_path / "other.npz"), corpus, tmp_path / "teacher.parquet")


def test_teacher_file_takes_the_place_of_fitted_teachers():
    steps, names = distilled_steps("runs-lm.parquet")
    assert set(names) == {
        "imdb-small", "imdb-forward", "imdb-reverse", "imdb-forward-2", "imdb-reverse-2", "imdb-small-2"
    }  # fmt: skip
    before: set[str] = set()
    for name, (script, options) in steps.items():
        assert set(required_steps(options, steps)) <= before, name
        before.add(name)
        assert script in ("train", "pretrain")
        if "--passage_words" in options:
            assert "runs-lm" not in options and (script, options) == STEPS[name]
        else:
            assert " linear" not in options and " latent" not in options
    assert "--teacher runs-lm.parquet --adversarial_size" in steps["imdb-small-distilled"][1]
    assert (
        "--teacher runs-lm.parquet runs/imdb-forward-distilled runs/imdb-reverse-distilled runs/imdb-small-distilled "
        in steps["imdb-forward-2-distilled"][1]
    )
    assert "--pretrained runs/imdb-base --teacher" in steps["imdb-forward-distilled"][1]


def test_one_command_trains_and_publishes_the_checkpoints(corpus, teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained, published = [], []

    class Processes:
        @staticmethod
        def run(command):
            folder = Path(command[command.index("--output_dir") + 1])
            folder.mkdir(parents=True)
            record = {"training": {"command": "hf-lstm " + " ".join(command[3:])}}
            (folder / "metrics.json").write_text(json.dumps(record))
            trained.append(folder.name)
            return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(checkpoints, "subprocess", Processes)
    monkeypatch.setattr(distillation, "publish", lambda step, folder, *rest: published.append((step, folder.name)))
    with pytest.raises(FileNotFoundError, match="no folder ./model_cards"):
        distil(teacher, corpus)
    Path("model_cards").mkdir()
    distil(teacher, corpus)
    assert published == [(f"{CHECKPOINTS[name]}-distilled", name) for name in CHECKPOINTS if name != "lstm-imdb-base"]
    assert len(trained) == len(set(trained)) == len(STEPS)
    assert (tmp_path / "probabilities.parquet").exists()
