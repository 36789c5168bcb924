"""Shared by all tests: no network, quiet libraries, tiny models."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from transformers.utils import logging

from hf_lstm import LstmConfig

logging.set_verbosity_error()
logging.disable_progress_bar()


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def tiny_config():
    """Builds a config small enough for a test, without dropout unless asked."""

    def build(**fields) -> LstmConfig:
        sizes = {"vocab_size": 40, "embedding_size": 6, "hidden_size": 5}
        dropouts = {"embedding_dropout": 0, "input_dropout": 0, "hidden_dropout": 0, "classifier_dropout": 0}
        return LstmConfig(**(sizes | dropouts | fields))

    return build
