import json

import pandas as pd
import pytest
from helpers import tiny_corpus

from hf_lstm import LstmForCausalLM, LstmModel, pretrain, train_classifier

OPTIONS = {"embedding_size": 8, "hidden_size": 8, "bf16": False}


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"text": tiny_corpus().splits["train"]["text"][:] * 3})


@pytest.mark.slow
def test_language_model_of_a_data_frame(table, tmp_path):
    pretrained = pretrain(table, output_dir=tmp_path / "lm", max_steps=5, block_size=8, **OPTIONS)
    assert isinstance(pretrained.model, LstmForCausalLM) and pretrained.folder == tmp_path / "lm"
    record = json.loads((tmp_path / "lm" / "metrics.json").read_text())
    assert record["perplexity"] == pretrained.metrics["perplexity"] > 1
    assert record["training"]["command"].startswith("pretrain(<DataFrame>, max_steps=5")


def test_vectors_of_a_data_frame_and_a_classifier_on_them(table, tmp_path):
    pretrained = pretrain(table, output_dir=tmp_path / "vectors", objective="vectors", **OPTIONS)
    assert type(pretrained.model) is LstmModel
    labelled = tiny_corpus().splits["train"]
    options = {"num_train_epochs": 1, "baseline": False, "bf16": False}
    trained = train_classifier(labelled, output_dir=tmp_path / "run", pretrained=str(pretrained.folder), **options)
    assert trained.model.config.embedding_size == 8


def test_invalid_calls():
    with pytest.raises(TypeError, match=r"pretrain\(\) has no option 'objectiv'; did you mean 'objective'"):
        pretrain(objectiv="vectors")
    with pytest.raises(TypeError, match="both `data` and `dataset`"):
        pretrain("a.txt", dataset="b.txt")
