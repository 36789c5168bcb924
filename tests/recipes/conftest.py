import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """The library takes folders of the same name for the same corpus."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
