import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, tiny_corpus
from safetensors.torch import load_file

from hf_lstm import LstmForCausalLM, LstmModel, pretrain, train_classifier
from hf_lstm.language_model import PackedCorpus, TokenTexts
from hf_lstm.text import train_tokenizer

OPTIONS = {"embedding_size": 8, "hidden_size": 8, "bf16": False}


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"text": tiny_corpus().splits["train"]["text"][:] * 3})


@pytest.mark.slow
def test_language_model_of_a_data_frame(table, tmp_path, capsys):
    pretrained = pretrain(table, output_dir=tmp_path / "lm", max_steps=5, block_size=8, **OPTIONS)
    assert isinstance(pretrained.model, LstmForCausalLM) and pretrained.folder == tmp_path / "lm"
    record = json.loads((tmp_path / "lm" / "metrics.json").read_text())
    assert record["perplexity"] == pretrained.metrics["perplexity"] > 1
    assert record["training"]["command"].startswith("pretrain(<DataFrame>, max_steps=5")
    assert record["training"]["sampled_tokens"] == 0 and record["training"]["precision"] == "fp32"
    assert "in fp32, softmax over all tokens." in capsys.readouterr().out


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


@pytest.fixture
def packed(table, tmp_path) -> str:
    """A packed corpus whose first half is learned and whose second half is held out."""
    texts = table["text"].tolist()
    tokenizer = train_tokenizer(texts, "word", 60, show_progress=False)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    splits = np.arange(len(texts)) * 2 // len(texts)
    PackedCorpus(
        texts=TokenTexts.tokenize(texts, tokenizer),
        splits=splits,
        rows=np.arange(len(texts)),
        labels=np.zeros(len(texts)),
        shared=np.zeros(len(texts), bool),
        label_names=("neg", "pos"),
        tokenizer_files={path.name: path.read_text() for path in (tmp_path / "tokenizer").iterdir()},
        name="generated",
    ).write(tmp_path / "corpus.npz")
    return str(tmp_path / "corpus.npz")


def test_packed_corpus_and_model_to_start_from_have_the_same_vocabulary(table, packed, tmp_path, capsys):
    options = {"max_steps": 3, "block_size": 8, "bf16": False}
    sizes = {"embedding_size": 8, "hidden_size": 8}
    first = pretrain(packed=packed, output_dir=tmp_path / "first", **options, **sizes)
    training = json.loads((tmp_path / "first" / "metrics.json").read_text())["training"]
    assert (training["sampled_tokens"], training["precision"]) == (0, "float32")
    assert "in float32, softmax over all tokens." in capsys.readouterr().out
    again = pretrain(packed=packed, output_dir=tmp_path / "again", pretrained=str(first.folder), **options)
    assert again.metrics["perplexity"] > 1
    words = pd.DataFrame({"text": ["another text", "and more"] * 20})
    others = pretrain(words, output_dir=tmp_path / "others", objective="vectors", embedding_size=8)
    with pytest.raises(ValueError, match="corpus.npz and .*others have different vocabularies: remove `--pretrained`"):
        pretrain(packed=packed, output_dir=tmp_path / "no", pretrained=str(others.folder), **options)
    with pytest.raises(TypeError, match="both `data` and `packed`"):
        pretrain(table, packed=packed)


TWO_PROCESSES = """
import json, sys
from pathlib import Path
from hf_lstm import pretrain
from torch.distributed import get_rank
folder, objective = Path(sys.argv[1]), sys.argv[2]
options = {"embedding_size": 8, "hidden_size": 8, "bf16": False, "use_cpu": True}
if objective == "language_model":
    options |= {"max_steps": 2, "block_size": 8}
found = pretrain(str(folder / "texts.txt"), output_dir=folder / objective, objective=objective, **options)
weights = {name: weight.double().sum().item() for name, weight in found.model.state_dict().items()}
result = {"weights": weights, "metrics": found.metrics}
(folder / f"{objective}-{get_rank()}.json").write_text(json.dumps(result))
"""


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["language_model", "vectors"])
def test_all_processes_return_the_saved_model_and_its_metrics(table, tmp_path, objective):
    (tmp_path / "texts.txt").write_text("\n".join(table["text"]))
    (tmp_path / "train.py").write_text(TWO_PROCESSES)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    words = [*launcher, str(tmp_path / "train.py"), str(tmp_path), objective]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{objective}-{rank}.json").read_text()) for rank in range(2))
    assert first == second
    saved = load_file(tmp_path / objective / "model.safetensors")
    for name, weight in saved.items():
        assert second["weights"][name] == weight.double().sum().item(), name
