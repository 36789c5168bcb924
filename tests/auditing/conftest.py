import datasets
import numpy as np
import pandas as pd
import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Cached tables of one test are never seen by another."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def planted():
    """120 texts whose class is obvious, except that rows 1 to 4 have the wrong label; row 61 has no label."""
    rng = np.random.default_rng(0)
    vocabulary = {"good": ["great", "fine", "lovely"], "bad": ["awful", "poor", "dire"]}
    rows = []
    for i in range(120):
        label = ("good", "bad")[i % 2]
        rows.append({"text": f"{' '.join(rng.choice(vocabulary[label], 4))} number {i}", "label": label})
    table = pd.DataFrame(rows)
    table.loc[:3, "label"] = ["bad", "good", "bad", "good"]
    table.loc[60, "label"] = None
    return table
