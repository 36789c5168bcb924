"""A tiny classifier and its tokenizer, and a local Ray."""

import os
from pathlib import Path

import pytest

from hf_lstm import LstmForSequenceClassification
from hf_lstm.text.tokenization import train_tokenizer

TEXTS = ["a good film", "a bad film", "not a good film at all", "not bad"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS * 3, kind="word", vocab_size=40, show_progress=False)


@pytest.fixture
def model(tiny_config):
    fields = {"id2label": {0: "neg", 1: "pos"}, "label2id": {"neg": 0, "pos": 1}}
    return LstmForSequenceClassification(tiny_config(**fields, problem_type="single_label_classification")).eval()


@pytest.fixture
def folder(model, tokenizer, tmp_path) -> Path:
    """The classifier and its tokenizer, saved."""
    path = tmp_path / "classifier"
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def ray():
    """Ray on this machine; it counts four cores, whatever the machine has."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # By default, other programs have priority over the processes of Ray.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
    ray.init(
        address="local",
        num_cpus=4,
        object_store_memory=80_000_000,
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
    )
    yield ray
    ray.shutdown()
