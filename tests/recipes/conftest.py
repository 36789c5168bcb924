import numpy as np
import pytest
from datasets import Dataset


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """The library takes folders of the same name for the same corpus."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")


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
    (tmp_path / "report.json").write_text('{"minutes": 9.0, "seconds": 519.4, "device": "a GPU"}')
    np.savez(tmp_path / "probabilities.npz", label_names=np.array(["neg", "pos"]), **tables)
    return str(tmp_path / "probabilities.npz")
